package dev.dormouse.gateway.kube;

import dev.dormouse.gateway.route.ApiKey;
import dev.dormouse.gateway.route.ClusterListener;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads API keys from the Secrets of one namespace that carry the label {@code dormouse.dev/api-key: "true"}. The entry
 * {@code key} holds one key per line. Annotations say what it may do: {@code dormouse.dev/models},
 * {@code dormouse.dev/priority}, {@code dormouse.dev/concurrency-limit}.
 */
public final class ApiKeyWatcher implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ApiKeyWatcher.class);

    private final SharedIndexInformer<Secret> secrets;

    public ApiKeyWatcher(KubernetesClient client, String namespace, ClusterListener listener) {
        secrets = client.secrets()
                .inNamespace(namespace)
                .withLabel("dormouse.dev/api-key", "true")
                .runnableInformer(0);
        secrets.exceptionHandler((started, error) -> {
            LOG.warn("the API keys cannot be watched at present; trying again: {}", error.getMessage());
            return true;
        });
        secrets.addEventHandler(new ResourceEventHandler<Secret>() {
            @Override
            public void onAdd(Secret seen) {
                tell(seen);
            }

            @Override
            public void onUpdate(Secret before, Secret seen) {
                tell(seen);
            }

            @Override
            public void onDelete(Secret last, boolean stateUnknown) {
                listener.apiKeyGone(name(last));
            }

            private void tell(Secret secret) {
                read(secret).ifPresentOrElse(listener::apiKeySeen, () -> listener.apiKeyGone(name(secret)));
            }
        });
    }

    /** Begins to watch and returns. */
    public void start() {
        secrets.start().exceptionally(error -> {
            LOG.error("watching the API keys could not begin", error);
            return null;
        });
    }

    /** Absent when the Secret holds no key, or says what cannot be understood: then it opens nothing. */
    static Optional<ApiKey> read(Secret secret) {
        Map<String, String> annotations = Objects.requireNonNullElse(secret.getMetadata().getAnnotations(), Map.of());
        try {
            Set<String> digests = keys(secret).map(ApiKey::digest).collect(Collectors.toSet());
            List<String> models = Arrays.stream(annotations.getOrDefault("dormouse.dev/models", "*").split(","))
                    .map(String::strip)
                    .filter(Predicate.not(String::isEmpty))
                    .toList();
            return digests.isEmpty()
                    ? Optional.empty()
                    : Optional.of(new ApiKey(name(secret), digests, models,
                            number(annotations.get("dormouse.dev/priority"), 0),
                            number(annotations.get("dormouse.dev/concurrency-limit"), Integer.MAX_VALUE)));
        } catch (IllegalArgumentException e) {
            LOG.warn(
                    "Secret {} opens nothing: its annotations dormouse.dev/priority and dormouse.dev/concurrency-limit must"
                            + " be whole numbers, its data base64",
                    name(secret));
            return Optional.empty();
        }
    }

    private static java.util.stream.Stream<String> keys(Secret secret) {
        String encoded = Objects.requireNonNullElse(secret.getData(), Map.<String, String>of()).get("key");
        return encoded == null
                ? java.util.stream.Stream.empty()
                : new String(Base64.getDecoder().decode(encoded), StandardCharsets.UTF_8).lines()
                        .map(String::strip)
                        .filter(Predicate.not(String::isEmpty));
    }

    private static int number(@Nullable String text, int otherwise) {
        return text == null ? otherwise : Integer.parseInt(text.strip());
    }

    private static String name(Secret secret) {
        return secret.getMetadata().getNamespace() + "/" + secret.getMetadata().getName();
    }

    @Override
    public void close() {
        secrets.stop();
    }
}

package dev.dormouse.operator.observe;

import dev.dormouse.operator.log.LogKeys;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.NamespacedKubernetesClient;
import io.fabric8.kubernetes.client.RequestConfigBuilder;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import java.net.HttpURLConnection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Says what keeps the operator from starting. The informers try their first lists again and again by themselves, but not why
 * they fail: this asks the API server the same, and tells the log (when the answer changes) and {@code /readyz}. A start
 * that goes well is over before it asks anything.
 */
public final class StartDiagnosis implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StartDiagnosis.class);
    private static final Duration FIRST_LOOK = Duration.ofSeconds(2);
    private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(5);
    private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(5);

    private final KubernetesClient client;
    private final List<Class<? extends HasMetadata>> types;
    private final Set<String> namespaces;
    private final ScheduledExecutorService thread = new ScheduledThreadPoolExecutor(1,
            Thread.ofPlatform().daemon().name("start-diagnosis").factory());
    private volatile List<String> missing = List.of();

    /**
     * @param types that the operator lists and watches
     * @param namespaces where it does; everywhere if empty
     */
    public StartDiagnosis(KubernetesClient client, List<Class<? extends HasMetadata>> types, Set<String> namespaces) {
        this.client = client;
        this.types = List.copyOf(types);
        this.namespaces = Set.copyOf(namespaces);
    }

    /** Call when the start begins; {@link #close} when it is over. */
    public void begin() {
        var unused = thread.scheduleWithFixedDelay(this::tell, FIRST_LOOK.toMillis(), BETWEEN_LOOKS.toMillis(),
                TimeUnit.MILLISECONDS);
    }

    /** What is missing, as far as is known; nothing while that is nothing. */
    public Optional<String> missing() {
        return missing.isEmpty() ? Optional.empty() : Optional.of(String.join("\n", missing));
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }

    private void tell() {
        List<String> now = look();
        if (thread.isShutdown()) {
            return;
        }
        if (!now.equals(missing)) {
            now.forEach(reason -> LOG.atWarn()
                    .addKeyValue(LogKeys.REASON, reason)
                    .log("the operator cannot start yet; it tries again"));
        }
        missing = now;
    }

    /** Asks for everything once. */
    List<String> look() {
        // One answer each, however bad: trying again is the next look's.
        return client.adapt(NamespacedKubernetesClient.class)
                .withRequestConfig(new RequestConfigBuilder().withRequestRetryBackoffLimit(0)
                        .withRequestTimeout((int) ANSWERS_WITHIN.toMillis())
                        .build())
                .call(this::look);
    }

    private List<String> look(NamespacedKubernetesClient once) {
        List<String> found = new ArrayList<>();
        for (Class<? extends HasMetadata> type : types) {
            boolean everywhere = namespaces.isEmpty() || !Namespaced.class.isAssignableFrom(type);
            for (String namespace : everywhere ? Set.of("") : namespaces) {
                Optional<Refusal> refusal = ask(once, type, namespace);
                refusal.map(Refusal::words).ifPresent(found::add);
                if (refusal.isPresent() && !refusal.get().answered()) {
                    // Nor will it answer the rest.
                    return found;
                }
            }
        }
        return List.copyOf(found);
    }

    /** @param answered whether the API server said anything at all */
    private record Refusal(String words, boolean answered) {}

    /** @param namespace empty for all */
    private Optional<Refusal> ask(NamespacedKubernetesClient once, Class<? extends HasMetadata> type,
            String namespace) {
        String verb = "list";
        try {
            FilterWatchListDeletable<? extends HasMetadata, ?, ?> resources = namespace.isEmpty()
                    ? once.resources(type).inAnyNamespace()
                    : once.resources(type).inNamespace(namespace);
            resources.list(new ListOptionsBuilder().withLimit(1L).build());
            verb = "watch";
            try (Watch watch = resources.watch(new ListOptionsBuilder().withTimeoutSeconds(1L).build(),
                    new Deaf<>())) {
                return Optional.empty();
            }
        } catch (KubernetesClientException e) {
            return Optional.of(refusal(e, verb, HasMetadata.getFullResourceName(type),
                    namespace.isEmpty() ? "" : " in namespace " + namespace));
        }
    }

    private Refusal refusal(KubernetesClientException e, String verb, String resource, String where) {
        String said = Objects.requireNonNullElse(e.getStatus() == null ? e.getMessage() : e.getStatus().getMessage(),
                "no reason given");
        if (e.getCode() <= 0) {
            return new Refusal("the API server %s does not answer: %s".formatted(client.getMasterUrl(), cause(e)),
                    false);
        }
        return switch (e.getCode()) {
            case HttpURLConnection.HTTP_UNAUTHORIZED -> new Refusal(
                    "the API server does not accept the operator's credentials: " + said, false);
            case HttpURLConnection.HTTP_FORBIDDEN -> new Refusal(
                    "the operator may not %s %s%s: %s".formatted(verb, resource, where, said), true);
            case HttpURLConnection.HTTP_NOT_FOUND -> new Refusal(
                    "the API server does not know %s: install the chart dormouse-crds".formatted(resource), true);
            default -> new Refusal("the API server answered %d to %s %s%s: %s".formatted(e.getCode(), verb, resource,
                    where, said), true);
        };
    }

    /** The client wraps what the network said. */
    private static String cause(Throwable e) {
        Throwable deepest = e;
        while (deepest.getCause() != null) {
            deepest = deepest.getCause();
        }
        return Objects.requireNonNullElse(deepest.getMessage(), deepest.getClass().getSimpleName());
    }

    /** Whether a watch may be opened is all that is asked. */
    private static final class Deaf<T> implements Watcher<T> {
        @Override
        public void eventReceived(Action action, T resource) {}

        @Override
        public void onClose(@Nullable WatcherException cause) {}
    }
}

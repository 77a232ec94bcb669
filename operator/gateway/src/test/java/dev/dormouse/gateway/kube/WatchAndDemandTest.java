package dev.dormouse.gateway.kube;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.cluster.apiserver.ApiServer;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ApiKey;
import dev.dormouse.gateway.route.ClusterListener;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.discovery.v1.Endpoint;
import io.fabric8.kubernetes.api.model.discovery.v1.EndpointBuilder;
import io.fabric8.kubernetes.api.model.discovery.v1.EndpointSlice;
import io.fabric8.kubernetes.api.model.discovery.v1.EndpointSliceBuilder;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The gateway's dealings with Kubernetes, on the embedded API server. */
class WatchAndDemandTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final String TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    private static final ModelKey MODEL = new ModelKey("default", "minilm");

    private final ApiServer server;
    private final KubernetesClient client;
    private final Seen seen = new Seen();

    /** The newest of everything that was told. */
    private static final class Seen implements ClusterListener {
        private final Map<ModelKey, ModelRoute> models = new ConcurrentHashMap<>();
        private final Map<String, PodRoute> pods = new ConcurrentHashMap<>();
        private final Map<String, ApiKey> keys = new ConcurrentHashMap<>();
        private volatile int gateways;
        private volatile boolean synced;

        @Override
        public void modelSeen(ModelRoute model) {
            models.put(model.key(), model);
        }

        @Override
        public void modelGone(ModelKey model) {
            models.remove(model);
        }

        @Override
        public void podSeen(PodRoute pod) {
            pods.put(pod.uid(), pod);
        }

        @Override
        public void podGone(String uid) {
            pods.remove(uid);
        }

        @Override
        public void gatewaysSeen(int ready) {
            gateways = ready;
        }

        @Override
        public void apiKeySeen(ApiKey key) {
            keys.put(key.name(), key);
        }

        @Override
        public void apiKeyGone(String name) {
            keys.remove(name);
        }

        @Override
        public void synced() {
            synced = true;
        }
    }

    WatchAndDemandTest() throws IOException {
        server = new ApiServer(0, Clock.systemUTC());
        try (InputStream crd = Objects
                .requireNonNull(InferenceModel.class.getResourceAsStream("/crds/inferencemodels.dormouse.dev.yaml"))) {
            server.apply(new String(crd.readAllBytes(), StandardCharsets.UTF_8));
        }
        client = new KubernetesClientBuilder().withConfig(new ConfigBuilder().withAutoConfigure(false)
                .withMasterUrl(server.url().toString())
                .withOauthToken(server.token())
                .withCaCertData(server.certificate())
                .withOnlyHttpWatches(true)
                .withNamespace("default")
                .build()).build();
    }

    @BeforeEach
    void createModel() {
        client.resources(InferenceModel.class)
                .inNamespace("default")
                .load(new ByteArrayInputStream("""
                                               apiVersion: dormouse.dev/v1alpha1
                                               kind: InferenceModel
                                               metadata: {name: minilm, namespace: default}
                                               spec: {model: {uri: 'file:///m'}, engine: {image: e}}
                                               """.getBytes(StandardCharsets.UTF_8)))
                .create();
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    @Test
    @DisplayName("Gateways that are ready behind their service are counted, each once, as they come and go")
    void gatewaysAreCounted() {
        try (GatewayCounter counter = new GatewayCounter(client, "default", "gateway", seen)) {
            counter.start();
            client.resource(slice("gateway-a", "gateway", "10.0.0.1", "10.0.0.2", "10.0.0.3-")).create();
            client.resource(slice("other", "engine", "10.0.0.9")).create();
            await().atMost(PATIENCE).until(() -> seen.gateways == 2);
            client.resource(slice("gateway-b", "gateway", "10.0.0.2", "10.0.0.4")).create();
            await().atMost(PATIENCE).until(() -> seen.gateways == 3);
            client.resource(slice("gateway-a", "gateway")).delete();
            await().atMost(PATIENCE).until(() -> seen.gateways == 2);
        }
    }

    /** @param addresses one that ends in a dash is not ready */
    private static EndpointSlice slice(String name, String service, String... addresses) {
        List<Endpoint> endpoints = java.util.Arrays.stream(addresses)
                .map(address -> new EndpointBuilder().withAddresses(address.replace("-", ""))
                        .withNewConditions()
                        .withReady(!address.endsWith("-"))
                        .endConditions()
                        .build())
                .toList();
        return new EndpointSliceBuilder().withNewMetadata()
                .withName(name)
                .withNamespace("default")
                .addToLabels("kubernetes.io/service-name", service)
                .endMetadata()
                .withAddressType("IPv4")
                .withEndpoints(endpoints)
                .build();
    }

    @Test
    @DisplayName("BL25: keys come from labelled Secrets, two while one is replaced, and go with them")
    void apiKeys() {
        try (ApiKeyWatcher watcher = new ApiKeyWatcher(client, "default", seen)) {
            watcher.start();
            Secret secret = new SecretBuilder().withNewMetadata()
                    .withName("team")
                    .withNamespace("default")
                    .addToLabels("dormouse.dev/api-key", "true")
                    .addToAnnotations("dormouse.dev/models", "default/*, chat")
                    .addToAnnotations("dormouse.dev/priority", "7")
                    .endMetadata()
                    .addToData("key", java.util.Base64.getEncoder()
                            .encodeToString("old\nnew\n".getBytes(StandardCharsets.UTF_8)))
                    .build();
            client.resource(secret).create();
            await().atMost(PATIENCE).until(() -> seen.keys.containsKey("default/team"));

            assertThat(seen.keys.get("default/team")).isEqualTo(new ApiKey("default/team",
                    java.util.Set.of(ApiKey.digest("old"), ApiKey.digest("new")), List.of("default/*", "chat"), 7,
                    Integer.MAX_VALUE));
            secret.getMetadata().getAnnotations().put("dormouse.dev/priority", "high");
            assertThat(ApiKeyWatcher.read(secret)).as("what is not understood opens nothing").isEmpty();
            client.resource(secret).delete();
            await().atMost(PATIENCE).until(() -> seen.keys.isEmpty());
        }
    }

    private Pod createPod() {
        return client.pods()
                .inNamespace("default")
                .resource(new PodBuilder().withNewMetadata()
                        .withName("minilm-0")
                        .addToLabels(PodConventions.LABEL_MODEL, "minilm")
                        .endMetadata()
                        .withNewSpec()
                        .addNewContainer()
                        .withName("engine")
                        .withImage("e")
                        .endContainer()
                        .endSpec()
                        .build())
                .create();
    }

    @Test
    @DisplayName("What exists is told before the cluster counts as known, what changes is told after")
    void watches() {
        Pod first = createPod();
        try (ClusterWatcher watcher = new ClusterWatcher(client, Set.of(), seen)) {
            watcher.start();
            await().atMost(PATIENCE).until(() -> seen.synced);
            assertThat(seen.models).containsOnlyKeys(MODEL);
            assertThat(seen.pods).containsOnlyKeys(first.getMetadata().getUid());

            client.pods()
                    .inNamespace("default")
                    .withName("minilm-0")
                    .edit(pod -> new PodBuilder(pod).editMetadata()
                            .addToAnnotations(PodConventions.ANNOTATION_DRAINING, "true")
                            .endMetadata()
                            .build());
            await().atMost(PATIENCE)
                    .until(() -> seen.pods.values().stream().allMatch(PodRoute::draining) && !seen.pods.isEmpty());
            client.pods().inNamespace("default").withName("minilm-0").withGracePeriod(0).delete();
            client.resources(InferenceModel.class).inNamespace("default").withName("minilm").delete();

            await().atMost(PATIENCE).until(() -> seen.models.isEmpty() && seen.pods.isEmpty());
        }
    }

    @Test
    @DisplayName("Another namespace is none of our business when namespaces are named")
    void watchesOnlyNamedNamespaces() {
        try (ClusterWatcher watcher = new ClusterWatcher(client, Set.of("elsewhere"), seen)) {
            watcher.start();
            await().atMost(PATIENCE).until(() -> seen.synced);

            assertThat(seen.models).isEmpty();
        }
    }

    @Test
    @DisplayName("A demand is a server-side apply of one field, under one manager, and touches nothing else")
    void demands() {
        Instant at = Instant.parse("2026-11-21T00:00:00.123456Z");
        try (KubernetesDemandWriter writer = new KubernetesDemandWriter(client)) {
            writer.write(MODEL, at.minusSeconds(9), Optional.empty()).toCompletableFuture().join();
            writer.write(MODEL, at, Optional.of(TRACE)).toCompletableFuture().join();

            InferenceModel model = client.resources(InferenceModel.class)
                    .inNamespace("default")
                    .withName("minilm")
                    .get();
            assertThat(model.getStatus().demand).satisfies(demand -> {
                assertThat(Objects.requireNonNull(demand).requestedAt()).isEqualTo("2026-11-21T00:00:00.123456Z");
                assertThat(demand.traceparent()).isEqualTo(TRACE);
            });
            assertThat(model.getMetadata().getManagedFields())
                    .filteredOn(entry -> KubernetesDemandWriter.FIELD_MANAGER.equals(entry.getManager()))
                    .singleElement()
                    .satisfies(entry -> {
                        assertThat(entry.getOperation()).isEqualTo("Apply");
                        assertThat(entry.getSubresource()).isEqualTo("status");
                        assertThat(entry.getFieldsV1().toString()).contains("f:requestedAt")
                                .doesNotContain("f:replicas", "f:conditions");
                    });
            assertThatThrownBy(() -> writer.write(new ModelKey("default", "gone"), at, Optional.empty())
                    .toCompletableFuture()
                    .join())
                    .isInstanceOf(CompletionException.class);
        }
    }
}

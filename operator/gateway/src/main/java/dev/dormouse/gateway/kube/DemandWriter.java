package dev.dormouse.gateway.kube;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.WakeIntent;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Applies {@code status.demand.requestedAt}, and nothing else, with a field manager that all gateways share: two gateways
 * never conflict, and the operator's own fields are not touched.
 */
public final class DemandWriter implements WakeIntent, AutoCloseable {
    static final String FIELD_MANAGER = "dormouse-gateway";
    private static final DateTimeFormatter MICROS = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
            .withZone(ZoneOffset.UTC);
    private static final PatchContext APPLY = new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
            .withFieldManager(FIELD_MANAGER)
            .withForce(true)
            .build();
    private static final ObjectMapper JSON = new ObjectMapper();

    private final KubernetesClient client;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

    public DemandWriter(KubernetesClient client) {
        this.client = client;
    }

    @Override
    public CompletionStage<Void> demand(ModelKey model, Instant requestedAt) {
        return CompletableFuture.runAsync(() -> client.resources(InferenceModel.class)
                .inNamespace(model.namespace())
                .withName(model.name())
                .subresource("status")
                .patch(APPLY, body(model, requestedAt)), threads);
    }

    private static String body(ModelKey model, Instant requestedAt) {
        try {
            return JSON.writeValueAsString(
                    Map.of("apiVersion", "dormouse.dev/v1alpha1", "kind", "InferenceModel", "metadata",
                            Map.of("name", model.name(), "namespace", model.namespace()), "status",
                            Map.of("demand", Map.of("requestedAt", MICROS.format(requestedAt)))));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("strings are JSON", e);
        }
    }

    @Override
    public void close() {
        threads.close();
    }
}

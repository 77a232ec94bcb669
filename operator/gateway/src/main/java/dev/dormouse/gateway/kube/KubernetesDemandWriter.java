package dev.dormouse.gateway.kube;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.wake.DemandWriter;
import dev.dormouse.gateway.wake.SleepWriter;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Writes {@code status.demand} by server-side apply: {@code requestedAt} and the trace of a wake, and under a field manager of its own,
 * so that neither takes the other away, {@code sleepRequestedAt} for an order to sleep. Applies a bare map: the typed status would bring
 * its defaults along and make the gateway an owner of fields that are the operator's. All gateways share one field
 * manager, so the newest demand simply replaces an older one.
 */
public final class KubernetesDemandWriter implements DemandWriter, SleepWriter, AutoCloseable {
    public static final String FIELD_MANAGER = "dormouse-gateway";
    /** So many writes at the same time; the others wait, at most one per model. */
    private static final int THREADS = 8;
    private static final DateTimeFormatter MICROS = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
            .withZone(ZoneOffset.UTC);
    private static final ResourceDefinitionContext MODELS = ResourceDefinitionContext
            .fromResourceType(InferenceModel.class);
    private static final PatchContext APPLY = applyAs(FIELD_MANAGER);
    private static final PatchContext APPLY_ORDER = applyAs(FIELD_MANAGER + "-admin");

    private final KubernetesClient client;
    private final ExecutorService writers = Executors.newFixedThreadPool(THREADS,
            Thread.ofPlatform().daemon().name("demand-", 0).factory());

    public KubernetesDemandWriter(KubernetesClient client) {
        this.client = client;
    }

    private static PatchContext applyAs(String manager) {
        return new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
                .withFieldManager(manager)
                .withForce(true)
                .build();
    }

    @Override
    public CompletionStage<?> write(ModelKey model, Instant requestedAt, Optional<String> traceparent) {
        return apply(demand(model, requestedAt, traceparent), APPLY);
    }

    @Override
    public CompletionStage<?> write(ModelKey model, Instant at, Duration grace) {
        return apply(status(model,
                Map.of("sleepRequestedAt", MICROS.format(at), "sleepGraceSeconds", (int) grace.toSeconds())),
                APPLY_ORDER);
    }

    private CompletionStage<?> apply(GenericKubernetesResource what, PatchContext how) {
        return CompletableFuture.runAsync(() -> client.genericKubernetesResources(MODELS)
                .inNamespace(what.getMetadata().getNamespace())
                .resource(what)
                .subresource("status")
                .patch(how), writers);
    }

    static GenericKubernetesResource demand(ModelKey model, Instant requestedAt, Optional<String> traceparent) {
        Map<String, Object> demand = new LinkedHashMap<>();
        demand.put("requestedAt", MICROS.format(requestedAt));
        traceparent.ifPresent(trace -> demand.put("traceparent", trace));
        return status(model, demand);
    }

    private static GenericKubernetesResource status(ModelKey model, Map<String, Object> demand) {
        return new GenericKubernetesResourceBuilder().withApiVersion(HasMetadata.getApiVersion(InferenceModel.class))
                .withKind(HasMetadata.getKind(InferenceModel.class))
                .withNewMetadata()
                .withName(model.name())
                .withNamespace(model.namespace())
                .endMetadata()
                .addToAdditionalProperties("status", Map.of("demand", demand))
                .build();
    }

    @Override
    public void close() {
        writers.shutdownNow();
    }
}

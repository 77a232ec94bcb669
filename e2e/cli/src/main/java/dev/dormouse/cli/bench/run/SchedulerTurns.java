package dev.dormouse.cli.bench.run;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * From demand to pod, control plane only: copies whose pods no node takes, demanded as the gateway demands. Its limit is one
 * apply of a status in the same run.
 */
final class SchedulerTurns {
    private static final ResourceDefinitionContext MODELS = ResourceDefinitionContext
            .fromResourceType(InferenceModel.class);
    private static final PatchContext APPLY = new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
            .withFieldManager("dormouse-gateway")
            .withForce(true)
            .build();
    private static final DateTimeFormatter MICROS = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
            .withZone(ZoneOffset.UTC);

    private final Site site;
    private final GenericKubernetesResource model;
    private final Samples samples;
    private final Map<String, CompletableFuture<Long>> podSeen = new ConcurrentHashMap<>();

    SchedulerTurns(Site site, GenericKubernetesResource model, Samples samples) {
        this.site = site;
        this.model = model;
        this.samples = samples;
    }

    void measure(String run, BenchPlan plan) throws IOException, InterruptedException {
        try (SharedIndexInformer<Pod> pods = site.client()
                .pods()
                .inNamespace(site.namespace())
                .withLabel(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY)
                .inform(new Sightings())) {
            oneByOne(run, plan);
            if (site.burst()) {
                allAtOnce(run, plan);
            }
        }
    }

    /** Each copy is deleted before the next is demanded: a pending pod holds one of the operator's warmup slots. */
    private void oneByOne(String run, BenchPlan plan) throws IOException, InterruptedException {
        for (int i = 0; i < plan.warmups() + plan.wakes(); i++) {
            boolean counts = i >= plan.warmups();
            try (ModelCopy copy = ModelCopy.nowhere(site, model, run, "s" + i, plan.timeout())) {
                long begin = System.nanoTime();
                demand(copy.name());
                long applied = System.nanoTime();
                long pod = await(copy.name(), plan);
                samples.millis("scheduler.demand_to_pod", counts, (pod - begin) / 1_000);
                samples.millis("scheduler.status_apply", counts, (applied - begin) / 1_000);
                samples.add("scheduler.to_status_apply", "ratio", Better.Lower, counts,
                        (double) (pod - begin) / (applied - begin));
            }
        }
        site.say().accept(String.format(Locale.ROOT, "scheduler %d wakes, one after the other", plan.wakes()));
    }

    private void allAtOnce(String run, BenchPlan plan) throws IOException, InterruptedException {
        List<ModelCopy> copies = new ArrayList<>();
        try {
            for (int i = 0; i < plan.wakes(); i++) {
                copies.add(ModelCopy.nowhere(site, model, run, "b" + i, plan.timeout()));
            }
            long begin = System.nanoTime();
            List<CompletableFuture<Void>> demands = copies.stream()
                    .map(copy -> CompletableFuture.runAsync(() -> demand(copy.name())))
                    .toList();
            long last = begin;
            for (ModelCopy copy : copies) {
                last = Math.max(last, await(copy.name(), plan));
            }
            CompletableFuture.allOf(demands.toArray(CompletableFuture[]::new)).join();
            samples.millis("scheduler.all_at_once", true, (last - begin) / 1_000);
        } finally {
            copies.forEach(ModelCopy::close);
        }
        site.say().accept(String.format(Locale.ROOT, "scheduler %d wakes at once", plan.wakes()));
    }

    private long await(String name, BenchPlan plan) throws IOException, InterruptedException {
        try {
            return seen(name).get(plan.timeout().toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("no pod of " + name + " after " + plan.timeout().toSeconds() + " s", e);
        }
    }

    private CompletableFuture<Long> seen(String name) {
        return podSeen.computeIfAbsent(name, any -> new CompletableFuture<>());
    }

    private void demand(String name) {
        Instant now = site.clock().instant();
        site.client()
                .genericKubernetesResources(MODELS)
                .inNamespace(site.namespace())
                .resource(new GenericKubernetesResourceBuilder()
                        .withApiVersion(HasMetadata.getApiVersion(InferenceModel.class))
                        .withKind(HasMetadata.getKind(InferenceModel.class))
                        .withNewMetadata()
                        .withName(name)
                        .withNamespace(site.namespace())
                        .endMetadata()
                        .addToAdditionalProperties("status", Map.of("demand", Map.of("requestedAt",
                                MICROS.format(now))))
                        .build())
                .subresource("status")
                .patch(APPLY);
    }

    private final class Sightings implements ResourceEventHandler<Pod> {
        @Override
        public void onAdd(Pod pod) {
            seen(pod.getMetadata().getLabels().getOrDefault(PodConventions.LABEL_MODEL, ""))
                    .complete(System.nanoTime());
        }

        @Override
        public void onUpdate(Pod before, Pod after) {
            // The first sight is what counts.
        }

        @Override
        public void onDelete(Pod pod, boolean finalStateUnknown) {
            // Nothing to note.
        }
    }
}

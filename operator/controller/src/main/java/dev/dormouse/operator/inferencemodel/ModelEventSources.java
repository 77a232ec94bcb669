package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.status.StatusReader;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/** What is watched, and which model an event concerns. */
public final class ModelEventSources {
    private static final String BY_CLAIM = "claims";
    private static final String BY_POOL = "pools";

    private ModelEventSources() {}

    static InformerEventSource<Pod, InferenceModel> pods(EventSourceContext<InferenceModel> context) {
        return new InformerEventSource<>(InformerEventSourceConfiguration.from(Pod.class, InferenceModel.class)
                .withLabelSelector(PodConventions.LABEL_MODEL)
                .withNamespacesInheritedFromController()
                .withSecondaryToPrimaryMapper(
                        pod -> Set.of(new ResourceID(pod.getMetadata().getLabels().get(PodConventions.LABEL_MODEL),
                                pod.getMetadata().getNamespace())))
                .build(), context);
    }

    /** All claims, because a user's own carry no label of ours; only their coming and going matters. */
    static InformerEventSource<PersistentVolumeClaim, InferenceModel> claims(
            EventSourceContext<InferenceModel> context) {
        context.getPrimaryCache()
                .addIndexer(BY_CLAIM, model -> ResolvedModel.claims(model)
                        .stream()
                        .map(claim -> claimKey(model.getMetadata().getNamespace(), claim))
                        .toList());
        return new InformerEventSource<>(
                InformerEventSourceConfiguration.from(PersistentVolumeClaim.class, InferenceModel.class)
                        .withNamespacesInheritedFromController()
                        .withOnUpdateFilter((now, before) -> false)
                        .withSecondaryToPrimaryMapper(claim -> context.getPrimaryCache()
                                .byIndex(BY_CLAIM,
                                        claimKey(claim.getMetadata().getNamespace(), claim.getMetadata().getName()))
                                .stream()
                                .map(ResourceID::fromResource)
                                .collect(Collectors.toUnmodifiableSet()))
                        .<InferenceModel>withPrimaryToSecondaryMapper(model -> ResolvedModel.claims(model)
                                .stream()
                                .map(claim -> new ResourceID(claim, model.getMetadata().getNamespace()))
                                .collect(Collectors.toUnmodifiableSet()))
                        .build(),
                context);
    }

    /** A pool's models are concerned when it comes, goes or is changed; what its nodes have the queue knows. */
    static InformerEventSource<GpuPool, InferenceModel> pools(EventSourceContext<InferenceModel> context) {
        context.getPrimaryCache()
                .addIndexer(BY_POOL,
                        model -> model.getSpec().pool() == null ? List.of() : List.of(model.getSpec().pool()));
        return new InformerEventSource<>(InformerEventSourceConfiguration.from(GpuPool.class, InferenceModel.class)
                .withName("pools")
                .withOnUpdateFilter((now, before) -> !Objects.equals(now.getMetadata().getGeneration(),
                        before.getMetadata().getGeneration()))
                .withSecondaryToPrimaryMapper(pool -> context.getPrimaryCache()
                        .byIndex(BY_POOL, pool.getMetadata().getName())
                        .stream()
                        .map(ResourceID::fromResource)
                        .collect(Collectors.toUnmodifiableSet()))
                .<InferenceModel>withPrimaryToSecondaryMapper(model -> model.getSpec().pool() == null
                        ? Set.of()
                        : Set.of(new ResourceID(model.getSpec().pool())))
                .build(), context);
    }

    /**
     * Whether a change of a model concerns us: its spec, a new demand or order to sleep, its finalizers, its deletion. Our own status writes
     * do not.
     */
    public static boolean concerns(InferenceModel now, InferenceModel before) {
        return !Objects.equals(now.getMetadata().getGeneration(), before.getMetadata().getGeneration())
                || !StatusReader.demand(now).equals(StatusReader.demand(before))
                || !StatusReader.sleepRequest(now).equals(StatusReader.sleepRequest(before))
                || !Objects.equals(now.getMetadata().getFinalizers(), before.getMetadata().getFinalizers())
                || !Objects.equals(now.getMetadata().getDeletionTimestamp(),
                        before.getMetadata().getDeletionTimestamp())
                || !Objects.equals(now.getMetadata().getUid(), before.getMetadata().getUid());
    }

    private static String claimKey(String namespace, String claim) {
        return namespace + "/" + claim;
    }
}

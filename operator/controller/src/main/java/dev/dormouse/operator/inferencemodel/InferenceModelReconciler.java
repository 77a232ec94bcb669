package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.operator.desired.ReplicaPod;
import dev.dormouse.operator.desired.SnapshotKey;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Impossible;
import dev.dormouse.operator.resolve.ResolvedModel.Missing;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.operator.status.ModelEvent;
import dev.dormouse.operator.status.ModelStatusFactory;
import dev.dormouse.operator.status.ModelView;
import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.operator.status.StatusReader;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Reconciles models into pods. Reads caches only, never waits, and always returns {@code noUpdate()}: see
 * {@link dev.dormouse.operator.status.StatusWriter} for why.
 */
public final class InferenceModelReconciler implements Reconciler<InferenceModel> {
    private final Services services;
    private final ModelSignals signals;
    private final ModelDeletion deletion;
    private final ModelFinalizer finalizer;
    private final ModelVolume volume;
    private final Map<String, ModelMemory> memories = new ConcurrentHashMap<>();
    private @Nullable InformerEventSource<Pod, InferenceModel> podCache;
    private boolean queueRebuilt;

    public InferenceModelReconciler(Services services, ModelSignals signals) {
        this.services = services;
        this.signals = signals;
        this.deletion = new ModelDeletion(services);
        this.finalizer = new ModelFinalizer(services.client());
        this.volume = new ModelVolume(services.volumes());
    }

    @Override
    public List<EventSource<?, InferenceModel>> prepareEventSources(EventSourceContext<InferenceModel> context) {
        podCache = ModelEventSources.pods(context);
        return List.of(podCache, ModelEventSources.claims(context), ModelEventSources.pools(context),
                signals.source());
    }

    @Override
    public UpdateControl<InferenceModel> reconcile(InferenceModel model, Context<InferenceModel> context) {
        Instant now = services.clock().instant().truncatedTo(ChronoUnit.MICROS);
        if (context.isPrimaryResourceDeleted()) {
            forget(model);
            return UpdateControl.noUpdate();
        }
        rebuildQueueOnce();
        Optional<Instant> recheckAt = model.isMarkedForDeletion()
                ? deletion.proceed(model, observe(model, context, now), now)
                : maintain(model, context, now);
        services.metrics().reconciled(Duration.between(now, services.clock().instant()));
        UpdateControl<InferenceModel> done = UpdateControl.noUpdate();
        // One millisecond late rather than early: at the deadline itself the answer must have changed.
        return recheckAt.map(at -> done.rescheduleAfter(Math.max(1, Duration.between(now, at).toMillis() + 1)))
                .orElse(done);
    }

    private Optional<Instant> maintain(InferenceModel model, Context<InferenceModel> context, Instant now) {
        finalizer.ensure(model);
        Set<String> claims = context.getSecondaryResources(PersistentVolumeClaim.class)
                .stream()
                .map(claim -> claim.getMetadata().getName())
                .collect(Collectors.toUnmodifiableSet());
        Map<String, GpuPool> pools = context.getSecondaryResources(GpuPool.class)
                .stream()
                .collect(Collectors.toUnmodifiableMap(pool -> pool.getMetadata().getName(), pool -> pool));
        ResolvedModel references = ResolvedModel.of(model, claims::contains, pools::containsKey);
        List<ObservedReplica> observed = observe(model, context, now);
        Optional<Instant> recheckAt = maintain(model, references, observed, claims, pools, now);
        // Last: no wake waits for the resources of snapshots.
        volume.tend(model, context.getSecondaryResources(Pod.class), observed);
        return recheckAt;
    }

    private Optional<Instant> maintain(InferenceModel model, ResolvedModel references, List<ObservedReplica> observed,
            Set<String> claims, Map<String, GpuPool> pools, Instant now) {
        return switch (references) {
            case Impossible impossible -> {
                explain(model, impossible, observed, now);
                yield Optional.empty();
            }
            case Missing missing -> cycle(model, missing, missing.target(), observed, claims, pools, now);
            case Resolved resolved -> cycle(model, resolved, resolved, observed, claims, pools, now);
        };
    }

    private Optional<Instant> cycle(InferenceModel model, ResolvedModel references, Resolved resolved,
            List<ObservedReplica> observed, Set<String> claims, Map<String, GpuPool> pools, Instant now) {
        String template = ReplicaPod.template(model, resolved);
        ModelMemory memory = memories.computeIfAbsent(model.getMetadata().getUid(),
                uid -> new ModelMemory(services.statuses().latest(model), template, now));
        return new ModelCycle(services, model, memory, references, resolved, template, observed, claims,
                pools, now).run();
    }

    /** Nothing can be done for a model that nobody can serve; its pods, if it had any before the change, stay. */
    private void explain(InferenceModel model, Impossible impossible, List<ObservedReplica> observed, Instant now) {
        ModelStatus previous = services.statuses().latest(model);
        InitialStart initialStart = StatusReader.initialStart(model, previous);
        ModelStatus next = ModelStatusFactory.of(new ModelView(model, previous, impossible,
                StatusReader.activation(previous).orElse(null), impossible.message(), initialStart, observed, 0,
                Optional.empty(), 0, SnapshotKey.of(model.getSpec()), "", Optional.empty(), now));
        services.statuses().write(model, next);
        services.metrics().told(keyOf(model), "False", impossible.reason(), next);
        ModelEvent.between(previous, next, observed, model.getSpec())
                .forEach(event -> services.events().record(model, event));
    }

    /** The model's live pods, oldest first, each with the last report of its sidecar; follows those that run. */
    private List<ObservedReplica> observe(InferenceModel model, Context<InferenceModel> context, Instant now) {
        ModelKey key = keyOf(model);
        String uid = model.getMetadata().getUid();
        List<Pod> pods = context.getSecondaryResources(Pod.class)
                .stream()
                .filter(pod -> pod.getOwnerReferenceFor(uid).isPresent())
                .sorted(Comparator.comparing((Pod pod) -> pod.getMetadata().getCreationTimestamp())
                        .thenComparing(pod -> pod.getMetadata().getName()))
                .toList();
        services.sidecars()
                .retain(key,
                        pods.stream().map(pod -> pod.getMetadata().getUid()).collect(Collectors.toUnmodifiableSet()));
        PodObserver observer = new PodObserver(model.getSpec().snapshot().enabled(),
                Duration.ofSeconds(model.getSpec().warmup().deadlineSeconds()), now);
        return pods.stream().map(pod -> {
            if (!pod.isMarkedForDeletion() && pod.getStatus() != null && pod.getStatus().getPodIP() != null) {
                services.sidecars().follow(pod.getMetadata().getUid(), pod.getStatus().getPodIP(), key);
            }
            return observer.observe(pod, services.sidecars().report(pod.getMetadata().getUid()));
        }).toList();
    }

    /** Before the first admission every pod that warms up already must hold its slot again (H70). */
    private synchronized void rebuildQueueOnce() {
        if (queueRebuilt || podCache == null) {
            return;
        }
        Instant now = services.clock().instant();
        PodObserver observer = new PodObserver(true, ModelSlots.LEASE_SLACK, now);
        podCache.list()
                .filter(pod -> pod.getMetadata().getLabels().containsKey(PodConventions.LABEL_MODEL))
                .forEach(pod -> {
                    ObservedReplica observed = observer.observe(pod, Optional.empty());
                    Replica replica = observed.replica();
                    ModelKey model = new ModelKey(pod.getMetadata().getNamespace(),
                            pod.getMetadata().getLabels().get(PodConventions.LABEL_MODEL));
                    services.warmups().assign(model, observed.place().pool());
                    services.warmups()
                            .occupy(new ReplicaId(model, replica.pod()), observed.place().gpus(),
                                    observed.place().node());
                    if (replica.holdsWarmupSlot()) {
                        services.warmups().adopt(new ReplicaId(model, replica.pod()), now, ModelSlots.LEASE_SLACK);
                    }
                });
        queueRebuilt = true;
    }

    private void forget(InferenceModel model) {
        ModelKey key = keyOf(model);
        memories.remove(model.getMetadata().getUid());
        services.statuses().forget(model.getMetadata().getUid());
        services.warmups().leave(key);
        services.metrics().forget(key);
        services.sidecars().retain(key, Set.of());
        services.gateways().setAwake(key, false);
    }

    private static ModelKey keyOf(InferenceModel model) {
        return new ModelKey(model.getMetadata().getNamespace(), model.getMetadata().getName());
    }
}

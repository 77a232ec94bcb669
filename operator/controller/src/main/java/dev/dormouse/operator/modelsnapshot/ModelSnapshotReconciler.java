package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.operator.desired.SidecarSettings;
import dev.dormouse.operator.desired.StorePod;
import dev.dormouse.operator.sidecar.SidecarAddress;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.IndexerResourceCache;
import io.javaoperatorsdk.operator.processing.event.source.inbound.SimpleInboundEventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** Reconciles snapshots, always all of a volume together: retention and freeing look at the whole. */
public final class ModelSnapshotReconciler implements Reconciler<ModelSnapshot> {
    private static final String BY_STORE = "store";

    private final SimpleInboundEventSource<ModelSnapshot> signals = new SimpleInboundEventSource<>("signals");
    private final VolumeCache cache;
    private final SnapshotObjects objects;
    private final Volumes volumes;
    private final Clock clock;

    /**
     * @param settings image and deadline of store pods
     * @param address where sidecars and store pods listen
     * @param modelChanged has a model reconciled
     */
    public ModelSnapshotReconciler(KubernetesClient client, StoreSettings settings, SidecarAddress address, Clock clock,
            Consumer<ModelKey> modelChanged) {
        this.clock = clock;
        this.cache = new VolumeCache(client);
        this.objects = new SnapshotObjects(client);
        VolumeReader reader = new VolumeReader(address);
        StoreRuns runs = new StoreRuns(client, reader, new CollectorLease(client, settings.holder()), cache,
                settings.sidecar(), settings.deadline(), clock);
        this.volumes = new Volumes(objects, runs, reader, cache, clock, this::signal, modelChanged);
    }

    /**
     * @param holder who this installation is, in the leases of volumes
     * @param sidecar what store pods are made of
     * @param deadline after which a store pod is ended and its lease void
     */
    public record StoreSettings(String holder, SidecarSettings sidecar, Duration deadline) {}

    public Volumes volumes() {
        return volumes;
    }

    /** Whether a change of a snapshot concerns us; our own status writes do not. */
    public static boolean concerns(ModelSnapshot now, ModelSnapshot before) {
        return !Objects.equals(now.getMetadata().getGeneration(), before.getMetadata().getGeneration())
                || !Objects.equals(now.getMetadata().getDeletionTimestamp(),
                        before.getMetadata().getDeletionTimestamp())
                || !Objects.equals(now.getMetadata().getFinalizers(), before.getMetadata().getFinalizers())
                || !Objects.equals(now.getMetadata().getAnnotations(), before.getMetadata().getAnnotations())
                || !Objects.equals(now.getMetadata().getUid(), before.getMetadata().getUid());
    }

    @Override
    public List<EventSource<?, ModelSnapshot>> prepareEventSources(EventSourceContext<ModelSnapshot> context) {
        IndexerResourceCache<ModelSnapshot> snapshots = context.getPrimaryCache();
        snapshots.addIndexer(VolumeCache.BY_VOLUME, snapshot -> List.of(volume(snapshot).toString()));
        snapshots.addIndexer(BY_STORE, snapshot -> List.of(snapshot.getMetadata().getNamespace() + "/"
                + StorePod.label(snapshot.getSpec().claim())));
        InformerEventSource<PersistentVolumeClaim, ModelSnapshot> claims = claims(context);
        InformerEventSource<Pod, ModelSnapshot> pods = pods(context);
        cache.fill(snapshots, claims, pods);
        return List.of(claims, pods, signals);
    }

    @Override
    public UpdateControl<ModelSnapshot> reconcile(ModelSnapshot snapshot, Context<ModelSnapshot> context) {
        if (context.isPrimaryResourceDeleted()) {
            objects.forget(snapshot);
        }
        Optional<Instant> again = volumes.tend(volume(snapshot));
        UpdateControl<ModelSnapshot> done = UpdateControl.noUpdate();
        return context.isPrimaryResourceDeleted()
                ? done
                : again.map(at -> done
                        .rescheduleAfter(Math.max(1, Duration.between(clock.instant(), at).toMillis() + 1)))
                        .orElse(done);
    }

    private void signal(VolumeKey volume) {
        // Any one will do: the whole volume is tended.
        if (signals.isRunning()) {
            cache.snapshots(volume)
                    .stream()
                    .findFirst()
                    .ifPresent(snapshot -> signals.propagateEvent(ResourceID.fromResource(snapshot)));
        }
    }

    private static VolumeKey volume(ModelSnapshot snapshot) {
        return new VolumeKey(snapshot.getMetadata().getNamespace(), snapshot.getSpec().claim());
    }

    private static InformerEventSource<PersistentVolumeClaim, ModelSnapshot> claims(
            EventSourceContext<ModelSnapshot> context) {
        return new InformerEventSource<>(
                InformerEventSourceConfiguration.from(PersistentVolumeClaim.class, ModelSnapshot.class)
                        .withName("claims")
                        .withNamespacesInheritedFromController()
                        .withOnUpdateFilter((now, before) -> now.isMarkedForDeletion() != before.isMarkedForDeletion())
                        .withSecondaryToPrimaryMapper(claim -> one(context, VolumeCache.BY_VOLUME,
                                new VolumeKey(claim.getMetadata().getNamespace(), claim.getMetadata().getName())
                                        .toString()))
                        .build(),
                context);
    }

    /** Store pods, and replicas: where one runs decides where a store pod may. Only the former are events. */
    private static InformerEventSource<Pod, ModelSnapshot> pods(EventSourceContext<ModelSnapshot> context) {
        return new InformerEventSource<>(InformerEventSourceConfiguration.from(Pod.class, ModelSnapshot.class)
                .withName("pods")
                .withLabelSelector(PodConventions.LABEL_MANAGED_BY + "=" + PodConventions.MANAGED_BY)
                .withNamespacesInheritedFromController()
                .withSecondaryToPrimaryMapper(pod -> {
                    String store = pod.getMetadata().getLabels().get(PodConventions.LABEL_STORE);
                    return store == null
                            ? Set.of()
                            : one(context, BY_STORE, pod.getMetadata().getNamespace() + "/" + store);
                })
                .build(), context);
    }

    private static Set<ResourceID> one(EventSourceContext<ModelSnapshot> context, String index, String key) {
        return context.getPrimaryCache()
                .byIndex(index, key)
                .stream()
                .limit(1)
                .map(ResourceID::fromResource)
                .collect(Collectors.toUnmodifiableSet());
    }
}

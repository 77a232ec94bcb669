package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.operator.desired.StorePod;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.javaoperatorsdk.operator.api.reconciler.IndexedResourceCache;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What the informers of the ModelSnapshot controller know about volumes. Empty until they run. */
final class VolumeCache {
    static final String BY_VOLUME = "volume";

    private final KubernetesClient client;
    private volatile @Nullable Sources sources;

    private record Sources(IndexedResourceCache<ModelSnapshot> snapshots,
            InformerEventSource<PersistentVolumeClaim, ModelSnapshot> claims,
            InformerEventSource<Pod, ModelSnapshot> pods) {}

    VolumeCache(KubernetesClient client) {
        this.client = client;
    }

    void fill(IndexedResourceCache<ModelSnapshot> snapshots,
            InformerEventSource<PersistentVolumeClaim, ModelSnapshot> claims,
            InformerEventSource<Pod, ModelSnapshot> pods) {
        sources = new Sources(snapshots, claims, pods);
    }

    List<ModelSnapshot> snapshots(VolumeKey volume) {
        Sources known = sources;
        return known == null ? List.of() : known.snapshots().byIndex(BY_VOLUME, volume.toString());
    }

    Map<String, Integer> states() {
        Sources known = sources;
        return known == null
                ? Map.of()
                : known.snapshots()
                        .list()
                        .collect(Collectors.toMap(VolumeCache::state, snapshot -> 1, Integer::sum));
    }

    private static String state(ModelSnapshot snapshot) {
        return Optional.ofNullable(snapshot.getStatus())
                .flatMap(status -> Conditions.find(status.conditions, Conditions.READY))
                .map(Condition::getReason)
                .orElse("NotSeen");
    }

    Optional<PersistentVolumeClaim> claim(VolumeKey volume) {
        Sources known = sources;
        return known == null
                ? Optional.empty()
                : known.claims().get(new ResourceID(volume.claim(), volume.namespace()));
    }

    Optional<Pod> storePod(VolumeKey volume) {
        Sources known = sources;
        return known == null
                ? Optional.empty()
                : known.pods().get(new ResourceID(StorePod.name(volume.claim()), volume.namespace()));
    }

    /** The pods of replicas that mount the claim now. */
    List<Pod> mounting(VolumeKey volume) {
        Sources known = sources;
        return known == null
                ? List.of()
                : known.pods()
                        .list(volume.namespace(), pod -> pod.getMetadata().getLabels() != null
                                && pod.getMetadata().getLabels().containsKey(PodConventions.LABEL_MODEL)
                                && mounts(pod, volume.claim()))
                        .toList();
    }

    /** Asks the API server, whatever is cached: what it does not list runs nowhere. */
    Set<String> livePods(VolumeKey volume) {
        return client.pods()
                .inNamespace(volume.namespace())
                .list()
                .getItems()
                .stream()
                .map(pod -> pod.getMetadata().getUid())
                .collect(Collectors.toUnmodifiableSet());
    }

    /** A claim that the cache lacks is asked for: nothing is dropped on a cache that is behind. */
    boolean claimGone(VolumeKey volume) {
        Sources known = sources;
        if (known == null) {
            return false;
        }
        Optional<PersistentVolumeClaim> cached = claim(volume);
        if (cached.isPresent()) {
            return cached.get().isMarkedForDeletion();
        }
        PersistentVolumeClaim asked = client.persistentVolumeClaims()
                .inNamespace(volume.namespace())
                .withName(volume.claim())
                .get();
        return asked == null || asked.isMarkedForDeletion();
    }

    /** Whether there is such a model and it keeps its snapshots there, whatever has been heard of it so far. */
    boolean keeps(VolumeKey volume, String model) {
        InferenceModel found = client.resources(InferenceModel.class)
                .inNamespace(volume.namespace())
                .withName(model)
                .get();
        return found != null && !found.isMarkedForDeletion()
                && ResolvedModel.snapshotClaim(found).equals(Optional.of(volume.claim()));
    }

    /** Without the right to read namespaces nobody knows, and a person has to say that the bytes may stay. */
    boolean namespaceEnds(String namespace) {
        try {
            var found = client.namespaces().withName(namespace).get();
            return found != null && found.isMarkedForDeletion();
        } catch (KubernetesClientException e) {
            return false;
        }
    }

    private static boolean mounts(Pod pod, String claim) {
        return pod.getSpec()
                .getVolumes()
                .stream()
                .anyMatch(volume -> volume.getPersistentVolumeClaim() != null
                        && claim.equals(volume.getPersistentVolumeClaim().getClaimName()));
    }
}

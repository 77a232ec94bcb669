package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.DeletionPolicy;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.Snapshot;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.snapshot.RetentionRule;
import dev.dormouse.operator.desired.SnapshotKey;
import dev.dormouse.operator.desired.VolumeTrust;
import dev.dormouse.operator.modelsnapshot.VolumeKey;
import dev.dormouse.operator.modelsnapshot.VolumeUser;
import dev.dormouse.operator.modelsnapshot.Volumes;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.status.ObservedReplica;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/** What a model's reconcile tells the keeper of its snapshot volume. */
final class ModelVolume {
    private final Volumes volumes;

    ModelVolume(Volumes volumes) {
        this.volumes = volumes;
    }

    void tend(InferenceModel model, Collection<Pod> pods, List<ObservedReplica> observed) {
        Snapshot snapshot = model.getSpec().snapshot();
        Optional<VolumeKey> volume = volume(model);
        if (volume.isEmpty()) {
            return;
        }
        String name = model.getMetadata().getName();
        volumes.uses(volume.get(), name, new VolumeUser(retention(snapshot), SnapshotKey.of(model.getSpec()),
                VolumeTrust.of(model)));
        for (ObservedReplica replica : observed) {
            Optional<String> address = pods.stream()
                    .filter(pod -> pod.getMetadata().getUid().equals(replica.replica().uid()))
                    .findFirst()
                    .map(pod -> pod.getStatus() == null ? null : pod.getStatus().getPodIP());
            if (address.isPresent() && replica.report().isPresent()) {
                volumes.told(volume.get(), new ModelKey(model.getMetadata().getNamespace(), name), address.get(),
                        replica.report().get(), snapshot.verifyChecksum());
            }
        }
        volumes.tendIfNew(volume.get());
    }

    /** The model is gone for good. */
    void leave(InferenceModel model) {
        boolean delete = model.getSpec().snapshot().deletionPolicy() == DeletionPolicy.Delete;
        volume(model).ifPresent(volume -> volumes.left(volume, model.getMetadata().getName(), delete));
    }

    static RetentionRule retention(Snapshot snapshot) {
        return new RetentionRule(
                snapshot.maxAgeSeconds() == null ? null : Duration.ofSeconds(snapshot.maxAgeSeconds()),
                snapshot.maxSnapshots() == null ? 0 : snapshot.maxSnapshots(), snapshot.maxBytes() == null
                        ? 0
                        : Quantity.getAmountInBytes(Quantity.parse(snapshot.maxBytes())).longValue());
    }

    private static Optional<VolumeKey> volume(InferenceModel model) {
        return ResolvedModel.snapshotClaim(model)
                .map(claim -> new VolumeKey(model.getMetadata().getNamespace(), claim));
    }
}

package dev.dormouse.operator.desired;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.Snapshot;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Quantity;

/** The claim that holds a model's snapshots when the user names none. */
public final class SnapshotClaim {
    private SnapshotClaim() {}

    /** Without an owner reference: the bytes may outlive the model, as {@code snapshot.deletionPolicy} says. */
    public static PersistentVolumeClaim of(InferenceModel model) {
        Snapshot snapshot = model.getSpec().snapshot();
        return new PersistentVolumeClaimBuilder().withNewMetadata()
                .withName(ResolvedModel.ownClaim(model))
                .withNamespace(model.getMetadata().getNamespace())
                .addToLabels(PodConventions.LABEL_MODEL, model.getMetadata().getName())
                .addToLabels(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY)
                .endMetadata()
                .withNewSpec()
                .withAccessModes("ReadWriteOnce")
                .withStorageClassName(snapshot.storageClassName())
                .withNewResources()
                .addToRequests("storage", Quantity.parse(snapshot.size()))
                .endResources()
                .endSpec()
                .build();
    }
}

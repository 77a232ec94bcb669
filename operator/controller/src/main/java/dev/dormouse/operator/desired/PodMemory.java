package dev.dormouse.operator.desired;

import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.SnapshotMemory;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import io.fabric8.kubernetes.api.model.EnvVar;
import java.util.List;
import java.util.Optional;

/**
 * Whose memory the weights of a replica are in (design §7), and what its pod needs for that.
 *
 * @param mode never {@code Auto}
 */
record PodMemory(SnapshotMemory mode) {

    /**
     * {@code Auto} is {@code Owned} only where the pool's claim gives one GPU to both containers: on several GPUs each
     * process of the engine has weights of its own, and one sidecar holds those of one.
     */
    static PodMemory of(InferenceModel model, Optional<String> snapshotClaim, Optional<PoolPlacement> placement) {
        SnapshotMemory asked = model.getSpec().snapshot().memory();
        if (snapshotClaim.isEmpty()) {
            // It keeps nothing, so it needs no GPU either.
            return new PodMemory(SnapshotMemory.Host);
        }
        if (asked != SnapshotMemory.Auto) {
            return new PodMemory(asked);
        }
        boolean shared = placement.map(PoolPlacement::pool)
                .filter(pool -> pool.allocation() == GpuPoolSpec.Allocation.DRA)
                .filter(pool -> PoolPlacement.gpus(model, pool) == 1)
                .isPresent();
        return new PodMemory(shared ? SnapshotMemory.Owned : SnapshotMemory.Host);
    }

    /** Of the sidecar. Host memory is what it takes when nobody says anything. */
    List<EnvVar> env() {
        return mode == SnapshotMemory.Host
                ? List.of()
                : List.of(new EnvVar(SidecarEnvironment.DEVICE, mode.name(), null));
    }

    /** CUDA opens a handle of another process only in one PID namespace with it; absent: as the cluster has it. */
    Optional<Boolean> shareProcessNamespace() {
        return mode == SnapshotMemory.Ipc ? Optional.of(true) : Optional.empty();
    }
}

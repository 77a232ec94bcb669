package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.cuda.GpuFigure;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.http.ApiException;
import dev.dormouse.sidecar.http.ReplicaSnapshots;
import dev.dormouse.sidecar.http.RestoreView;
import dev.dormouse.sidecar.http.SnapshotStats;
import dev.dormouse.sidecar.store.Snapshot;
import java.io.IOException;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What others ask of a replica's memory and its volume over HTTP, held against the state it is in. */
final class SnapshotRequests implements ReplicaSnapshots {
    private final Replica replica;
    private final MemoryAtHand memory;
    private final DeviceMemory device;
    private final @Nullable SnapshotKeeper keeper;
    private final SnapshotStats.Counter stats;

    /** @param keeper absent when snapshots are off, or the volume cannot be used */
    SnapshotRequests(Replica replica, DeviceMemory device, @Nullable SnapshotKeeper keeper,
            SnapshotStats.Counter stats) {
        this.replica = replica;
        this.memory = replica.memory();
        this.device = device;
        this.keeper = keeper;
        this.stats = stats;
    }

    @Override
    public SnapshotReport save() throws ApiException {
        FirstSave unsaved;
        EnginePause pause;
        synchronized (replica) {
            requireVolume();
            if (memory.generation() instanceof RestoredGeneration) {
                return replica.status().snapshot();
            }
            unsaved = memory.unsaved();
            pause = replica.enginePause();
        }
        if (unsaved == null) {
            throw new ApiException(409, "NothingToSave", "no engine has committed memory yet");
        }
        return unsaved.run(null, pause);
    }

    @Override
    public RestoreView restore(@Nullable String snapshotId, Set<BufferType> types) throws ApiException {
        synchronized (replica) {
            SnapshotKeeper volume = requireVolume();
            Generation present = memory.generation();
            if (present instanceof RestoredGeneration restored
                    && (snapshotId == null || restored.snapshot().id().equals(snapshotId))
                    && restored.types().equals(types)) {
                return restored.view();
            }
            SidecarStatus status = replica.status();
            if (status.phase() == ReplicaPhase.Failed) {
                throw new ApiException(409, "WarmupFailed", "this replica has failed: " + status.message());
            }
            if (present != null || replica.engineConnected()) {
                throw new ApiException(409, "MemoryInUse", "an engine is connected, or there is other memory for one");
            }
            memory.restore(find(volume, snapshotId), types);
            if (memory.generation() instanceof RestoredGeneration begun) {
                return begun.view();
            }
            SnapshotReport refused = replica.status().previousSnapshot();
            throw new ApiException(409,
                    refused == null || refused.reason() == null ? "RestoreFailed" : refused.reason(),
                    String.valueOf(refused == null ? null : refused.message()));
        }
    }

    private static Snapshot find(SnapshotKeeper volume, @Nullable String snapshotId) throws ApiException {
        try {
            return (snapshotId == null ? volume.newest(refusal -> {
            }) : volume.byId(snapshotId))
                    .orElseThrow(() -> new ApiException(404, "SnapshotNotFound", "there is no such snapshot"));
        } catch (IOException e) {
            throw new ApiException(503, "VolumeError", String.valueOf(e.getMessage()));
        }
    }

    private SnapshotKeeper requireVolume() throws ApiException {
        if (keeper == null) {
            throw new ApiException(409, "SnapshotsOff", "this sidecar has no snapshot volume that it can use");
        }
        return keeper;
    }

    @Override
    public Optional<RestoreView> restoreById(String id) {
        return memory.lastRestore().filter(restore -> restore.id().equals(id)).map(RestoredGeneration::view);
    }

    @Override
    public void cancelRestore(String id) throws ApiException {
        RestoredGeneration last = memory.lastRestore()
                .filter(restore -> restore.id().equals(id))
                .orElseThrow(() -> new ApiException(404, "RestoreNotFound", "there is no restore " + id));
        synchronized (replica) {
            if (last == memory.generation() && last.timing().isEmpty()) {
                last.cancel();
            }
        }
    }

    @Override
    public SnapshotStats stats() {
        return stats.now();
    }

    @Override
    public Map<GpuFigure, Double> gpuFigures() {
        return device.figures();
    }
}

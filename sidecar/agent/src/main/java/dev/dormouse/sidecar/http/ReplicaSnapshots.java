package dev.dormouse.sidecar.http;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.cuda.GpuFigure;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What the running replica can do with its memory and the volume's snapshots, as the HTTP side asks for it. */
public interface ReplicaSnapshots {
    /**
     * Saves the memory at hand, or answers how that ended before: a generation is saved once. Waits for the end.
     *
     * @throws ApiException {@code SnapshotsOff}, or {@code NothingToSave} when no engine has committed anything
     */
    SnapshotReport save() throws ApiException, InterruptedException;

    /**
     * Begins to restore before an engine asks for it; does nothing when that snapshot is being restored already.
     *
     * @param snapshotId absent: the newest one with the replica's key
     * @param types of the buffers that are restored (S21); an engine that attaches sees these only
     * @throws ApiException {@code SnapshotsOff}, {@code SnapshotNotFound}, {@code MemoryInUse}, or the code of a
     *         {@link dev.dormouse.sidecar.format.Fault}
     */
    RestoreView restore(@Nullable String snapshotId, Set<BufferType> types) throws ApiException;

    /** The last restore of this process, if it has this id. */
    Optional<RestoreView> restoreById(String id);

    /** Ends a restore that still runs; one that has ended stays as it is. */
    void cancelRestore(String id) throws ApiException;

    SnapshotStats stats();

    /** What is measured of the GPU now; empty without one. */
    default Map<GpuFigure, Double> gpuFigures() {
        return Map.of();
    }
}

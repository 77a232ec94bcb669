package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The sidecar's whole state, as {@code GET /status} answers it. {@code GET /status?watch=true} answers one such object
 * per line: the present one at once, then one per change, at least every 10 s, until the replica stops.
 *
 * @param sequence grows by one per change within one sidecar process
 * @param instance random id of the sidecar process; a new one means that {@code sequence} began again
 * @param podUid the pod this sidecar runs in
 * @param model {@code namespace/name}
 * @param activation id of the wake this pod was created for
 * @param percent 0–100 within the present phase
 * @param etaMillis estimated time to {@code Ready}; -1 when unknown
 * @param rung where this wake started from
 * @param restoredBytes raw bytes restored so far
 * @param memoryBytes device memory in use after warmup; 0 before
 * @param warmupIterations warmup requests answered
 * @param firstInferenceMicros the first warmup request; 0 before
 * @param startedAtEpochMicros when the sidecar process began
 * @param previousSnapshot a snapshot that this start refused, with the reason; absent when none was refused
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SidecarStatus(long sequence, String instance, String podUid, String model, String activation,
        ReplicaPhase phase, double percent, long etaMillis, Rung rung, long restoredBytes, List<PhaseTiming> phases,
        SnapshotReport snapshot, @Nullable SnapshotReport previousSnapshot, long memoryBytes, int warmupIterations,
        long firstInferenceMicros, long startedAtEpochMicros, long readyAtEpochMicros, @Nullable String reason,
        @Nullable String message) {

    public SidecarStatus {
        phases = List.copyOf(phases);
    }
}

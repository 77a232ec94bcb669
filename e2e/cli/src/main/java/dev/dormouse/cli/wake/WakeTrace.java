package dev.dormouse.cli.wake;

import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.util.List;

/**
 * One wake on one clock. Times are microseconds since the epoch.
 *
 * @param requestedAt the client sent the request
 * @param decidedAt the operator decided to wake the model
 * @param podSeenAt a watcher saw the pod
 * @param scheduledAt a watcher saw the pod's node
 * @param answeredAt the client had the whole answer
 * @param sidecar the replica's own report after it was ready
 * @param embedding the answer; empty where nobody asked for one
 */
public record WakeTrace(long requestedAt, long decidedAt, long podSeenAt, long scheduledAt,
        long answeredAt, SidecarStatus sidecar, List<Double> embedding) {

    public WakeTrace {
        embedding = List.copyOf(embedding);
    }

    /** Duration of a warmup phase in microseconds; 0 when it was skipped. */
    public long phaseMicros(String phase) {
        return sidecar.phases()
                .stream()
                .filter(timing -> timing.name().equals(phase))
                .mapToLong(PhaseTiming::micros)
                .sum();
    }

    public long totalMicros() {
        return answeredAt - requestedAt;
    }

    /** Bytes per second of the restore; 0 for a cold start. */
    public double restoreRate() {
        SnapshotReport snapshot = sidecar.snapshot();
        boolean restored = snapshot.state() == SnapshotReport.State.Restored && snapshot.micros() > 0;
        return restored ? snapshot.rawBytes() * 1e6 / snapshot.micros() : 0;
    }

    /** The largest difference between two answers, component by component. */
    public double distance(WakeTrace other) {
        if (embedding.size() != other.embedding.size()) {
            throw new IllegalArgumentException(
                    "answers of " + embedding.size() + " and " + other.embedding.size() + " components");
        }
        double largest = 0;
        for (int i = 0; i < embedding.size(); i++) {
            largest = Math.max(largest, Math.abs(embedding.get(i) - other.embedding.get(i)));
        }
        return largest;
    }
}

package dev.dormouse.sidecar.status;

import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The changes that a {@link SidecarStatus} goes through, as copies. */
public final class Statuses {
    private Statuses() {}

    public static SidecarStatus first(String instance, String podUid, String model, String activation,
            long startedAtEpochMicros) {
        return new SidecarStatus(1, instance, podUid, model, activation,
                ReplicaPhase.Starting,
                0, -1, Rung.Cold, 0, List.of(), SnapshotReport.ABSENT, null, 0, 0, 0, startedAtEpochMicros, 0, null,
                null);
    }

    static SidecarStatus sequenced(SidecarStatus s, long sequence) {
        return new SidecarStatus(sequence, s.instance(), s.podUid(), s.model(), s.activation(), s.phase(), s.percent(),
                s.etaMillis(), s.rung(), s.restoredBytes(), s.phases(), s.snapshot(), s.previousSnapshot(),
                s.memoryBytes(), s.warmupIterations(), s.firstInferenceMicros(), s.startedAtEpochMicros(),
                s.readyAtEpochMicros(), s.reason(), s.message());
    }

    /** A new attempt: what an earlier one measured is gone (H65). */
    public static SidecarStatus begun(SidecarStatus s, ReplicaPhase phase, Rung rung, SnapshotReport snapshot) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(), phase, 0, -1, rung,
                0,
                List.of(), snapshot, s.previousSnapshot(), 0, 0, 0, s.startedAtEpochMicros(), 0, null, null);
    }

    public static SidecarStatus refused(SidecarStatus s, SnapshotReport refused) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(),
                ReplicaPhase.Loading,
                0, -1, Rung.Cold, 0, List.of(), SnapshotReport.ABSENT, refused, 0, 0, 0, s.startedAtEpochMicros(), 0,
                null,
                null);
    }

    public static SidecarStatus progress(SidecarStatus s, double percent, long etaMillis, long restoredBytes,
            SnapshotReport snapshot) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(), s.phase(), percent,
                etaMillis, s.rung(), restoredBytes, s.phases(), snapshot, s.previousSnapshot(), s.memoryBytes(),
                s.warmupIterations(), s.firstInferenceMicros(), s.startedAtEpochMicros(), s.readyAtEpochMicros(),
                s.reason(), s.message());
    }

    public static SidecarStatus warming(SidecarStatus s, List<PhaseTiming> phases, long memoryBytes) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(),
                ReplicaPhase.Warming, 0,
                -1, s.rung(), s.restoredBytes(), phases, s.snapshot(), s.previousSnapshot(), memoryBytes, 0, 0,
                s.startedAtEpochMicros(), 0, null, null);
    }

    public static SidecarStatus warmed(SidecarStatus s, List<PhaseTiming> phases, int iterations,
            long firstInferenceMicros) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(), s.phase(), 100, 0,
                s.rung(), s.restoredBytes(), phases, s.snapshot(), s.previousSnapshot(), s.memoryBytes(), iterations,
                firstInferenceMicros, s.startedAtEpochMicros(), 0, null, null);
    }

    public static SidecarStatus snapshot(SidecarStatus s, SnapshotReport report) {
        return progress(s, s.percent(), s.etaMillis(), s.restoredBytes(), report);
    }

    public static SidecarStatus ready(SidecarStatus s, long readyAtEpochMicros) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(), ReplicaPhase.Ready,
                100,
                0, s.rung(), s.restoredBytes(), s.phases(), s.snapshot(), s.previousSnapshot(), s.memoryBytes(),
                s.warmupIterations(), s.firstInferenceMicros(), s.startedAtEpochMicros(), readyAtEpochMicros, null,
                null);
    }

    public static SidecarStatus failed(SidecarStatus s, List<PhaseTiming> phases, String reason,
            @Nullable String message) {
        return new SidecarStatus(s.sequence(), s.instance(), s.podUid(), s.model(), s.activation(), ReplicaPhase.Failed,
                0,
                -1, s.rung(), s.restoredBytes(), phases, s.snapshot(), s.previousSnapshot(), s.memoryBytes(),
                s.warmupIterations(), s.firstInferenceMicros(), s.startedAtEpochMicros(), 0, reason, message);
    }
}

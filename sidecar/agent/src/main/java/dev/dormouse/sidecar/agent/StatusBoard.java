package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.http.StatusFeed;
import java.time.Clock;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The one place that holds the replica's status. Everybody writes through {@link #update}, under one lock, and each
 * change gets the next sequence number. Readers see only whole states, and the latest of them: a slow one skips, and
 * never holds anybody up.
 */
final class StatusBoard implements StatusFeed {
    /** What an update may change; everything else about the replica is fixed. Never used outside of {@link #update}. */
    static final class Draft {
        ReplicaPhase phase = ReplicaPhase.Starting;
        double percent;
        long etaMillis = -1;
        Rung rung = Rung.Cold;
        long restoredBytes;
        WarmupPhases phases = WarmupPhases.none();
        SnapshotReport snapshot = SnapshotReport.ABSENT;
        @Nullable
        SnapshotReport previousSnapshot;
        long memoryBytes;
        int warmupIterations;
        long firstInferenceMicros;
        long readyAtEpochMicros;
        @Nullable
        String reason;
        @Nullable
        String message;

        void phase(ReplicaPhase next, @Nullable String why, @Nullable String inWords) {
            phase = next;
            percent = next == ReplicaPhase.Ready ? 100 : 0;
            etaMillis = next == ReplicaPhase.Ready ? 0 : -1;
            reason = why;
            message = inWords;
        }
    }

    private final String instance = Ids.next();
    private final AgentConfig config;
    private final long startedAt;
    private final Draft draft = new Draft();
    private final Consumer<SidecarStatus> witness;
    private SidecarStatus current;

    /** @param witness is told every change, under the lock */
    StatusBoard(AgentConfig config, Clock clock, Consumer<SidecarStatus> witness) {
        this.config = config;
        this.witness = witness;
        this.startedAt = micros(clock);
        this.current = snapshot(1);
    }

    static long micros(Clock clock) {
        var now = clock.instant();
        return Math.addExact(Math.multiplyExact(now.getEpochSecond(), 1_000_000L), now.getNano() / 1_000);
    }

    /** 0–100, in steps that are worth telling. */
    static double percent(long bytes, long total) {
        return total == 0 ? 100 : Math.floor(1_000.0 * bytes / total) / 10;
    }

    /** Changes the status and wakes everybody who waits for that; an update that changes nothing is none. */
    synchronized void update(Consumer<Draft> change) {
        change.accept(draft);
        if (!snapshot(current.sequence()).equals(current)) {
            current = snapshot(current.sequence() + 1);
            witness.accept(current);
            notifyAll();
        }
    }

    @Override
    public synchronized SidecarStatus current() {
        return current;
    }

    @Override
    public synchronized SidecarStatus awaitChange(long seen, Duration atMost) throws InterruptedException {
        long deadline = System.nanoTime() + atMost.toNanos();
        while (current.sequence() <= seen) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                break;
            }
            wait(left);
        }
        return current;
    }

    private SidecarStatus snapshot(long sequence) {
        return new SidecarStatus(sequence, instance, config.podUid(), config.model(), config.activation(), draft.phase,
                draft.percent, draft.etaMillis, draft.rung, draft.restoredBytes, draft.phases.timings(),
                draft.snapshot, draft.previousSnapshot, draft.memoryBytes, draft.warmupIterations,
                draft.firstInferenceMicros, startedAt, draft.readyAtEpochMicros, draft.reason, draft.message);
    }
}

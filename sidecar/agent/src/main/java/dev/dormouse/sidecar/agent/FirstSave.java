package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one save of committed memory, after its first good warmup and before any traffic. A save that fails is reported,
 * and costs the next wake its speed, nothing else.
 */
final class FirstSave {
    private static final Logger LOG = LoggerFactory.getLogger(FirstSave.class);

    private final CommittedGeneration memory;
    private final SnapshotKeeper keeper;
    private final StatusBoard board;
    private final AtomicBoolean begun = new AtomicBoolean();
    private final CompletableFuture<SnapshotReport> ended = new CompletableFuture<>();

    FirstSave(CommittedGeneration memory, SnapshotKeeper keeper, StatusBoard board) {
        this.memory = memory;
        this.keeper = keeper;
        this.board = board;
    }

    /**
     * Saves, while the engine holds still; who comes second finds the save under way or done, and only waits for its end.
     *
     * @param canary absent: none was asked for
     * @param pause absent: no engine serves, or nothing can write to the memory
     */
    SnapshotReport run(byte @Nullable [] canary, @Nullable EnginePause pause) {
        if (!begun.compareAndSet(false, true)) {
            return ended.join();
        }
        board.update(status -> {
            status.percent = 0;
            status.snapshot = new SnapshotReport(null, SnapshotReport.State.Saving, 0, 0, 0, null, null);
        });
        SnapshotReport report = pause == null ? capture(canary) : capture(canary, pause);
        if (report.state() == SnapshotReport.State.Saved) {
            LOG.info("saved snapshot {}: {} bytes, {} stored, {} ms", report.id(), report.rawBytes(),
                    report.storedBytes(), report.micros() / 1_000);
        } else {
            LOG.error("the snapshot could not be saved: {}: {}", report.reason(), report.message());
        }
        board.update(status -> status.snapshot = report);
        ended.complete(report);
        return report;
    }

    private SnapshotReport capture(byte @Nullable [] canary, EnginePause pause) {
        try {
            pause.begin();
            return capture(canary);
        } catch (EnginePause.NotQuietException e) {
            return keeper.notSaved(e.code(), e);
        } finally {
            pause.end();
        }
    }

    private SnapshotReport capture(byte @Nullable [] canary) {
        return keeper.save(memory, canary, (bytes, total) -> board.update(status -> {
            if (status.phase == ReplicaPhase.Warming) {
                status.percent = StatusBoard.percent(bytes, total);
            }
        }));
    }
}

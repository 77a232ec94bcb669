package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.http.SnapshotStats;
import java.time.Duration;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Follows a restore to its end: tells how far it is, cuts it at its rung's deadline, counts how it ended. */
final class RestoreFollower {
    private static final long PROGRESS_MILLIS = 20;

    /** Whose memory is being restored; called by threads of the restore and of the ticker. */
    interface Ends {
        void progressed(RestoredGeneration restored);

        void restored(RestoredGeneration restored, long micros);

        void refuse(RestoredGeneration restored, RefusedException refusal);
    }

    private final ScheduledExecutorService ticker;
    private final SnapshotStats.Counter stats;
    private final @Nullable Duration most;

    /** @param most that a restore may take while there is still time to load from the source; absent: as long as it likes */
    RestoreFollower(ScheduledExecutorService ticker, SnapshotStats.Counter stats, @Nullable Duration most) {
        this.ticker = ticker;
        this.stats = stats;
        this.most = most;
    }

    void follow(RestoredGeneration restored, Ends ends) {
        ScheduledFuture<?> progress = ticker.scheduleAtFixedRate(() -> ends.progressed(restored), PROGRESS_MILLIS,
                PROGRESS_MILLIS, TimeUnit.MILLISECONDS);
        if (most != null) {
            ScheduledFuture<?> unused = ticker.schedule(() -> overran(restored, most, ends), most.toMillis(),
                    TimeUnit.MILLISECONDS);
        }
        restored.whenEnded(micros -> {
            progress.cancel(false);
            stats.restored(restored.totalBytes(), micros);
            ends.restored(restored, micros);
        }, refusal -> {
            progress.cancel(false);
            stats.failed(refusal.code());
            ends.refuse(restored, refusal);
        });
    }

    private static void overran(RestoredGeneration restored, Duration most, Ends ends) {
        if (restored.timing().isEmpty()) {
            ends.refuse(restored, new RefusedException("RestoreDeadlineExceeded",
                    "%d of %d bytes were restored within %d s".formatted(restored.restoredBytes(),
                            restored.totalBytes(), most.toSeconds())));
        }
    }
}

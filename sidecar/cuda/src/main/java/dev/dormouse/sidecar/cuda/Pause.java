package dev.dormouse.sidecar.cuda;

import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Sees to it that an engine which was asked to hold still goes on again, whatever becomes of the one who asked. */
final class Pause implements AutoCloseable {
    private final EngineHooks hooks;
    private final ScheduledExecutorService clock = clock();
    private long pauses;
    private boolean paused;

    Pause(EngineHooks hooks) {
        this.hooks = hooks;
    }

    private static ScheduledExecutorService clock() {
        // Has no thread before the first pause.
        var clock = new ScheduledThreadPoolExecutor(1, Thread.ofPlatform().daemon().name("pause").factory());
        clock.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
        clock.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy()); // Closing has resumed it already.
        return clock;
    }

    void begin(int maxPauseSeconds) {
        long pause;
        synchronized (this) {
            pause = ++pauses;
            paused = true;
        }
        try {
            hooks.quiesce(maxPauseSeconds);
        } finally {
            // After it, however long it took: an engine that is resumed before it holds still would hold still for ever.
            var unused = clock.schedule(() -> end(pause), maxPauseSeconds, TimeUnit.SECONDS);
        }
    }

    void end() {
        long last;
        synchronized (this) {
            last = pauses;
        }
        end(last);
    }

    private void end(long pause) {
        synchronized (this) {
            if (!paused || pause != pauses) {
                return;
            }
            paused = false;
        }
        hooks.resume();
    }

    @Override
    public void close() {
        clock.shutdown();
        end();
    }
}

package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.PhaseTiming;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * One attempt to warm an engine up by real requests. {@link #infer} runs once, on one thread; the rest is for any
 * thread.
 */
final class Warmup {
    private final WarmupSettings settings;
    private final WarmupInference inference;
    private final EngineMessage.Ready ready;
    private final StatusBoard board;
    private final CountDownLatch engineGone = new CountDownLatch(1);
    private volatile boolean inferred;

    Warmup(AgentConfig config, EngineMessage.Ready ready, StatusBoard board) {
        this.settings = config.warmup();
        this.inference = new WarmupInference(config.podIp(), config.enginePort(), settings.deadline());
        this.ready = ready;
        this.board = board;
    }

    /** Sends the warmup requests and answers how the phase ended: done, failed, or skipped for want of a probe. */
    PhaseTiming infer() {
        if (ready.probe() == null) {
            inferred = true;
            return PhaseTiming.skipped(PhaseTiming.WARMUP_INFERENCE);
        }
        long start = System.nanoTime();
        try {
            WarmupRequest request = WarmupRequest.of(ready.probe(), settings.batchSize());
            for (int done = 1; done <= settings.iterations(); done++) {
                long micros = inference.send(request);
                show(done, micros);
            }
        } catch (IOException | RefusedException e) {
            return new PhaseTiming(PhaseTiming.WARMUP_INFERENCE, PhaseTiming.State.Failed, micros(start),
                    String.valueOf(e.getMessage()));
        }
        inferred = true;
        return PhaseTiming.done(PhaseTiming.WARMUP_INFERENCE, micros(start));
    }

    private void show(int done, long micros) {
        board.update(status -> {
            status.warmupIterations = done;
            status.percent = 100.0 * done / settings.iterations();
            if (done == 1) {
                status.firstInferenceMicros = micros;
            }
        });
    }

    /** Whether the engine has answered every request. */
    boolean inferred() {
        return inferred;
    }

    /** What the engine holds beside the sidecar's memory. */
    long engineBytes() {
        return Math.max(0, ready.memoryBytes());
    }

    /** Ends a request that is under way. */
    void cancel() {
        inference.cancel();
    }

    void engineGone() {
        engineGone.countDown();
        cancel();
    }

    /**
     * Whether a request failed only because the engine's process ends: its HTTP connection may break a moment before
     * the one to this sidecar does.
     */
    boolean engineLeaves(Duration within) {
        try {
            return engineGone.await(within.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private static long micros(long start) {
        return (System.nanoTime() - start) / 1_000;
    }
}

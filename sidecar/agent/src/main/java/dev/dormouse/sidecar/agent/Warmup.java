package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Probe;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.WarmupPlan;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One attempt to warm an engine up by real requests. {@link #infer} runs once, on one thread; the rest is for any
 * thread.
 */
final class Warmup {
    private static final Logger LOG = LoggerFactory.getLogger(Warmup.class);

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
        Probe probe = probe();
        if (probe == null) {
            inferred = true;
            return PhaseTiming.skipped(PhaseTiming.WARMUP_INFERENCE);
        }
        long start = System.nanoTime();
        try {
            WarmupRequest request = WarmupRequest.of(probe, settings.batchSize());
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

    /** What the spec says, or else what the engine proposes. */
    private @Nullable Probe probe() {
        WarmupPlan.Request wanted = settings.plan().request();
        return wanted == null
                ? ready.probe()
                : new Probe(wanted.path(), wanted.body(), wanted.item() == null ? "" : wanted.item());
    }

    String firstPhase() {
        return settings.plan().customInit() == null ? PhaseTiming.WARMUP_INFERENCE : PhaseTiming.CUSTOM_INIT;
    }

    /** The user's own step, before the first request. */
    PhaseTiming customInit() {
        return new CustomInit(settings.plan().customInit(), inference, settings.deadline()).run();
    }

    /** The engine's answer to the fixed probe; absent when there is none, or it cannot be had. */
    byte @Nullable [] canary() {
        WarmupPlan.Canary canary = settings.plan().canary();
        if (canary == null) {
            return null;
        }
        try {
            return inference.ask(WarmupRequest.of(new Probe(canary.path(), canary.body(), ""), 1));
        } catch (IOException | RefusedException e) {
            LOG.warn("the canary was not answered: {}", e.getMessage());
            return null;
        }
    }

    /** What differs from the answer recorded with the snapshot; empty when nothing does, or nothing was recorded. */
    Optional<String> canaryDiffers(byte @Nullable [] recorded) {
        WarmupPlan.Canary canary = settings.plan().canary();
        if (canary == null || recorded == null) {
            return Optional.empty();
        }
        byte[] now = canary();
        return now == null
                ? Optional.of("it was answered then and is not now")
                : Canary.difference(canary, recorded, now);
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

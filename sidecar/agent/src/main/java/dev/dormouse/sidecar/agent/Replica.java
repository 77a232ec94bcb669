package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.http.SnapshotStats;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The life of this replica: whether its engine is there and how far its warmup is. Its state changes only under its lock,
 * and nothing that waits (contents, the volume, the engine's answers) happens under it.
 * {@code Failed} is final: another try is another process.
 */
final class Replica implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Replica.class);
    private static final String CANARY_MISMATCH = "CanaryMismatch";
    private static final Duration ENGINE_EXIT = Duration.ofSeconds(1);
    private static final Duration ANSWER = Duration.ofSeconds(30);

    private final AgentConfig config;
    private final DeviceMemory device;
    private final @Nullable SnapshotKeeper keeper;
    private final StatusBoard board;
    private final Clock clock;
    private final MemoryAtHand memory;
    private final ScheduledExecutorService ticker = Executors
            .newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().name("ticker").factory());

    /** The attempt under way, or the one that made the replica ready; absent without an engine that serves. */
    private @Nullable Warmup warmup;
    private @Nullable ScheduledFuture<?> deadline;
    private boolean engineConnected;
    /** Of the engine that has said it serves. */
    private @Nullable EnginePause pause;
    private boolean closed;

    /** @param keeper absent when snapshots are off, or the volume cannot be used */
    Replica(AgentConfig config, DeviceMemory device, @Nullable SnapshotKeeper keeper, StatusBoard board, Clock clock,
            SnapshotStats.Counter stats) {
        this.config = config;
        this.device = device;
        this.keeper = keeper;
        this.board = board;
        this.clock = clock;
        this.memory = new MemoryAtHand(this, config.warmup(), device, keeper, board, stats, ticker);
    }

    /** The first act of the process: the clock of the warmup runs (H22), and the newest snapshot is being read. */
    synchronized void start() {
        armDeadline();
        memory.preload();
    }

    MemoryAtHand memory() {
        return memory;
    }

    SidecarStatus status() {
        return board.current();
    }

    synchronized boolean engineConnected() {
        return engineConnected;
    }

    /** Absent while no engine serves, and where nothing can write to the memory. */
    synchronized @Nullable EnginePause enginePause() {
        return pause;
    }

    /** An engine is there, for the first time or again. Its warmup begins with nothing of an earlier attempt (H65). */
    synchronized EngineMessage.Welcome hello(EngineMessage.Hello hello) throws RefusedException {
        if (board.current().phase() == ReplicaPhase.Failed) {
            throw new RefusedException("WarmupFailed", "This replica has failed: " + board.current().message());
        }
        EngineRules.check(hello);
        engineConnected = true;
        pause = null;
        endAttempt();
        memory.engineCame();
        Generation present = memory.generation();
        Map<String, String> atHand = present == null ? null : present.compatibility();
        WakePlan plan = WakePlan.decide(keeper != null, config.warmup().preloadWeights(), device.mode(), atHand, hello);
        LOG.info("engine {} {} says hello: {}", hello.engine(), hello.engineVersion(), plan);
        board.update(status -> {
            status.phases = WarmupPhases.begun(config.warmup());
            status.warmupIterations = 0;
            status.firstInferenceMicros = 0;
        });
        return switch (plan) {
            case WakePlan.Bypass bypass -> bypass(bypass.reason(), bypass.message());
            case WakePlan.Attach attach -> attach();
            case WakePlan.Create create -> create(create.incompatible());
        };
    }

    private EngineMessage.Welcome bypass(String reason, @Nullable String message) {
        if (message != null) {
            memory.unfit(message);
        }
        board.update(status -> {
            status.phase(ReplicaPhase.Loading, null, null);
            status.snapshot = SnapshotReport.none(SnapshotReport.State.Skipped, reason, message);
        });
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, Mode.Bypass, "", reason, device.mode(), null);
    }

    private EngineMessage.Welcome attach() throws RefusedException {
        Generation present = memory.attachable();
        board.update(status -> {
            status.phase(ReplicaPhase.Restoring, null, null);
            status.percent = 100;
            if (present instanceof CommittedGeneration) {
                status.rung = Rung.Resident;
            } else if (present instanceof RestoredGeneration restored) {
                status.percent = StatusBoard.percent(restored.restoredBytes(), restored.totalBytes());
                restored.timing().ifPresent(timing -> status.phases = status.phases.with(timing));
            }
        });
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, Mode.Attach, present.id(), null, device.mode(),
                device.uuid());
    }

    private EngineMessage.Welcome create(@Nullable String incompatible) {
        memory.unfit(incompatible);
        SnapshotReport refused = board.current().previousSnapshot();
        board.update(status -> {
            status.phase(ReplicaPhase.Loading, null, null);
            status.phases = WarmupPhases.begun(config.warmup());
        });
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, Mode.Create, "",
                refused == null ? "NoSnapshot" : refused.reason(), device.mode(), device.uuid());
    }

    /**
     * The engine serves: everything it needs must be there and whole.
     *
     * @param fromMemoryAtHand whether it serves from what it has committed or attached to; else from memory of its own,
     *        which says nothing about a snapshot
     * @return begins its warmup, in the background
     */
    Runnable engineReady(EngineMessage.Ready ready, boolean fromMemoryAtHand, Questions questions)
            throws RefusedException, InterruptedException {
        EngineRules.check(ready);
        Generation present = fromMemoryAtHand ? memory.attachable() : null;
        if (present != null) {
            memory.await(present, null);
        }
        Warmup attempt = new Warmup(config, ready, board);
        FirstSave unsaved;
        synchronized (this) {
            // Under the lock: the end of a restore writes its time there too, and must not be overwritten.
            PhaseTiming restore = present instanceof RestoredGeneration restored
                    ? restored.timing().orElse(null)
                    : null;
            WarmupPhases phases = WarmupPhases.ofEngine(config.warmup(), ready.phases(), restore);
            if (warmup != null || board.current().phase() == ReplicaPhase.Failed) {
                throw new RefusedException("WrongState", "READY after READY, or after a failed warmup");
            }
            board.update(status -> status.phases = phases);
            if (phases.failure().isPresent()) {
                PhaseTiming failed = phases.failure().get();
                fail("WarmupFailed", failed.name(), String.valueOf(failed.error()));
                return () -> {
                };
            }
            warmup = attempt;
            unsaved = present == null ? null : memory.unsaved();
            pause = device.mode() == Memory.Host
                    ? null
                    : new EnginePause(questions, patience(), config.warmup().deadline());
            board.update(status -> {
                status.phase(ReplicaPhase.Warming, null, null);
                if (memory.isTurnedDown()) {
                    status.rung = phases.loaded() ? Rung.Cold : Rung.Resident;
                }
                status.phases = phases.with(WarmupPhases.running(attempt.firstPhase()));
            });
        }
        RestoredGeneration fromVolume = present instanceof RestoredGeneration restored ? restored : null;
        return () -> Thread.ofPlatform().daemon().name("warmup").start(() -> warm(attempt, unsaved, fromVolume));
    }

    /** For one answer of the engine; it must leave time for the rest of the warmup. */
    private Duration patience() {
        Duration share = config.warmup().deadline().dividedBy(4);
        return share.compareTo(ANSWER) < 0 ? share : ANSWER;
    }

    private void warm(Warmup attempt, @Nullable FirstSave unsaved, @Nullable RestoredGeneration fromVolume) {
        PhaseTiming hook = attempt.customInit();
        synchronized (this) {
            if (warmup != attempt || board.current().phase() == ReplicaPhase.Failed) {
                return;
            }
            board.update(status -> status.phases = status.phases.with(hook));
            if (hook.state() == PhaseTiming.State.Failed) {
                fail("WarmupFailed", PhaseTiming.CUSTOM_INIT, String.valueOf(hook.error()));
                return;
            }
            board.update(
                    status -> status.phases = status.phases.with(WarmupPhases.running(PhaseTiming.WARMUP_INFERENCE)));
        }
        PhaseTiming inference = attempt.infer();
        boolean failed = inference.state() == PhaseTiming.State.Failed;
        if (failed && attempt.engineLeaves(ENGINE_EXIT)) {
            return;
        }
        synchronized (this) {
            if (warmup != attempt || board.current().phase() == ReplicaPhase.Failed) {
                return;
            }
            board.update(status -> status.phases = status.phases.with(inference));
            if (failed) {
                fail("WarmupFailed", PhaseTiming.WARMUP_INFERENCE, String.valueOf(inference.error()));
                return;
            }
        }
        Optional<String> differs = fromVolume == null ? Optional.empty() : attempt.canaryDiffers(fromVolume.canary());
        if (differs.isPresent() && fromVolume != null) {
            canaryFailed(attempt, fromVolume, differs.get());
            return;
        }
        if (unsaved != null) {
            unsaved.run(attempt.canary(), enginePause());
        }
        becomeReady(attempt);
    }

    /** The engine holds memory that answers otherwise: another process must come up, and will find no such snapshot. */
    private void canaryFailed(Warmup attempt, RestoredGeneration restored, String differs) {
        memory.answersOtherwise(restored, CANARY_MISMATCH, differs);
        synchronized (this) {
            if (warmup == attempt && board.current().phase() != ReplicaPhase.Failed) {
                fail(CANARY_MISMATCH, PhaseTiming.WARMUP_INFERENCE, "the canary: " + differs);
            }
        }
    }

    private synchronized void becomeReady(Warmup attempt) {
        if (warmup != attempt || board.current().phase() != ReplicaPhase.Warming) {
            return;
        }
        disarmDeadline();
        long bytes = device.usedBytes() + attempt.engineBytes();
        board.update(status -> {
            status.phase(ReplicaPhase.Ready, null, null);
            status.memoryBytes = bytes;
            status.readyAtEpochMicros = StatusBoard.micros(clock);
        });
        LOG.info("ready");
    }

    /** The engine's process has ended or let go: the replica serves nobody until an engine is back and warm. */
    void engineGone() {
        synchronized (this) {
            engineConnected = false;
            if (pause != null) {
                pause.engineGone();
                pause = null;
            }
            endAttempt();
        }
        engineLeft(memory.engineGone());
    }

    /** @param lost whether its memory is gone with it: then the next engine's is being restored from now on */
    private synchronized void engineLeft(boolean lost) {
        ReplicaPhase phase = board.current().phase();
        if (closed || phase == ReplicaPhase.Failed) {
            return;
        }
        if (lost) {
            memory.preload();
        }
        boolean reading = memory.isBeingRead();
        board.update(status -> {
            status.phase(reading ? ReplicaPhase.Restoring : ReplicaPhase.Starting, "EngineGone",
                    "waiting for the engine to come back");
            status.readyAtEpochMicros = 0;
            status.memoryBytes = 0;
        });
        if (phase == ReplicaPhase.Ready) {
            armDeadline();
        }
    }

    private void endAttempt() {
        if (warmup != null) {
            warmup.engineGone();
            warmup = null;
        }
    }

    private void armDeadline() {
        disarmDeadline();
        deadline = ticker.schedule(this::cut, config.warmup().deadline().toMillis(), TimeUnit.MILLISECONDS);
    }

    private void disarmDeadline() {
        if (deadline != null) {
            deadline.cancel(false);
            deadline = null;
        }
    }

    /** H66: a warmup that hangs is ended. A volume that hangs is not the warmup's fault: its memory is frozen. */
    private synchronized void cut() {
        if (closed || board.current().phase().terminal()) {
            return;
        }
        if (warmup != null && warmup.inferred()) {
            EnginePause still = pause;
            if (still != null) {
                // Requests come now, however long the save may take.
                Thread.ofPlatform().daemon().name("resume").start(still::end);
            }
            becomeReady(warmup);
            return;
        }
        fail("WarmupDeadlineExceeded", warmup == null ? PhaseTiming.WEIGHT_LOAD : PhaseTiming.WARMUP_INFERENCE,
                "not warm within " + config.warmup().deadline().toSeconds() + " s"
                        + (warmup == null ? "; the engine did not say that it serves" : ""));
        endAttempt();
        memory.cancelRestore();
    }

    private void fail(String reason, String phase, String error) {
        disarmDeadline();
        LOG.error("the warmup failed in {}: {}", phase, error);
        board.update(status -> {
            if (status.phases.failure().isEmpty()) {
                status.phases = status.phases.failed(phase, error);
            }
            status.phase(ReplicaPhase.Failed, reason, phase + ": " + error);
        });
    }

    /** Ends a restore that still runs. */
    @Override
    public synchronized void close() {
        closed = true;
        ticker.shutdownNow();
        endAttempt();
        memory.close();
    }
}

package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.cuda.GpuFigure;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.http.ApiException;
import dev.dormouse.sidecar.http.ReplicaSnapshots;
import dev.dormouse.sidecar.http.RestoreView;
import dev.dormouse.sidecar.http.SnapshotStats;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.store.Refusal;
import dev.dormouse.sidecar.store.Snapshot;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The life of this replica: which memory it has, whether its engine is there, how far its warmup is. Its state changes
 * only under its lock, and nothing that waits (contents, the volume, the engine's answers) happens under it.
 * {@code Failed} is final: another try is another process.
 */
final class Replica implements ReplicaSnapshots, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Replica.class);
    private static final long PROGRESS_MILLIS = 20;
    private static final Duration ENGINE_EXIT = Duration.ofSeconds(1);
    private static final Duration ANSWER = Duration.ofSeconds(30);

    private final AgentConfig config;
    private final DeviceMemory device;
    private final @Nullable SnapshotKeeper keeper;
    private final StatusBoard board;
    private final Clock clock;
    private final SnapshotStats.Counter stats;
    private final ScheduledExecutorService ticker = Executors
            .newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().name("ticker").factory());

    /** What an engine can attach to. */
    private @Nullable Generation generation;
    /** Of {@link #generation}; absent for memory that came from the volume. */
    private @Nullable FirstSave save;
    /** The attempt under way, or the one that made the replica ready; absent without an engine that serves. */
    private @Nullable Warmup warmup;
    private @Nullable ScheduledFuture<?> deadline;
    /** For those who ask about a restore after it has ended. */
    private @Nullable RestoredGeneration lastRestore;
    private boolean engineConnected;
    /** Whether the engine serves, or will, from memory that is not {@link #generation}. */
    private boolean turnedDown;
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
        this.stats = stats;
    }

    /** The first act of the process: the clock of the warmup runs (H22), and the newest snapshot is being read. */
    synchronized void start() {
        armDeadline();
        preload();
    }

    private synchronized void preload() {
        if (keeper == null || !config.warmup().preloadWeights()) {
            return;
        }
        String fromSource = config.warmup().ladder().fromSourceBecause();
        if (fromSource != null) {
            LOG.info("nothing is restored: {}", fromSource);
            board.update(status -> status.previousSnapshot = new SnapshotReport(null, SnapshotReport.State.Skipped, 0,
                    0, 0, "FromSource", fromSource));
            return;
        }
        try {
            List<Refusal> distrusted = new ArrayList<>();
            Optional<Snapshot> newest = keeper.newest(distrusted::add);
            if (newest.isPresent()) {
                restore(newest.get(), EnumSet.allOf(BufferType.class), keeper);
            } else if (!distrusted.isEmpty()) {
                Refusal refusal = distrusted.getLast();
                board.update(status -> status.previousSnapshot = new SnapshotReport(refusal.id(),
                        SnapshotReport.State.Failed, 0, 0, 0, refusal.reason(), refusal.message()));
            }
        } catch (IOException e) {
            LOG.error("the snapshot volume cannot be read, the model loads from its source", e);
            board.update(status -> status.previousSnapshot = new SnapshotReport(null, SnapshotReport.State.Failed, 0, 0,
                    0, "VolumeError", e.getMessage()));
        }
    }

    private void restore(Snapshot snapshot, Set<BufferType> types, SnapshotKeeper volume) {
        try {
            restoring(volume.restore(snapshot, types));
        } catch (RestoreException e) {
            stats.failed(e.code());
            LOG.error("snapshot {} cannot be restored, the model loads from its source: {}: {}", snapshot.id(),
                    e.code(), e.getMessage());
            SnapshotReport.State state = refused(e.fault().damage());
            board.update(status -> status.previousSnapshot = report(snapshot, state, 0, e.code(), e.getMessage()));
            if (e.fault().damage()) {
                volume.quarantine(snapshot, e.code(), String.valueOf(e.getMessage()));
            }
        }
    }

    private static SnapshotReport.State refused(boolean damaged) {
        return damaged ? SnapshotReport.State.Quarantined : SnapshotReport.State.Failed;
    }

    private void restoring(RestoredGeneration restored) {
        generation = restored;
        lastRestore = restored;
        LOG.info("restoring snapshot {} of {} bytes", restored.snapshot().id(), restored.totalBytes());
        board.update(status -> {
            status.phase(ReplicaPhase.Restoring, null, null);
            status.rung = Rung.Volume;
            status.phases = WarmupPhases.begun(config.warmup());
            status.snapshot = report(restored.snapshot(), SnapshotReport.State.Restoring, 0, null, null);
        });
        ScheduledFuture<?> progress = ticker.scheduleAtFixedRate(() -> showProgress(restored), PROGRESS_MILLIS,
                PROGRESS_MILLIS, TimeUnit.MILLISECONDS);
        Duration most = config.warmup().ladder().restoreDeadline();
        if (most != null) {
            ScheduledFuture<?> unused = ticker.schedule(() -> overran(restored, most), most.toMillis(),
                    TimeUnit.MILLISECONDS);
        }
        restored.whenEnded(micros -> {
            progress.cancel(false);
            stats.restored(restored.totalBytes(), micros);
            restored(restored, micros);
        }, refusal -> {
            progress.cancel(false);
            stats.failed(refusal.code());
            refuse(restored, refusal);
        });
    }

    /** The rung's own deadline: what hangs or crawls is given up while there is still time to load from the source. */
    private void overran(RestoredGeneration restored, Duration most) {
        if (restored.timing().isEmpty()) {
            refuse(restored, new RefusedException("RestoreDeadlineExceeded", "%d of %d bytes were restored within %d s"
                    .formatted(restored.restoredBytes(), restored.totalBytes(), most.toSeconds())));
        }
    }

    private synchronized void showProgress(RestoredGeneration restored) {
        if (generation == restored) {
            board.update(status -> {
                status.restoredBytes = restored.restoredBytes();
                if (status.phase == ReplicaPhase.Restoring) {
                    status.percent = StatusBoard.percent(restored.restoredBytes(), restored.totalBytes());
                    status.etaMillis = restored.etaMillis();
                }
            });
        }
    }

    private synchronized void restored(RestoredGeneration restored, long micros) {
        if (generation != restored) {
            return;
        }
        LOG.info("restored snapshot {} in {} ms", restored.snapshot().id(), micros / 1_000);
        board.update(status -> {
            status.restoredBytes = restored.totalBytes();
            status.snapshot = report(restored.snapshot(), SnapshotReport.State.Restored, micros, null, null);
            if (!turnedDown) {
                status.phases = status.phases.with(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, micros));
            }
            if (status.phase == ReplicaPhase.Restoring) {
                status.percent = 100;
            }
        });
    }

    /** The ladder: a snapshot that cannot be restored is set aside, and the model comes up from its source. */
    void refuse(RestoredGeneration restored, RefusedException refusal) {
        boolean damaged = restored.damaged(refusal);
        synchronized (this) {
            if (generation != restored || closed || board.current().phase() == ReplicaPhase.Failed) {
                return;
            }
            forget(report(restored.snapshot(), refused(damaged), 0, refusal.code(), refusal.text()));
        }
        LOG.error("snapshot {} is refused, the model loads from its source: {}: {}", restored.snapshot().id(),
                refusal.code(), refusal.text());
        if (damaged && keeper != null) {
            keeper.quarantine(restored.snapshot(), refusal.code(), refusal.text());
        }
        restored.close();
    }

    private void forget(SnapshotReport why) {
        generation = null;
        save = null;
        board.update(status -> {
            status.phase(ReplicaPhase.Starting, null, null);
            status.previousSnapshot = why;
            status.snapshot = SnapshotReport.ABSENT;
            status.rung = Rung.Cold;
            status.restoredBytes = 0;
            status.phases = WarmupPhases.none();
        });
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
        if (turnedDown) {
            turnedDown = false;
            if (device.mode().heldByEngine()) {
                // What it did not take then it is offered once more.
                preload();
            }
        }
        Map<String, String> wanted = WakePlan.compatibility(hello);
        Map<String, String> atHand = generation == null ? null : generation.compatibility();
        WakePlan plan = WakePlan.decide(keeper != null, config.warmup().preloadWeights(), atHand, wanted);
        LOG.info("engine {} {} says hello: {}", hello.engine(), hello.engineVersion(), plan);
        if (!(plan instanceof WakePlan.Bypass) && !hello.memory().contains(device.mode())) {
            throw new RefusedException("UnsupportedMemory", "This sidecar's memory is " + device.mode()
                    + " and the engine can use " + hello.memory() + " only; set DORMOUSE_DEVICE to one of those");
        }
        board.update(status -> {
            status.phases = WarmupPhases.begun(config.warmup());
            status.warmupIterations = 0;
            status.firstInferenceMicros = 0;
        });
        return switch (plan) {
            case WakePlan.Bypass bypass -> bypass(bypass.reason());
            case WakePlan.Attach attach -> attach();
            case WakePlan.Create create -> create(create.incompatible());
        };
    }

    private EngineMessage.Welcome bypass(String reason) {
        board.update(status -> {
            status.phase(ReplicaPhase.Loading, null, null);
            status.snapshot = new SnapshotReport(null, SnapshotReport.State.Skipped, 0, 0, 0, reason, null);
        });
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, Mode.Bypass, "", reason, device.mode(), null);
    }

    private EngineMessage.Welcome attach() throws RefusedException {
        Generation memory = attachable();
        board.update(status -> {
            status.phase(ReplicaPhase.Restoring, null, null);
            status.percent = 100;
            if (memory instanceof CommittedGeneration) {
                status.rung = Rung.Resident;
            } else if (memory instanceof RestoredGeneration restored) {
                status.percent = StatusBoard.percent(restored.restoredBytes(), restored.totalBytes());
                restored.timing().ifPresent(timing -> status.phases = status.phases.with(timing));
            }
        });
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, Mode.Attach, memory.id(), null, device.mode(),
                device.uuid());
    }

    private EngineMessage.Welcome create(@Nullable String incompatible) {
        Generation unfit = generation;
        if (unfit != null) {
            LOG.warn("the memory at hand does not fit this engine: {}", incompatible);
            forget(unfit instanceof RestoredGeneration restored
                    ? report(restored.snapshot(), SnapshotReport.State.Skipped, 0, "Incompatible", incompatible)
                    : new SnapshotReport(null, SnapshotReport.State.Skipped, 0, 0, 0, "Incompatible", incompatible));
            unfit.close();
        }
        SnapshotReport refused = board.current().previousSnapshot();
        board.update(status -> {
            status.phase(ReplicaPhase.Loading, null, null);
            status.phases = WarmupPhases.begun(config.warmup());
        });
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, Mode.Create, "",
                refused == null ? "NoSnapshot" : refused.reason(), device.mode(), device.uuid());
    }

    GenerationDraft draft(EngineMessage.Hello hello) {
        return new GenerationDraft(device, WakePlan.compatibility(hello));
    }

    synchronized void committed(CommittedGeneration committed) {
        generation = committed;
        save = keeper == null ? null : new FirstSave(committed, keeper, board);
        LOG.info("the engine committed {} buffers in {} allocations and {} files", committed.buffers().size(),
                committed.memory().size(), committed.fileSet().size());
    }

    synchronized Generation attachable() throws RefusedException {
        if (generation == null) {
            SnapshotReport refused = board.current().previousSnapshot();
            throw new RefusedException(refused == null || refused.reason() == null ? "NoMemory" : refused.reason(),
                    "There is no memory to attach to; say HELLO again");
        }
        return generation;
    }

    /**
     * The engine does not take the memory at hand: it has served since before this sidecar came, or loads by itself. Memory
     * that only this engine could hold is given up; the rest stays for the next one.
     */
    void turnedDown() {
        RestoredGeneration unwanted = null;
        synchronized (this) {
            turnedDown = true;
            if (device.mode().heldByEngine() && generation instanceof RestoredGeneration restored) {
                unwanted = restored;
                generation = null;
                board.update(status -> {
                    status.snapshot = report(restored.snapshot(), SnapshotReport.State.Saved, 0, null, null);
                    status.restoredBytes = 0;
                });
            }
        }
        if (unwanted != null) {
            LOG.info("the engine keeps memory of its own; snapshot {} stays on the volume", unwanted.snapshot().id());
            unwanted.close();
        }
    }

    /** Waits for contents of the memory at hand; when they are damaged, it is not at hand any more afterwards. */
    void await(@Nullable String name) throws RefusedException, InterruptedException {
        await(attachable(), name);
    }

    private void await(Generation memory, @Nullable String name) throws RefusedException, InterruptedException {
        try {
            memory.await(name);
        } catch (RefusedException e) {
            if (memory instanceof RestoredGeneration restored && !e.code().equals(Generation.UNKNOWN_NAME)) {
                refuse(restored, e);
            }
            throw e;
        }
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
        Generation memory = fromMemoryAtHand ? attachable() : null;
        if (memory != null) {
            await(memory, null);
        }
        Warmup attempt = new Warmup(config, ready, board);
        FirstSave unsaved;
        synchronized (this) {
            // Under the lock: the end of a restore writes its time there too, and must not be overwritten.
            PhaseTiming restore = memory instanceof RestoredGeneration restored ? restored.timing().orElse(null) : null;
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
            unsaved = memory == null ? null : save;
            pause = device.mode() == Memory.Host
                    ? null
                    : new EnginePause(questions, patience(), config.warmup().deadline());
            board.update(status -> {
                status.phase(ReplicaPhase.Warming, null, null);
                if (turnedDown) {
                    status.rung = phases.loaded() ? Rung.Cold : Rung.Resident;
                }
                status.phases = phases.with(WarmupPhases.running(attempt.firstPhase()));
            });
        }
        RestoredGeneration fromVolume = memory instanceof RestoredGeneration restored ? restored : null;
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

    private synchronized @Nullable EnginePause enginePause() {
        return pause;
    }

    /** The engine holds memory that answers otherwise: another process must come up, and will find no such snapshot. */
    private void canaryFailed(Warmup attempt, RestoredGeneration restored, String differs) {
        if (keeper != null) {
            keeper.quarantine(restored.snapshot(), "CanaryMismatch", differs);
        }
        synchronized (this) {
            if (warmup == attempt && board.current().phase() != ReplicaPhase.Failed) {
                board.update(status -> status.snapshot = report(restored.snapshot(),
                        SnapshotReport.State.Quarantined, 0, "CanaryMismatch", differs));
                fail("CanaryMismatch", PhaseTiming.WARMUP_INFERENCE, "the canary: " + differs);
            }
        }
    }

    private synchronized void becomeReady(Warmup attempt) {
        if (warmup != attempt || board.current().phase() != ReplicaPhase.Warming) {
            return;
        }
        disarmDeadline();
        long memory = device.usedBytes() + attempt.engineBytes();
        board.update(status -> {
            status.phase(ReplicaPhase.Ready, null, null);
            status.memoryBytes = memory;
            status.readyAtEpochMicros = StatusBoard.micros(clock);
        });
        LOG.info("ready");
    }

    /** The engine's process has ended or let go: the replica serves nobody until an engine is back and warm. */
    void engineGone() {
        Generation lost;
        boolean held;
        synchronized (this) {
            engineConnected = false;
            if (pause != null) {
                pause.engineGone();
                pause = null;
            }
            endAttempt();
            boolean byEngine = device.mode().heldByEngine();
            lost = byEngine ? generation : null;
            held = lost != null || byEngine && turnedDown;
            turnedDown = false;
            if (lost != null) {
                generation = null;
                save = null;
            }
        }
        device.engineGone();
        if (lost != null) {
            lost.close();
        }
        engineLeft(held);
    }

    /** @param lost whether its memory is gone with it: then the next engine's is being restored from now on */
    private synchronized void engineLeft(boolean lost) {
        ReplicaPhase phase = board.current().phase();
        if (closed || phase == ReplicaPhase.Failed) {
            return;
        }
        if (lost) {
            preload();
        }
        boolean reading = generation instanceof RestoredGeneration restored && restored.timing().isEmpty();
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
        if (generation instanceof RestoredGeneration restored) {
            // An engine that waits for contents is told so instead of waiting on.
            restored.cancel();
        }
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

    @Override
    public SnapshotReport save() throws ApiException {
        FirstSave unsaved;
        EnginePause still;
        synchronized (this) {
            requireVolume();
            if (generation instanceof RestoredGeneration) {
                return board.current().snapshot();
            }
            if (save == null) {
                throw new ApiException(409, "NothingToSave", "no engine has committed memory yet");
            }
            unsaved = save;
            still = pause;
        }
        return unsaved.run(null, still);
    }

    @Override
    public synchronized RestoreView restore(@Nullable String snapshotId, Set<BufferType> types) throws ApiException {
        SnapshotKeeper volume = requireVolume();
        if (generation instanceof RestoredGeneration present
                && (snapshotId == null || present.snapshot().id().equals(snapshotId))
                && present.types().equals(types)) {
            return present.view();
        }
        if (board.current().phase() == ReplicaPhase.Failed) {
            throw new ApiException(409, "WarmupFailed", "this replica has failed: " + board.current().message());
        }
        if (generation != null || engineConnected) {
            throw new ApiException(409, "MemoryInUse", "an engine is connected, or there is other memory for one");
        }
        try {
            Snapshot snapshot = (snapshotId == null ? volume.newest(refusal -> {
            }) : volume.byId(snapshotId))
                    .orElseThrow(() -> new ApiException(404, "SnapshotNotFound", "there is no such snapshot"));
            restore(snapshot, types, volume);
        } catch (IOException e) {
            throw new ApiException(503, "VolumeError", String.valueOf(e.getMessage()));
        }
        if (generation instanceof RestoredGeneration begun) {
            return begun.view();
        }
        SnapshotReport refused = board.current().previousSnapshot();
        throw new ApiException(409, refused == null || refused.reason() == null ? "RestoreFailed" : refused.reason(),
                String.valueOf(refused == null ? null : refused.message()));
    }

    private SnapshotKeeper requireVolume() throws ApiException {
        if (keeper == null) {
            throw new ApiException(409, "SnapshotsOff", "this sidecar has no snapshot volume that it can use");
        }
        return keeper;
    }

    @Override
    public synchronized Optional<RestoreView> restoreById(String id) {
        return Optional.ofNullable(lastRestore)
                .filter(restore -> restore.id().equals(id))
                .map(RestoredGeneration::view);
    }

    @Override
    public synchronized void cancelRestore(String id) throws ApiException {
        RestoredGeneration last = lastRestore;
        if (last == null || !last.id().equals(id)) {
            throw new ApiException(404, "RestoreNotFound", "there is no restore " + id);
        }
        if (last == generation && last.timing().isEmpty()) {
            last.cancel();
        }
    }

    @Override
    public SnapshotStats stats() {
        return stats.now();
    }

    @Override
    public Map<GpuFigure, Double> gpuFigures() {
        return device.figures();
    }

    private static SnapshotReport report(Snapshot snapshot, SnapshotReport.State state, long micros,
            @Nullable String reason, @Nullable String message) {
        return new SnapshotReport(snapshot.id(), state, snapshot.rawBytes(), snapshot.storedBytes(), micros, reason,
                message);
    }

    /** Ends a restore that still runs. */
    @Override
    public synchronized void close() {
        closed = true;
        ticker.shutdownNow();
        endAttempt();
        if (generation != null) {
            generation.close();
        }
    }
}

package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.pipeline.Restore;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.status.StatusBoard;
import dev.dormouse.sidecar.status.Statuses;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotFiles;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.VolumeFullException;
import java.io.IOException;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The replica's memory and its way to Ready. One engine at a time talks to it ({@link EngineSession}); {@code this}
 * guards {@code restore}, {@code generation} and {@code warmup}.
 *
 * <p>What a wake may start from: a restore begun before anything else of the process; a generation that an earlier
 * engine of this pod committed; nothing. A refused restore falls one rung: its memory is released, its snapshot
 * quarantined when it is damaged, and the engine, told so, begins again from the source.
 */
final class Replica implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Replica.class);
    private static final Duration PROGRESS = Duration.ofMillis(50);
    private static final Duration UNTIL_THE_NEXT_CHANGE = Duration.ofDays(1);

    private final AgentConfig config;
    private final DeviceMemory device;
    private final SnapshotFiles files;
    private final Optional<SnapshotStore> store;
    private final StatusBoard board;
    private final Clock clock;
    private final Thread deadline;

    private @Nullable Restore restore;
    private String restoreGeneration = "";
    private @Nullable Generation generation;
    private @Nullable Thread warmup;
    /** {@link System#nanoTime} by which the present attempt must be Ready. */
    private volatile long attemptEnds;

    Replica(AgentConfig config, DeviceMemory device, SnapshotFiles files, Optional<SnapshotStore> store,
            StatusBoard board,
            Clock clock) {
        this.config = config;
        this.device = device;
        this.files = files;
        this.store = store;
        this.board = board;
        this.clock = clock;
        this.deadline = Thread.ofPlatform().daemon().name("warmup-deadline").unstarted(this::enforceDeadline);
    }

    /** Starts to read the newest snapshot, if there is one; returns at once. */
    synchronized void begin() {
        attemptEnds = System.nanoTime() + config.warmup().deadline().toNanos();
        deadline.start();
        Optional<Snapshot> snapshot = find();
        if (snapshot.isEmpty()) {
            board.post(s -> Statuses.begun(s, ReplicaPhase.Loading, Rung.Cold, absent()));
            return;
        }
        try {
            startRestore(snapshot.get());
        } catch (IOException e) {
            refuse(snapshot.get(), "OutOfMemory", String.valueOf(e.getMessage()), false);
        }
    }

    private SnapshotReport absent() {
        return config.snapshots()
                ? SnapshotReport.ABSENT
                : new SnapshotReport(null, SnapshotReport.State.Skipped, 0, 0, 0, "Disabled",
                        "snapshots are switched off for this model");
    }

    private Optional<Snapshot> find() {
        if (store.isEmpty() || !config.snapshots()) {
            return Optional.empty();
        }
        try {
            return store.get().newest(config.snapshotKey());
        } catch (IOException e) {
            LOG.atWarn().setMessage("the volume cannot be read").addKeyValue("cause", e.getMessage()).log();
            return Optional.empty();
        }
    }

    private void startRestore(Snapshot snapshot) throws IOException {
        Restore started = Restore.start(snapshot, device, files,
                new Restore.Options(Runtime.getRuntime().availableProcessors(), config.verify()));
        restore = started;
        restoreGeneration = UUID.randomUUID().toString();
        board.post(s -> Statuses.begun(s, ReplicaPhase.Restoring, Rung.Volume,
                report(started, SnapshotReport.State.Restoring)));
        Thread.ofPlatform().daemon().name("restore-progress").start(() -> follow(started));
    }

    /** Posts progress until the restore ends; a failure is acted on here, whether or not an engine waits for it. */
    private void follow(Restore watched) {
        Thread reporter = Thread.ofPlatform().daemon().name("restore-percent").start(() -> reportProgress(watched));
        try {
            watched.await(null);
            board.post(s -> s.snapshot().state() == SnapshotReport.State.Restoring
                    ? Statuses.progress(s, 100, s.etaMillis(), watched.restoredBytes(),
                            report(watched, SnapshotReport.State.Restored))
                    : s); // refused meanwhile: the next attempt's status is not ours
            LOG.atInfo()
                    .setMessage("snapshot restored")
                    .addKeyValue("snapshot", watched.snapshot().id())
                    .addKeyValue("bytes", watched.totalBytes())
                    .addKeyValue("micros", watched.elapsedNanos() / 1000)
                    .log();
        } catch (RestoreException e) {
            dropRestore(watched, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            reporter.interrupt();
        }
    }

    private void reportProgress(Restore watched) {
        try {
            while (watched.restoredBytes() < watched.totalBytes()) {
                TimeUnit.MILLISECONDS.sleep(PROGRESS.toMillis());
                long bytes = watched.restoredBytes();
                long elapsed = watched.elapsedNanos() / 1_000_000;
                double share = watched.totalBytes() == 0 ? 1 : (double) bytes / watched.totalBytes();
                long eta = bytes == 0 ? -1 : Math.round(elapsed / share - elapsed);
                board.post(s -> s.snapshot().state() == SnapshotReport.State.Restoring
                        ? Statuses.progress(s, Math.floor(share * 1000) / 10, eta, bytes,
                                report(watched, SnapshotReport.State.Restoring))
                        : s);
            }
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }

    private static SnapshotReport report(Restore restore, SnapshotReport.State state) {
        return new SnapshotReport(restore.snapshot().id(), state, restore.totalBytes(),
                restore.snapshot().manifest().storedBytes(), restore.elapsedNanos() / 1000, null, null);
    }

    /** How an engine that says hello gets its memory. */
    synchronized EngineMessage.Welcome welcome(EngineMessage.Hello hello) throws IOException {
        endWarmup();
        renewDeadline();
        if (!config.snapshots()) {
            board.post(s -> Statuses.begun(s, ReplicaPhase.Loading, Rung.Cold, absent()));
            return welcome(EngineMessage.Mode.Bypass, "", "snapshots are off");
        }
        Map<String, String> compatibility = compatibility(hello);
        if (generation != null && generation.committed() && generation.compatibility().equals(compatibility)) {
            board.post(s -> Statuses.begun(s, ReplicaPhase.Loading, Rung.Resident, s.snapshot()));
            return welcome(EngineMessage.Mode.Attach, generation.id(), "this pod's memory is intact");
        }
        if (restore != null) {
            Map<String, String> wanted = restore.snapshot().manifest().compatibility();
            if (wanted.equals(compatibility)) {
                board.post(s -> s.phase() == ReplicaPhase.Failed
                        ? Statuses.begun(s, ReplicaPhase.Restoring, Rung.Volume, s.snapshot())
                        : s);
                return welcome(EngineMessage.Mode.Attach, restoreGeneration, "snapshot " + restore.snapshot().id());
            }
            Restore refused = restore;
            restore = null;
            refuse(refused.snapshot(), "Incompatible",
                    "the snapshot was taken by " + wanted + ", this engine is " + compatibility, false);
            refused.close();
        }
        giveUpGeneration();
        Generation fresh = new Generation(UUID.randomUUID().toString(), compatibility, device);
        generation = fresh;
        board.post(s -> Statuses.begun(s, ReplicaPhase.Loading, Rung.Cold, absent()));
        return welcome(EngineMessage.Mode.Create, fresh.id(), null);
    }

    private static EngineMessage.Welcome welcome(EngineMessage.Mode mode, String generation, @Nullable String reason) {
        return new EngineMessage.Welcome(EngineMessage.PROTOCOL, mode, generation, reason);
    }

    private static Map<String, String> compatibility(EngineMessage.Hello hello) {
        Map<String, String> all = new java.util.TreeMap<>(hello.compatibility());
        all.put("engine", hello.engine());
        all.put("engine.version", hello.engineVersion());
        return all;
    }

    synchronized Optional<Generation> generation() {
        return Optional.ofNullable(generation);
    }

    synchronized Optional<Restore> restore() {
        return Optional.ofNullable(restore);
    }

    /** An engine went away; what it had not committed is released, never reused. */
    synchronized void engineGone() throws IOException {
        endWarmup();
        if (generation != null && !generation.committed()) {
            giveUpGeneration();
        }
        if (board.present().phase() == ReplicaPhase.Ready) {
            renewDeadline();
        }
        board.post(s -> s.phase() == ReplicaPhase.Failed
                ? s
                : Statuses.begun(s, restore == null ? ReplicaPhase.Loading : ReplicaPhase.Restoring, s.rung(),
                        s.snapshot()));
    }

    /** An engine that comes back after the end of an attempt has the whole time again (H65). */
    private void renewDeadline() {
        if (board.present().phase().terminal()) {
            attemptEnds = System.nanoTime() + config.warmup().deadline().toNanos();
        }
    }

    private void giveUpGeneration() throws IOException {
        if (generation != null) {
            generation.close();
            generation = null;
        }
    }

    /** A restore that failed: the snapshot is judged, the memory released, the next hello gets a fresh generation. */
    void dropRestore(Restore failed, RestoreException cause) {
        synchronized (this) {
            if (restore != failed) {
                return; // somebody else was first, or we are stopping
            }
            restore = null;
            refuse(failed.snapshot(), cause.code(), String.valueOf(cause.getMessage()), cause.damaged());
        }
        try {
            failed.close();
        } catch (IOException e) {
            LOG.atWarn().setMessage("memory of a refused restore").addKeyValue("cause", e.getMessage()).log();
        }
    }

    private void refuse(Snapshot snapshot, String reason, String message, boolean quarantine) {
        LOG.atWarn()
                .setMessage("snapshot refused")
                .addKeyValue("snapshot", snapshot.id())
                .addKeyValue("reason", reason)
                .addKeyValue("cause", message)
                .log();
        if (quarantine && store.isPresent()) {
            try {
                store.get().quarantine(snapshot.id(), reason, message);
            } catch (IOException e) {
                LOG.atWarn().setMessage("quarantine cannot be written").addKeyValue("cause", e.getMessage()).log();
            }
        }
        SnapshotReport.State state = quarantine ? SnapshotReport.State.Quarantined : SnapshotReport.State.Failed;
        board.post(s -> Statuses.refused(s, new SnapshotReport(snapshot.id(), state, snapshot.manifest().rawBytes(),
                snapshot.manifest().storedBytes(), 0, reason, message)));
    }

    /** Why an engine that was told to attach has nothing to wait for any more. */
    EngineMessage.Failed gone() {
        SnapshotReport refused = board.present().previousSnapshot();
        return refused == null || refused.reason() == null
                ? new EngineMessage.Failed("Gone", "the memory was released: say HELLO again")
                : new EngineMessage.Failed(refused.reason(), refused.message() + ": say HELLO again");
    }

    /** The engine serves: warm it up, snapshot it, open the gate. Returns at once. */
    synchronized void engineReady(EngineMessage.Ready ready) {
        endWarmup();
        List<PhaseTiming> phases = phases(ready.phases());
        board.post(s -> Statuses.warming(s, phases, device.usedBytes() + ready.memoryBytes()));
        Generation created = generation;
        Thread thread = Thread.ofPlatform().daemon().name("warmup").unstarted(() -> warmUp(ready, phases, created));
        warmup = thread;
        thread.start();
    }

    /** What the engine timed, under the switches of the spec, with the restore's own time in its place (H23–H29). */
    private List<PhaseTiming> phases(List<PhaseTiming> engine) {
        AgentConfig.WarmupSettings switches = config.warmup();
        List<PhaseTiming> phases = new ArrayList<>();
        Restore restored = restore;
        if (!switches.preloadWeights()) {
            phases.add(PhaseTiming.skipped(PhaseTiming.WEIGHT_LOAD));
        } else if (restored != null) {
            phases.add(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, restored.elapsedNanos() / 1000));
        } else {
            phases.add(timed(PhaseTiming.WEIGHT_LOAD, engine));
        }
        phases.add(switches.preallocatePools()
                ? timed(PhaseTiming.POOL_ALLOC, engine)
                : PhaseTiming.skipped(PhaseTiming.POOL_ALLOC));
        phases.add(switches.precompileKernels()
                ? timed(PhaseTiming.KERNEL_COMPILE, engine)
                : PhaseTiming.skipped(PhaseTiming.KERNEL_COMPILE));
        phases.add(timed(PhaseTiming.CUSTOM_INIT, engine));
        return List.copyOf(phases);
    }

    private static PhaseTiming timed(String name, List<PhaseTiming> engine) {
        return engine.stream()
                .filter(phase -> phase.name().equals(name))
                .findFirst()
                .orElseGet(() -> PhaseTiming.skipped(name));
    }

    private void warmUp(EngineMessage.Ready ready, List<PhaseTiming> phases, @Nullable Generation created) {
        long begin = System.nanoTime();
        try {
            infer(ready, phases);
            if (created != null && created.committed()
                    && board.present().snapshot().state() != SnapshotReport.State.Saved) {
                save(created);
            }
            board.post(s -> s.phase() == ReplicaPhase.Warming ? Statuses.ready(s, micros()) : s);
            LOG.info("replica is ready");
        } catch (IOException e) {
            PhaseTiming failed = new PhaseTiming(PhaseTiming.WARMUP_INFERENCE, PhaseTiming.State.Failed,
                    (System.nanoTime() - begin) / 1000, e.getMessage());
            board.post(s -> s.phase() == ReplicaPhase.Warming
                    ? Statuses.failed(s, with(phases, failed), "WarmupFailed/" + PhaseTiming.WARMUP_INFERENCE,
                            e.getMessage())
                    : s); // past its deadline: that is what went wrong first
            LOG.atWarn().setMessage("warmup failed").addKeyValue("cause", e.getMessage()).log();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the engine went away, or we are stopping
        }
    }

    private void infer(EngineMessage.Ready ready, List<PhaseTiming> phases) throws IOException, InterruptedException {
        if (ready.probe() == null) {
            board.post(s -> Statuses.warmed(s, with(phases, PhaseTiming.skipped(PhaseTiming.WARMUP_INFERENCE)), 0, 0));
            return;
        }
        URI engine = URI.create("http://" + config.podIp() + ":" + config.enginePort());
        long first = 0;
        long total = 0;
        try (WarmupInference inference = new WarmupInference(engine, ready.probe(), config.warmup().batchSize(),
                config.warmup().deadline())) {
            for (int i = 0; i < config.warmup().iterations(); i++) {
                long micros = inference.run();
                first = i == 0 ? micros : first;
                total += micros;
            }
        }
        PhaseTiming done = PhaseTiming.done(PhaseTiming.WARMUP_INFERENCE, total);
        long firstMicros = first;
        board.post(s -> Statuses.warmed(s, with(phases, done), config.warmup().iterations(), firstMicros));
    }

    private static List<PhaseTiming> with(List<PhaseTiming> phases, PhaseTiming last) {
        List<PhaseTiming> all = new ArrayList<>(phases);
        all.add(last);
        return List.copyOf(all);
    }

    /** Before the first request: device memory holds prompts afterwards. A snapshot that fails costs no readiness. */
    private void save(Generation created) throws InterruptedException {
        if (store.isEmpty()) {
            return;
        }
        long begin = System.nanoTime();
        board.post(
                s -> Statuses.snapshot(s, new SnapshotReport(null, SnapshotReport.State.Saving, 0, 0, 0, null, null)));
        try {
            Snapshot saved = store.get()
                    .save(created.saveRequest(config.snapshotKey()), new SaveOptions(config.zstdLevel()));
            long micros = (System.nanoTime() - begin) / 1000;
            board.post(s -> Statuses.snapshot(s, new SnapshotReport(saved.id(), SnapshotReport.State.Saved,
                    saved.manifest().rawBytes(), saved.manifest().storedBytes(), micros, null, null)));
            LOG.atInfo()
                    .setMessage("snapshot saved")
                    .addKeyValue("snapshot", saved.id())
                    .addKeyValue("bytes", saved.manifest().rawBytes())
                    .addKeyValue("micros", micros)
                    .log();
        } catch (IOException e) {
            if (Thread.interrupted()) {
                throw new InterruptedException("the save was cut");
            }
            String reason = e instanceof VolumeFullException ? "VolumeFull" : "WriteFailed";
            board.post(s -> Statuses.snapshot(s,
                    new SnapshotReport(null, SnapshotReport.State.Failed, 0, 0, 0, reason, e.getMessage())));
            LOG.atWarn()
                    .setMessage("snapshot not saved")
                    .addKeyValue("reason", reason)
                    .addKeyValue("cause", e.getMessage())
                    .log();
        }
    }

    private void endWarmup() {
        Thread running = warmup;
        if (running == null) {
            return;
        }
        warmup = null;
        running.interrupt();
        boolean interrupted = false;
        while (running.isAlive()) {
            try {
                running.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** H66: a warmup that hangs is cut, not only reported. */
    private void enforceDeadline() {
        try {
            long seen = 0;
            boolean over = false;
            while (true) {
                SidecarStatus status = board.after(seen, over
                        ? UNTIL_THE_NEXT_CHANGE
                        : Duration.ofNanos(Math.max(0, attemptEnds - System.nanoTime())));
                seen = status.sequence();
                over = status.phase().terminal();
                if (!over && System.nanoTime() - attemptEnds >= 0) {
                    exceedDeadline();
                }
            }
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void exceedDeadline() {
        board.post(s -> s.phase().terminal()
                ? s
                : Statuses.failed(s, s.phases(), "DeadlineExceeded", "phase " + s.phase() + " was not over after "
                        + config.warmup().deadline().toSeconds() + " s (warmup.deadlineSeconds)"));
        Thread running = warmup;
        if (running != null) {
            running.interrupt();
        }
    }

    private long micros() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
    }

    @Override
    public synchronized void close() throws IOException {
        deadline.interrupt();
        endWarmup();
        giveUpGeneration();
        if (restore != null) {
            Restore open = restore;
            restore = null;
            open.close();
        }
    }
}

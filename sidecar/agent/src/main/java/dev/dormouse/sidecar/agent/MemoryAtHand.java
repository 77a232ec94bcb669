package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.http.SnapshotStats;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.store.Refusal;
import dev.dormouse.sidecar.store.Snapshot;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ScheduledExecutorService;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The memory that an engine can attach to, and so the rung of the ladder that this replica stands on: restored from the
 * volume, committed by an engine, or none. A snapshot that cannot be restored is set aside, and the model comes up from its
 * source. Shares the replica's lock, because its memory and its phase change together.
 */
final class MemoryAtHand implements RestoreFollower.Ends, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MemoryAtHand.class);

    private final Object lock;
    private final WarmupSettings warmup;
    private final DeviceMemory device;
    private final @Nullable SnapshotKeeper keeper;
    private final StatusBoard board;
    private final SnapshotStats.Counter stats;
    private final RestoreFollower follower;

    private @Nullable Generation generation;
    /** Of {@link #generation}; absent for memory that came from the volume. */
    private @Nullable FirstSave save;
    /** For those who ask about a restore after it has ended. */
    private @Nullable RestoredGeneration lastRestore;
    /** Whether the engine serves, or will, from memory that is not {@link #generation}. */
    private boolean turnedDown;

    /**
     * @param lock of the replica
     * @param keeper absent when snapshots are off, or the volume cannot be used
     * @param ticker follows restores
     */
    MemoryAtHand(Object lock, WarmupSettings warmup, DeviceMemory device, @Nullable SnapshotKeeper keeper,
            StatusBoard board, SnapshotStats.Counter stats, ScheduledExecutorService ticker) {
        this.lock = lock;
        this.warmup = warmup;
        this.device = device;
        this.keeper = keeper;
        this.board = board;
        this.stats = stats;
        this.follower = new RestoreFollower(ticker, stats, warmup.ladder().restoreDeadline());
    }

    /** Begins to restore the newest snapshot, before an engine asks. */
    void preload() {
        synchronized (lock) {
            if (keeper == null || !warmup.preloadWeights()) {
                return;
            }
            String fromSource = warmup.ladder().fromSourceBecause();
            if (fromSource != null) {
                LOG.info("nothing is restored: {}", fromSource);
                passedOver(SnapshotReport.none(SnapshotReport.State.Skipped, "FromSource", fromSource));
                return;
            }
            try {
                List<Refusal> distrusted = new ArrayList<>();
                Optional<Snapshot> newest = keeper.newest(distrusted::add);
                if (newest.isPresent()) {
                    restore(newest.get(), EnumSet.allOf(BufferType.class));
                } else if (!distrusted.isEmpty()) {
                    Refusal refusal = distrusted.getLast();
                    passedOver(new SnapshotReport(refusal.id(), SnapshotReport.State.Failed, 0, 0, 0, refusal.reason(),
                            refusal.message()));
                }
            } catch (IOException e) {
                LOG.error("the snapshot volume cannot be read, the model loads from its source", e);
                passedOver(SnapshotReport.none(SnapshotReport.State.Failed, "VolumeError", e.getMessage()));
            }
        }
    }

    private void passedOver(SnapshotReport why) {
        board.update(status -> status.previousSnapshot = why);
    }

    /** Begins to restore; when that is refused at once, the status says why and nothing is at hand. */
    void restore(Snapshot snapshot, Set<BufferType> types) {
        SnapshotKeeper volume = requireKeeper();
        synchronized (lock) {
            try {
                begin(volume.restore(snapshot, types));
            } catch (RestoreException e) {
                stats.failed(e.code());
                LOG.error("snapshot {} cannot be restored, the model loads from its source: {}: {}", snapshot.id(),
                        e.code(), e.getMessage());
                passedOver(SnapshotKeeper.report(snapshot, refused(e.fault().damage()), 0, e.code(), e.getMessage()));
                if (e.fault().damage()) {
                    volume.quarantine(snapshot, e.code(), String.valueOf(e.getMessage()));
                }
            }
        }
    }

    private SnapshotKeeper requireKeeper() {
        if (keeper == null) {
            throw new IllegalStateException("there is no snapshot volume");
        }
        return keeper;
    }

    private static SnapshotReport.State refused(boolean damaged) {
        return damaged ? SnapshotReport.State.Quarantined : SnapshotReport.State.Failed;
    }

    private void begin(RestoredGeneration restored) {
        generation = restored;
        lastRestore = restored;
        LOG.info("restoring snapshot {} of {} bytes", restored.snapshot().id(), restored.totalBytes());
        board.update(status -> {
            status.phase(ReplicaPhase.Restoring, null, null);
            status.rung = Rung.Volume;
            status.phases = WarmupPhases.begun(warmup);
            status.snapshot = restored.report(SnapshotReport.State.Restoring, 0, null, null);
        });
        follower.follow(restored, this);
    }

    @Override
    public void progressed(RestoredGeneration restored) {
        synchronized (lock) {
            if (generation != restored) {
                return;
            }
            board.update(status -> {
                status.restoredBytes = restored.restoredBytes();
                if (status.phase == ReplicaPhase.Restoring) {
                    status.percent = StatusBoard.percent(restored.restoredBytes(), restored.totalBytes());
                    status.etaMillis = restored.etaMillis();
                }
            });
        }
    }

    @Override
    public void restored(RestoredGeneration restored, long micros) {
        synchronized (lock) {
            if (generation != restored) {
                return;
            }
            LOG.info("restored snapshot {} in {} ms", restored.snapshot().id(), micros / 1_000);
            board.update(status -> {
                status.restoredBytes = restored.totalBytes();
                status.snapshot = restored.report(SnapshotReport.State.Restored, micros, null, null);
                if (!turnedDown) {
                    status.phases = status.phases.with(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, micros));
                }
                if (status.phase == ReplicaPhase.Restoring) {
                    status.percent = 100;
                }
            });
        }
    }

    /** The ladder: a snapshot that cannot be restored is set aside, and the model comes up from its source. */
    @Override
    public void refuse(RestoredGeneration restored, RefusedException refusal) {
        boolean damaged = restored.damaged(refusal);
        synchronized (lock) {
            if (generation != restored || board.current().phase() == ReplicaPhase.Failed) {
                return;
            }
            forget(restored.report(refused(damaged), 0, refusal.code(), refusal.text()));
        }
        LOG.error("snapshot {} is refused, the model loads from its source: {}: {}", restored.snapshot().id(),
                refusal.code(), refusal.text());
        if (damaged) {
            requireKeeper().quarantine(restored.snapshot(), refusal.code(), refusal.text());
        }
        restored.close();
    }

    /** It answers otherwise than when it was taken. The engine holds it, so it stays at hand; no other process gets it. */
    void answersOtherwise(RestoredGeneration restored, String code, String how) {
        requireKeeper().quarantine(restored.snapshot(), code, how);
        synchronized (lock) {
            if (generation == restored) {
                board.update(status -> status.snapshot = restored.report(SnapshotReport.State.Quarantined, 0, code,
                        how));
            }
        }
    }

    /** What is at hand does not fit the engine: given up, if there is any. */
    void unfit(@Nullable String incompatible) {
        synchronized (lock) {
            Generation unfit = generation;
            if (unfit != null) {
                LOG.warn("the memory at hand does not fit this engine: {}", incompatible);
                forget(unfit instanceof RestoredGeneration restored
                        ? restored.report(SnapshotReport.State.Skipped, 0, "Incompatible", incompatible)
                        : SnapshotReport.none(SnapshotReport.State.Skipped, "Incompatible", incompatible));
                unfit.close();
            }
        }
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

    /** An engine is there, for the first time or again: what the one before did not take it is offered once more. */
    void engineCame() {
        synchronized (lock) {
            if (turnedDown) {
                turnedDown = false;
                if (device.mode().heldByEngine()) {
                    preload();
                }
            }
        }
    }

    /** For what an engine makes itself; nothing is at hand before it is {@linkplain #committed committed}. */
    GenerationDraft draft(EngineMessage.Hello hello) {
        return new GenerationDraft(device, WakePlan.compatibility(hello));
    }

    void committed(CommittedGeneration committed) {
        synchronized (lock) {
            generation = committed;
            save = keeper == null ? null : new FirstSave(committed, keeper, board);
        }
        LOG.info("the engine committed {} buffers in {} allocations and {} files", committed.buffers().size(),
                committed.memory().size(), committed.fileSet().size());
    }

    @Nullable
    Generation generation() {
        synchronized (lock) {
            return generation;
        }
    }

    Generation attachable() throws RefusedException {
        synchronized (lock) {
            if (generation == null) {
                SnapshotReport refused = board.current().previousSnapshot();
                throw new RefusedException(refused == null || refused.reason() == null ? "NoMemory" : refused.reason(),
                        "There is no memory to attach to; say HELLO again");
            }
            return generation;
        }
    }

    /** Of memory that an engine has committed; absent for every other, and without a volume. */
    @Nullable
    FirstSave unsaved() {
        synchronized (lock) {
            return save;
        }
    }

    /** The last one of this process. */
    Optional<RestoredGeneration> lastRestore() {
        synchronized (lock) {
            return Optional.ofNullable(lastRestore);
        }
    }

    boolean isTurnedDown() {
        synchronized (lock) {
            return turnedDown;
        }
    }

    /** Waits for contents of the memory at hand; when they are damaged, it is not at hand any more afterwards. */
    void await(@Nullable String name) throws RefusedException, InterruptedException {
        await(attachable(), name);
    }

    void await(Generation memory, @Nullable String name) throws RefusedException, InterruptedException {
        try {
            memory.await(name);
        } catch (RefusedException e) {
            if (memory instanceof RestoredGeneration restored && !e.code().equals(Generation.UNKNOWN_NAME)) {
                refuse(restored, e);
            }
            throw e;
        }
    }

    /** An engine that waits for contents is told that they will not come. */
    void cancelRestore() {
        synchronized (lock) {
            if (generation instanceof RestoredGeneration restored) {
                restored.cancel();
            }
        }
    }

    /**
     * The engine does not take the memory at hand: it has served since before this sidecar came, or loads by itself. Memory
     * that only this engine could hold is given up; the rest stays for the next one.
     */
    void turnDown() {
        RestoredGeneration unwanted = null;
        synchronized (lock) {
            turnedDown = true;
            if (device.mode().heldByEngine() && generation instanceof RestoredGeneration restored) {
                unwanted = restored;
                generation = null;
                board.update(status -> {
                    status.snapshot = restored.report(SnapshotReport.State.Saved, 0, null, null);
                    status.restoredBytes = 0;
                });
            }
        }
        if (unwanted != null) {
            LOG.info("the engine keeps memory of its own; snapshot {} stays on the volume", unwanted.snapshot().id());
            unwanted.close();
        }
    }

    /**
     * The engine's process has ended or let go, and with it memory that it held itself.
     *
     * @return whether memory has gone with it, so that the next engine's has to be restored anew
     */
    boolean engineGone() {
        Generation lost = null;
        boolean held = false;
        synchronized (lock) {
            if (device.mode().heldByEngine()) {
                lost = generation;
                held = lost != null || turnedDown;
                generation = null;
                save = null;
            }
            turnedDown = false;
        }
        device.engineGone();
        if (lost != null) {
            lost.close();
        }
        return held;
    }

    boolean isBeingRead() {
        synchronized (lock) {
            return generation instanceof RestoredGeneration restored && restored.timing().isEmpty();
        }
    }

    /** Ends a restore that still runs, and is deaf to how it ends. */
    @Override
    public void close() {
        synchronized (lock) {
            if (generation != null) {
                generation.close();
                generation = null;
            }
        }
    }
}

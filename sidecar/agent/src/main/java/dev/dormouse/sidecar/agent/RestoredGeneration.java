package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.http.RestoreView;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreProgress;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import dev.dormouse.sidecar.store.Snapshot;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Memory that is being filled from a snapshot, or has been. */
final class RestoredGeneration implements Generation {
    private static final Logger LOG = LoggerFactory.getLogger(RestoredGeneration.class);

    private final String id = Ids.next();
    private final Snapshot snapshot;
    private final Set<BufferType> types;
    private final RestoreTask task;
    /** Microseconds the restore took; -1 until it has ended well. */
    private volatile long micros = -1;
    private CompletableFuture<?> ended;
    private @Nullable CompletableFuture<?> released;

    /** @param types of the buffers that are restored */
    RestoredGeneration(Snapshot snapshot, Set<BufferType> types, RestoreTask task) {
        this.snapshot = snapshot;
        this.types = Set.copyOf(types);
        this.task = task;
        this.ended = task.done();
    }

    @Override
    public String id() {
        return id;
    }

    Snapshot snapshot() {
        return snapshot;
    }

    Set<BufferType> types() {
        return types;
    }

    /** Calls one of them, once, when the restore has ended; memory is not released before that has returned. */
    synchronized void whenEnded(LongConsumer restored, Consumer<RefusedException> refused) {
        ended = task.done().handle((done, failure) -> {
            if (failure == null) {
                micros = done.elapsed().toNanos() / 1_000;
                restored.accept(micros);
            } else {
                refused.accept(refusal(cause(failure)));
            }
            return null;
        });
    }

    /** Calls one of them, once, when everything has arrived or nothing more will: at once when that is so already. */
    void whenArrived(Runnable there, Consumer<RefusedException> refused) {
        CompletableFuture<Object> unused = task.done().handle((done, failure) -> {
            if (failure == null) {
                there.run();
            } else {
                refused.accept(refusal(cause(failure)));
            }
            return done;
        });
    }

    private static Throwable cause(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
    }

    /** Absent when it is none of this memory's. */
    @Nullable
    Allocation allocation(int allocation) {
        return task.allocations().stream().filter(one -> one.id() == allocation).findFirst().orElse(null);
    }

    private static RefusedException refusal(Throwable failure) {
        String code = failure instanceof RestoreException refused ? refused.code() : "RestoreFailed";
        return new RefusedException(code, String.valueOf(failure.getMessage()), failure);
    }

    /** Whether the snapshot itself is at fault, and not the circumstances of this attempt. */
    boolean damaged(RefusedException refusal) {
        return refusal.getCause() instanceof RestoreException cause && cause.fault().damage();
    }

    /** The weight_load phase of a restore; absent until it has ended well. */
    Optional<PhaseTiming> timing() {
        return micros < 0 ? Optional.empty() : Optional.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, micros));
    }

    long restoredBytes() {
        return task.progress().bytes();
    }

    long totalBytes() {
        return task.progress().totalBytes();
    }

    /** By the rate so far; -1 before there is one. */
    long etaMillis() {
        RestoreProgress progress = task.progress();
        return progress.bytes() == 0
                ? -1
                : Math.round(progress.elapsed().toNanos() / 1e6 * (progress.totalBytes() - progress.bytes())
                        / progress.bytes());
    }

    /** As the HTTP side shows it, also after it has ended or was given up. */
    RestoreView view() {
        RestoreProgress progress = task.progress();
        RestoreException failure = task.failure();
        RestoreView.State state = failure != null
                ? RestoreView.State.Failed
                : micros >= 0 ? RestoreView.State.Restored : RestoreView.State.Restoring;
        return new RestoreView(id, snapshot.id(), state, progress.bytes(), progress.totalBytes(),
                StatusBoard.percent(progress.bytes(), progress.totalBytes()),
                state == RestoreView.State.Restoring ? etaMillis() : 0, failure == null ? null : failure.code(),
                failure == null ? null : failure.getMessage());
    }

    /** As the status shows it. */
    SnapshotReport report(SnapshotReport.State state, long took, @Nullable String reason, @Nullable String message) {
        return SnapshotKeeper.report(snapshot, state, took, reason, message);
    }

    @Override
    public Map<String, String> compatibility() {
        return snapshot.compatibility();
    }

    @Override
    public List<Part> allocations() {
        return task.allocations()
                .stream()
                .map(Part::of)
                .toList();
    }

    @Override
    public List<BufferMeta> buffers() {
        return task.buffers();
    }

    @Override
    public List<Part> files() {
        return task.files()
                .stream()
                .filter(file -> !file.name().equals(Canary.FILE))
                .map(file -> new Part(file.name(), 0, file.length(), BufferType.Other, file.fd()))
                .toList();
    }

    /** The answer recorded when the snapshot was taken; absent when none was, or it cannot be read. */
    byte @Nullable [] canary() {
        for (var file : task.files()) {
            if (file.name().equals(Canary.FILE)) {
                try {
                    return Files.readAllBytes(Path.of("/proc/self/fd/" + file.fd()));
                } catch (IOException e) {
                    LOG.warn("the recorded canary of snapshot {} cannot be read: {}", snapshot.id(), e.getMessage());
                }
            }
        }
        return null;
    }

    @Override
    public void await(@Nullable String name) throws RefusedException, InterruptedException {
        try {
            task.await(name);
        } catch (RestoreException e) {
            throw refusal(e);
        }
    }

    /** Stops the restore if it still runs; whoever waits for contents is told. */
    void cancel() {
        task.cancel();
    }

    /** Stops the restore if it still runs; memory is released when nobody writes to it any more. */
    @Override
    public synchronized void close() {
        if (released != null) {
            return;
        }
        task.cancel();
        released = ended.handle((done, bug) -> {
            if (bug != null) {
                LOG.error("the end of a restore could not be recorded", bug);
            }
            task.close();
            return null;
        });
    }
}

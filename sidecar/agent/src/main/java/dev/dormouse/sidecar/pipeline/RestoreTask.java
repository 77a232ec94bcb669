package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.OutOfDeviceMemoryException;
import dev.dormouse.sidecar.format.ChunkLayout;
import dev.dormouse.sidecar.format.ChunkLayout.Piece;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.Manifest;
import java.io.IOException;
import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A restore under way. Its memory exists from the start, so that an engine can map it while the content still arrives;
 * {@link #await} tells when a buffer or file is complete and checked. Chunks are read in the order of the table, files
 * first. The first error ends the restore for all: a snapshot is good or it is not used. When everything has arrived, the
 * memory is sealed. Thread-safe.
 */
public final class RestoreTask implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RestoreTask.class);

    private final String snapshotId;
    private final int chunkBytes;
    private final ChunkLayout layout;
    private final ChunkTable table;
    private final ChunkSource source;
    private final RestoreOptions options;
    private final RestoreMemory memory;
    private final List<BufferMeta> buffers;
    private final List<RestoredFile> files;
    private final Map<String, BitSet> chunksByName = new HashMap<>();
    private final BitSet requiredChunks = new BitSet();

    private final Arrivals arrivals;
    private final AtomicInteger nextChunk = new AtomicInteger();
    private final AtomicLong landedBytes = new AtomicLong();
    private final CompletableFuture<RestoreProgress> done = new CompletableFuture<>();
    private final List<Thread> workers;
    private final AtomicInteger running;
    private final long startedNanos = System.nanoTime();
    private volatile long endedNanos;
    private volatile boolean stopped;

    private RestoreTask(Manifest manifest, ChunkTable table, ChunkSource source, RestoreMemory memory,
            RestoreOptions options) {
        this.snapshotId = manifest.id();
        this.chunkBytes = manifest.chunkBytes();
        this.layout = manifest.layout();
        this.table = table;
        this.source = source;
        this.options = options;
        this.memory = memory;
        this.buffers = manifest.buffers().stream().map(this::onDevice).toList();
        this.files = IntStream.range(0, manifest.files().size())
                .mapToObj(i -> new RestoredFile(
                        manifest.files().get(i).name(), manifest.files().get(i).length(), memory.files().get(i).fd()))
                .toList();
        this.arrivals = new Arrivals(table.size());
        index(manifest);
        this.running = new AtomicInteger(options.workers());
        this.workers = IntStream.range(0, options.workers())
                .mapToObj(i -> Thread.ofPlatform().daemon().name("restore-" + i).unstarted(this::work))
                .toList();
    }

    /**
     * Allocates, begins to read, and returns.
     *
     * @param source closed when the restore ends
     * @throws RestoreException with {@link Fault#OutOfMemory} when the device has no room; the source is then still open
     */
    public static RestoreTask start(Manifest manifest, ChunkTable table, ChunkSource source, DeviceMemory device,
            RestoreOptions options) throws RestoreException {
        RestoreMemory memory;
        try {
            memory = new RestoreMemory(manifest, device);
        } catch (OutOfDeviceMemoryException e) {
            throw new RestoreException(Fault.OutOfMemory, "snapshot " + manifest.id() + ": " + e.getMessage(), e);
        }
        var task = new RestoreTask(manifest, table, source, memory, options);
        task.workers.forEach(Thread::start);
        return task;
    }

    private BufferMeta onDevice(BufferMeta buffer) {
        return new BufferMeta(buffer.name(), memory.allocations().get(buffer.allocation()).id(), buffer.offset(),
                buffer.length(), buffer.bufferType(), buffer.dtype(), buffer.shape(), buffer.optional());
    }

    private void index(Manifest manifest) {
        for (int i = 0; i < manifest.files().size(); i++) {
            BitSet chunks = chunks(i, 0, manifest.files().get(i).length());
            chunksByName.put(manifest.files().get(i).name(), chunks);
            requiredChunks.or(chunks);
        }
        for (BufferMeta buffer : manifest.buffers()) {
            BitSet chunks = chunks(manifest.allocationExtent(buffer.allocation()), buffer.offset(), buffer.length());
            chunksByName.put(buffer.name(), chunks);
            if (!buffer.optional()) {
                requiredChunks.or(chunks);
            }
        }
    }

    private BitSet chunks(int extent, long offset, long length) {
        var chunks = new BitSet();
        chunks.set(layout.firstChunk(extent, offset), layout.endChunk(extent, offset, length));
        return chunks;
    }

    public String snapshotId() {
        return snapshotId;
    }

    /** In the order of the snapshot. They belong to this task and live until it is closed. */
    public List<Allocation> allocations() {
        return List.copyOf(memory.allocations());
    }

    /** The snapshot's buffers; {@code allocation} is the {@link Allocation#id} of one of {@link #allocations}. */
    public List<BufferMeta> buffers() {
        return buffers;
    }

    public List<RestoredFile> files() {
        return files;
    }

    /**
     * Waits until a buffer or file is complete and checked.
     *
     * @param bufferOrFile absent: everything but optional buffers
     * @throws RestoreException when the restore failed or was cancelled, even if this buffer had arrived; with
     *         {@link Fault#UnknownName} when the snapshot has no such name
     */
    public void await(@Nullable String bufferOrFile) throws RestoreException, InterruptedException {
        BitSet chunks = bufferOrFile == null ? requiredChunks : chunksByName.get(bufferOrFile);
        if (chunks == null) {
            throw new RestoreException(Fault.UnknownName,
                    "snapshot " + snapshotId + " has no buffer or file '" + bufferOrFile + "'");
        }
        arrivals.await(chunks);
    }

    public RestoreProgress progress() {
        long end = endedNanos == 0 ? System.nanoTime() : endedNanos;
        return new RestoreProgress(landedBytes.get(), layout.totalBytes(), Duration.ofNanos(end - startedNanos));
    }

    /** Why it failed or was cancelled; absent as long as it has not. */
    public @Nullable RestoreException failure() {
        return arrivals.failure();
    }

    /** Completes when every chunk has arrived and the memory is sealed, or exceptionally with a {@link RestoreException}. */
    public CompletableFuture<RestoreProgress> done() {
        return done.copy();
    }

    /** Stops reading soon. The memory stays until {@link #close}. Does nothing when the restore has ended. */
    public void cancel() {
        if (!done.isDone()) {
            fail(new RestoreException(Fault.Cancelled, "the restore of snapshot " + snapshotId + " was cancelled"));
        }
    }

    /** Cancels, waits until nothing is in flight, and frees the memory. */
    @Override
    public void close() {
        cancel();
        boolean interrupted = false;
        for (Thread worker : workers) {
            // Whoever reacts to done() runs on the last worker, which is finished with the memory by then.
            while (worker != Thread.currentThread() && worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    // Freeing memory under a running copy would end the process: finish first.
                    interrupted = true;
                }
            }
        }
        memory.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void work() {
        try (RestoreMemory.Lanes lanes = memory.openLanes(chunkBytes);
                ChunkDecoder decoder = new ChunkDecoder(source, options.verify(), chunkBytes)) {
            for (int chunk = next(); chunk < table.size() && !stopped; chunk = next()) {
                place(chunk, lanes, decoder);
            }
            lanes.drain();
        } catch (RestoreException e) {
            fail(e);
        } catch (RuntimeException | Error e) {
            fail(new RestoreException(Fault.Internal, "restore of snapshot " + snapshotId + ": " + e, e));
        } finally {
            if (running.decrementAndGet() == 0) {
                end();
            }
        }
    }

    private int next() {
        return nextChunk.getAndIncrement();
    }

    private void place(int chunk, RestoreMemory.Lanes lanes, ChunkDecoder decoder) throws RestoreException {
        Piece piece = layout.piece(chunk);
        decoder.place(table.chunk(chunk), lanes.to(piece.extent()), memory.extent(piece.extent()), piece.offset(),
                () -> {
                    landedBytes.addAndGet(piece.length());
                    arrivals.landed(chunk);
                });
    }

    private void fail(RestoreException cause) {
        stopped = true;
        arrivals.failed(cause);
        memory.abandon();
    }

    /** Runs once, on the last worker. */
    private void end() {
        try {
            source.close();
        } catch (IOException e) {
            LOG.atWarn()
                    .addKeyValue("snapshot", snapshotId)
                    .setCause(e)
                    .log("A pack could not be closed after reading");
        }
        RestoreException failure = arrivals.failure();
        if (failure == null) {
            memory.seal();
        }
        endedNanos = System.nanoTime();
        if (failure == null) {
            done.complete(progress());
        } else {
            done.completeExceptionally(failure);
        }
    }
}

package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkLayout;
import dev.dormouse.sidecar.format.ChunkLayout.Piece;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Encodes all chunks of a snapshot into a sink. Memory in use is bounded by a few chunks per worker. */
public final class SavePipeline {
    /**
     * @param compression not {@link Compression#Auto}, which is decided before
     * @param level 1–22, for zstd; planes have a level of their own
     * @param key what chunks are encrypted with; absent: nothing is
     */
    public record Settings(Compression compression, int level, int chunkBytes, int workers, @Nullable VolumeKey key) {
        public Settings {
            if (compression == Compression.Auto) {
                throw new IllegalArgumentException("compression is not decided yet");
            }
        }
    }

    private final ChunkLayout layout;
    private final List<SaveSource> extents;
    private final DeviceMemory device;
    private final ChunkSink sink;
    private final Settings settings;
    private final ProgressListener progress;
    private final AtomicInteger nextChunk = new AtomicInteger();
    private final AtomicLong doneBytes = new AtomicLong();
    private final AtomicReferenceArray<@Nullable Chunk> chunks;
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

    private SavePipeline(ChunkLayout layout, List<SaveSource> extents, DeviceMemory device, ChunkSink sink,
            Settings settings, ProgressListener progress) {
        this.layout = layout;
        this.extents = extents;
        this.device = device;
        this.sink = sink;
        this.settings = settings;
        this.progress = progress;
        this.chunks = new AtomicReferenceArray<>(layout.chunks());
    }

    /**
     * Runs to the end.
     *
     * @return the chunks, in the order of the layout
     * @throws IOException the first error of any worker; nothing is read or written any more when it is thrown
     */
    public static List<Chunk> run(ChunkLayout layout, List<SaveSource> extents, DeviceMemory device, ChunkSink sink,
            Settings settings, ProgressListener progress) throws IOException {
        return new SavePipeline(layout, extents, device, sink, settings, progress).run();
    }

    private List<Chunk> run() throws IOException {
        List<Thread> workers = IntStream.range(0, settings.workers())
                .mapToObj(i -> Thread.ofPlatform().daemon().name("save-" + i).start(this::work))
                .toList();
        join(workers);
        switch (failure.get()) {
            case null -> {
                // every chunk was written
            }
            case IOException e -> throw e;
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new IllegalStateException("a worker throws nothing else", e);
        }
        var result = new ArrayList<Chunk>(chunks.length());
        for (int i = 0; i < chunks.length(); i++) {
            Chunk chunk = chunks.get(i);
            if (chunk == null) {
                throw new IllegalStateException("chunk " + i + " was never written");
            }
            result.add(chunk);
        }
        return result;
    }

    private void join(List<Thread> workers) {
        boolean interrupted = false;
        for (Thread worker : workers) {
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                    failure.compareAndSet(null, new InterruptedIOException("the save was interrupted"));
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void work() {
        try (Lane lane = device.openLane(settings.chunkBytes());
                Arena arena = Arena.ofConfined();
                ChunkEncoder encoder = new ChunkEncoder(settings)) {
            MemorySegment scratch = arena.allocate(settings.chunkBytes());
            for (int chunk = next(); chunk < layout.chunks() && failure.get() == null; chunk = next()) {
                Piece piece = layout.piece(chunk);
                chunks.set(chunk, encoder.store(read(piece, lane, scratch), extents.get(piece.extent()).elementWidth(),
                        sink));
                progress.progress(doneBytes.addAndGet(piece.length()), layout.totalBytes());
            }
        } catch (IOException | RuntimeException | Error e) {
            failure.compareAndSet(null, e);
        }
    }

    private int next() {
        return nextChunk.getAndIncrement();
    }

    private MemorySegment read(Piece piece, Lane lane, MemorySegment scratch) throws IOException {
        return switch (extents.get(piece.extent())) {
            case SaveSource.OfAllocation source -> lane.read(source.allocation(), piece.offset(), piece.length());
            case SaveSource.OfFile source -> readFile(source, piece, scratch.asSlice(0, piece.length()));
        };
    }

    private static MemorySegment readFile(SaveSource.OfFile source, Piece piece, MemorySegment into)
            throws IOException {
        ByteBuffer buffer = into.asByteBuffer();
        while (buffer.hasRemaining()) {
            if (source.channel().read(buffer, piece.offset() + buffer.position()) < 0) {
                throw new IOException("file '" + source.name() + "' ended before its " + source.length()
                        + " bytes: it changed while it was saved");
            }
        }
        return into;
    }
}

package dev.dormouse.sidecar.pipeline;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.Checksums;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.InvalidSnapshotException.Code;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Pack;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotFiles;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * One restore under way. Memory is allocated at once, so that an engine can map it while bytes still arrive; N identical
 * platform threads each take the next chunk, read, check and place it: a split into readers and workers costs a copy and
 * a hand-off and measured slower. Raw chunks are read straight into their place.
 *
 * <p>State is guarded by {@code lock}: {@code done}, {@code failure}, {@code running}. The first error stops all workers.
 */
public final class Restore implements AutoCloseable {

    /** @param verify whether each chunk's checksum is checked (S6, S33) */
    public record Options(int workers, boolean verify) {
        public Options {
            if (workers < 1) {
                throw new IllegalArgumentException(workers + " workers");
            }
        }
    }

    /** Where one run of chunks goes. */
    private record Target(MemorySegment segment, int firstChunk, int chunks) {}

    private final Snapshot snapshot;
    private final SnapshotFiles files;
    private final Options options;
    private final List<Allocation> allocations = new ArrayList<>();
    private final Map<String, Allocation> restoredFiles = new LinkedHashMap<>();
    private final List<Target> targets = new ArrayList<>();
    private final int[] targetOf;

    private final AtomicInteger next = new AtomicInteger();
    private final AtomicLong restored = new AtomicLong();
    private final Object lock = new Object();
    private final BitSet done = new BitSet();
    private @Nullable RestoreException failure;
    private int running;
    private boolean closed;
    private volatile boolean stopped;
    private volatile long finishedAfterNanos;
    private final long startedAt = System.nanoTime();

    private Restore(Snapshot snapshot, DeviceMemory device, SnapshotFiles files, Options options) throws IOException {
        this.snapshot = snapshot;
        this.files = files;
        this.options = options;
        this.targetOf = new int[snapshot.chunks().size()];
        Manifest manifest = snapshot.manifest();
        try {
            for (Manifest.File file : manifest.files()) {
                Allocation allocation = device.allocate(file.length(), BufferType.Other);
                restoredFiles.put(file.name(), allocation);
                place(allocation);
            }
            for (Manifest.SavedAllocation saved : manifest.allocations()) {
                Allocation allocation = device.allocate(saved.bytes(), saved.bufferType());
                allocations.add(allocation);
                place(allocation);
            }
        } catch (IOException e) {
            release();
            throw e;
        }
    }

    private void place(Allocation allocation) throws IOException {
        allocation.seal(); // our own writable mapping stays; nobody else gets one
        int first = targets.isEmpty() ? 0 : targets.getLast().firstChunk + targets.getLast().chunks;
        Target target = new Target(allocation.segment(), first, (int) Manifest.chunksOf(allocation.bytes()));
        java.util.Arrays.fill(targetOf, first, first + target.chunks, targets.size());
        targets.add(target);
    }

    /** Allocates and starts reading; returns at once. */
    public static Restore start(Snapshot snapshot, DeviceMemory device, SnapshotFiles files, Options options)
            throws IOException {
        Restore restore = new Restore(snapshot, device, files, options);
        restore.startWorkers();
        return restore;
    }

    private void startWorkers() {
        running = options.workers();
        for (int i = 0; i < options.workers(); i++) {
            Thread.ofPlatform().daemon().name("restore-" + i).start(this::work);
        }
    }

    public Snapshot snapshot() {
        return snapshot;
    }

    /** In the manifest's order. */
    public List<Allocation> allocations() {
        return List.copyOf(allocations);
    }

    /** File name → its memory. */
    public Map<String, Allocation> files() {
        return Map.copyOf(restoredFiles);
    }

    public long restoredBytes() {
        return restored.get();
    }

    public long totalBytes() {
        return snapshot.manifest().rawBytes();
    }

    /** From the start to the last byte; until then to now. */
    public long elapsedNanos() {
        long finished = finishedAfterNanos;
        return finished == 0 ? System.nanoTime() - startedAt : finished;
    }

    /**
     * Blocks until a buffer or a file is there and verified; {@code null} stands for everything.
     *
     * @throws RestoreException when the restore failed or was cancelled
     * @throws IllegalArgumentException when the snapshot has nothing of that name
     */
    public void await(@Nullable String name) throws RestoreException, InterruptedException {
        int[] range = range(name);
        synchronized (lock) {
            while (failure == null && done.nextClearBit(range[0]) < range[1]) {
                lock.wait();
            }
            if (failure != null) {
                throw failure;
            }
        }
    }

    private int[] range(@Nullable String name) {
        if (name == null) {
            return new int[]{0, snapshot.chunks().size()};
        }
        int index = 0;
        for (String file : restoredFiles.keySet()) {
            if (file.equals(name)) {
                Target target = targets.get(index);
                return new int[]{target.firstChunk, target.firstChunk + target.chunks};
            }
            index++;
        }
        for (BufferMeta buffer : snapshot.manifest().buffers()) {
            if (buffer.name().equals(name)) {
                int first = targets.get(restoredFiles.size() + buffer.allocation()).firstChunk;
                return new int[]{first + (int) (buffer.offset() / Pack.CHUNK),
                        first + (int) Manifest.chunksOf(buffer.offset() + buffer.length())};
            }
        }
        throw new IllegalArgumentException("the snapshot has neither a buffer nor a file named " + name);
    }

    /** Stops the workers; waiting engines learn it. A flag, for an interrupt would close the channel for all. */
    public void cancel() {
        fail(new RestoreException("Cancelled", "the restore was cancelled"));
    }

    private void work() {
        List<FileChannel> channels = new ArrayList<>();
        try {
            for (int pack = 0; pack < snapshot.packs().size(); pack++) {
                channels.add(openChecked(pack));
            }
            ByteBuffer staging = ByteBuffer.allocateDirect(Pack.CHUNK);
            for (int i = next.getAndIncrement(); i < snapshot.chunks().size() && !stopped; i = next.getAndIncrement()) {
                restore(i, channels, staging);
                finished(i);
            }
        } catch (InvalidSnapshotException e) {
            fail(new RestoreException(e.code().name(), String.valueOf(e.getMessage()), e));
        } catch (IOException | RuntimeException e) {
            fail(new RestoreException("ReadFailed", "reading snapshot " + snapshot.id() + ": " + e.getMessage(), e));
        } finally {
            close(channels);
            ended();
        }
    }

    /** Every worker opens its own channels; the first to come checks header and footer. */
    private FileChannel openChecked(int pack) throws IOException {
        String name = snapshot.packs().get(pack).toString();
        FileChannel channel = files.open(snapshot.packs().get(pack));
        try {
            long expected = snapshot.manifest().packs().get(pack);
            if (channel.size() != expected) {
                throw new InvalidSnapshotException(Code.Truncated,
                        name + ": " + channel.size() + " bytes, the manifest says " + expected);
            }
            ByteBuffer block = ByteBuffer.allocate(Pack.BLOCK);
            read(channel, block, 0, name);
            Pack.checkHeader(name, block.flip());
            read(channel, block.clear(), expected - Pack.BLOCK, name);
            Pack.checkFooter(name, block.flip(), expected);
            return channel;
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private void restore(int index, List<FileChannel> channels, ByteBuffer staging) throws IOException {
        Chunk chunk = snapshot.chunks().get(index);
        Target target = targets.get(targetOf[index]);
        MemorySegment place = target.segment.asSlice((long) (index - target.firstChunk) * Pack.CHUNK,
                chunk.rawLength());
        switch (chunk.codec()) {
            case Zero -> {
                // Fresh memory is zero.
            }
            case Raw -> {
                ByteBuffer direct = place.asByteBuffer();
                readChunk(channels, chunk, direct);
                check(index, chunk, direct.flip());
            }
            case Zstd -> {
                ByteBuffer stored = staging.clear().limit(chunk.storedLength());
                readChunk(channels, chunk, stored);
                check(index, chunk, stored.flip());
                decompress(index, chunk, stored, place.asByteBuffer());
            }
        }
        restored.addAndGet(chunk.rawLength());
    }

    private void readChunk(List<FileChannel> channels, Chunk chunk, ByteBuffer target) throws IOException {
        read(channels.get(chunk.pack()), target, chunk.offset(), snapshot.packs().get(chunk.pack()).toString());
    }

    private static void read(FileChannel channel, ByteBuffer target, long position, String name) throws IOException {
        long at = position;
        while (target.hasRemaining()) {
            int read = channel.read(target, at);
            if (read < 0) {
                throw new InvalidSnapshotException(Code.Truncated, name + ": ends at " + at);
            }
            at += read;
        }
    }

    private void check(int index, Chunk chunk, ByteBuffer stored) throws InvalidSnapshotException {
        if (options.verify() && Checksums.crc32c(stored) != chunk.crc32c()) {
            throw new InvalidSnapshotException(Code.ChecksumMismatch, snapshot.packs().get(chunk.pack()) + ": chunk "
                    + index + " at " + chunk.offset() + " is damaged");
        }
    }

    private void decompress(int index, Chunk chunk, ByteBuffer stored, ByteBuffer place)
            throws InvalidSnapshotException {
        try {
            long raw = Zstd.decompressDirectByteBuffer(place, 0, chunk.rawLength(), stored, 0, chunk.storedLength());
            if (raw != chunk.rawLength()) {
                throw new InvalidSnapshotException(Code.Malformed,
                        "chunk " + index + " decodes to " + raw + " bytes instead of " + chunk.rawLength());
            }
        } catch (ZstdException e) {
            throw new InvalidSnapshotException(Code.Malformed, "chunk " + index + ": " + e.getMessage(), e);
        }
    }

    private void finished(int index) {
        synchronized (lock) {
            done.set(index);
            lock.notifyAll();
        }
    }

    private void fail(RestoreException cause) {
        stopped = true;
        synchronized (lock) {
            if (failure == null && !complete()) {
                failure = cause;
            }
            lock.notifyAll();
        }
    }

    private boolean complete() {
        return done.cardinality() == snapshot.chunks().size();
    }

    private void ended() {
        synchronized (lock) {
            running--;
            if (complete()) {
                finishedAfterNanos = System.nanoTime() - startedAt;
            }
            lock.notifyAll();
        }
    }

    private static void close(List<FileChannel> channels) {
        for (FileChannel channel : channels) {
            try {
                channel.close();
            } catch (IOException e) {
                // Opened for reading: nothing can be lost, and the bytes were checked as they came.
            }
        }
    }

    /** Cancels, waits for the workers to let go, and releases the memory. */
    @Override
    public void close() throws IOException {
        cancel();
        synchronized (lock) {
            if (closed) {
                return;
            }
            closed = true;
            boolean interrupted = false;
            while (running > 0) {
                try {
                    lock.wait();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        release();
    }

    private void release() throws IOException {
        for (Allocation allocation : allocations) {
            allocation.close();
        }
        for (Allocation file : restoredFiles.values()) {
            file.close();
        }
    }
}

package dev.dormouse.sidecar.safetensors;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.safetensors.TensorLayout.Extent;
import dev.dormouse.sidecar.safetensors.TensorLayout.Region;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of open files as if they were a device's memory, so that the pipelines that save and restore devices work
 * on files of any size with a chunk per worker. Read and written by position and never mapped: a file that shrinks or a
 * disk that fills up is an error then, and not the end of the process.
 */
final class TensorFiles implements DeviceMemory {
    private final List<FileChannel> files;
    private final List<FileRegion> regions;
    /** The pipelines know memory that cannot fail; this is what really happened. */
    private final AtomicReference<@Nullable IOException> failure = new AtomicReference<>();
    private int allocated;

    TensorFiles(List<FileChannel> files, List<Region> regions) {
        this.files = List.copyOf(files);
        var numbered = new ArrayList<FileRegion>();
        for (int i = 0; i < regions.size(); i++) {
            numbered.add(new FileRegion(i, regions.get(i)));
        }
        this.regions = List.copyOf(numbered);
    }

    List<FileRegion> regions() {
        return regions;
    }

    /** The first error of a file. */
    @Nullable
    IOException failure() {
        return failure.get();
    }

    /** The regions one after the other: a restore asks for what its manifest lists, in that order. */
    @Override
    public synchronized Allocation allocate(long bytes, BufferType type) {
        FileRegion next = regions.get(allocated);
        if (next.bytes() != bytes || next.type() != type) {
            throw new IllegalArgumentException("region %d has %d bytes of %s, asked for are %d of %s".formatted(
                    allocated, next.bytes(), next.type(), bytes, type));
        }
        allocated++;
        return next;
    }

    @Override
    public Lane openLane(int slotBytes) {
        return new FileLane(slotBytes);
    }

    @Override
    public long usedBytes() {
        return capacityBytes();
    }

    @Override
    public long capacityBytes() {
        return regions.stream().mapToLong(FileRegion::bytes).sum();
    }

    @Override
    public void close() {
        // The files are their opener's.
    }

    private UncheckedIOException failed(IOException e) {
        failure.compareAndSet(null, e);
        return new UncheckedIOException(e);
    }

    record FileRegion(int id, Region region) implements Allocation {
        @Override
        public long bytes() {
            return region.bytes();
        }

        @Override
        public BufferType type() {
            return region.type();
        }

        @Override
        public int fd() {
            throw new UnsupportedOperationException("a region of files is not shared");
        }

        @Override
        public void sealForOthers() {
            // Nobody else has it.
        }

        @Override
        public void seal() {
            // Nobody else has it.
        }

        @Override
        public void close() {
            // The files are their opener's.
        }
    }

    /** Moves the bytes of extents between files and the slot; what lies between extents is zero. */
    private final class FileLane implements Lane {
        private final Arena arena = Arena.ofConfined();
        private final MemorySegment scratch;
        private @Nullable FileRegion target;
        private long offset;
        private int length;

        FileLane(int slotBytes) {
            this.scratch = arena.allocate(slotBytes);
        }

        @Override
        public MemorySegment slot(Allocation into, long at, int bytes) {
            target = (FileRegion) into;
            offset = at;
            length = bytes;
            return scratch.asSlice(0, bytes);
        }

        @Override
        public void submit(Runnable landed) {
            if (target == null) {
                throw new IllegalStateException("no slot was handed out");
            }
            ByteBuffer bytes = scratch.asSlice(0, length).asByteBuffer();
            try {
                move(target, offset, bytes, FileChannel::write);
            } catch (IOException e) {
                throw failed(e);
            }
            landed.run();
        }

        /** Of new files: what nobody writes reads as zero. */
        @Override
        public void zero(Allocation into, long at, int bytes, Runnable landed) {
            landed.run();
        }

        @Override
        public MemorySegment read(Allocation source, long at, int bytes) {
            MemorySegment content = scratch.asSlice(0, bytes).fill((byte) 0);
            try {
                move((FileRegion) source, at, content.asByteBuffer(), FileChannel::read);
            } catch (IOException e) {
                throw failed(e);
            }
            return content;
        }

        private void move(FileRegion region, long at, ByteBuffer bytes, Transfer transfer) throws IOException {
            for (Extent extent : region.region().extents()) {
                long from = Math.max(at, extent.place());
                long to = Math.min(at + bytes.limit(), extent.place() + extent.length());
                if (from >= to) {
                    continue;
                }
                ByteBuffer part = bytes.slice((int) (from - at), (int) (to - from));
                long position = extent.position() + from - extent.place();
                while (part.hasRemaining()) {
                    if (transfer.move(files.get(extent.file()), part, position + part.position()) < 0) {
                        throw new EOFException("a file has become shorter while it was read");
                    }
                }
            }
        }

        @Override
        public void drain() {
            // Every transfer has ended when it returns.
        }

        @Override
        public void close() {
            arena.close();
        }
    }

    private interface Transfer {
        int move(FileChannel file, ByteBuffer bytes, long position) throws IOException;
    }
}

package dev.dormouse.sidecar.transport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory behind a descriptor, mapped into this process and shared with every other process that maps it. It may be
 * larger than 2 GiB. It stays valid when the descriptor is closed, and until {@link #close()}: whoever has handed the
 * segment to native code must not close it while that code can still touch it.
 */
public final class Mapping implements AutoCloseable {
    private final Arena arena;
    private final MemorySegment segment;

    private Mapping(Arena arena, MemorySegment segment) {
        this.arena = arena;
        this.segment = segment;
    }

    public static Mapping readOnly(int descriptor, long bytes) throws IOException {
        return map(descriptor, bytes, Libc.PROT_READ);
    }

    public static Mapping readWrite(int descriptor, long bytes) throws IOException {
        return map(descriptor, bytes, Libc.PROT_READ | Libc.PROT_WRITE);
    }

    private static Mapping map(int descriptor, long bytes, int protection) throws IOException {
        long there = Libc.size(descriptor);
        if (bytes < 0 || bytes > there) {
            // Touching a page past the end would kill the process with SIGBUS.
            throw new IOException("Cannot map " + bytes + " bytes of memory that has " + there);
        }
        Arena arena = Arena.ofShared();
        if (bytes == 0) {
            return new Mapping(arena, arena.allocate(0));
        }
        long address = Libc.mmap(descriptor, bytes, protection);
        MemorySegment segment = MemorySegment.ofAddress(address)
                .reinterpret(bytes, arena,
                        mapped -> Libc.munmap(mapped.address(), bytes));
        return new Mapping(arena, protection == Libc.PROT_READ ? segment.asReadOnly() : segment);
    }

    public MemorySegment segment() {
        return segment;
    }

    /** Unmaps. The segment answers with {@link IllegalStateException} from here on. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}

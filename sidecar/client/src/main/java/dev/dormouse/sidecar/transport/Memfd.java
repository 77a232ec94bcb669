package dev.dormouse.sidecar.transport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Anonymous shared memory that travels between processes as a descriptor. Owned by whoever created or received it; the
 * memory lives until every descriptor and every mapping in every process is gone.
 */
public final class Memfd implements AutoCloseable {
    private static final int SEAL_SHRINK = 2;
    private static final int SEAL_GROW = 4;
    private static final int SEAL_FUTURE_WRITE = 16;

    private final int fd;
    private final long bytes;
    private boolean closed;

    private Memfd(int fd, long bytes) {
        this.fd = fd;
        this.bytes = bytes;
    }

    /**
     * @param name what {@code /proc/PID/fd} shows
     * @param bytes size; pages are taken when first touched, so running out of memory shows at the first write
     */
    public static Memfd create(String name, long bytes) throws IOException {
        int fd = Libc.memfdCreate(name);
        try {
            Libc.ftruncate(fd, bytes);
            return new Memfd(fd, bytes);
        } catch (IOException e) {
            Libc.close(fd);
            throw e;
        }
    }

    /** Takes over a descriptor that came through a socket. */
    public static Memfd received(int fd) throws IOException {
        return new Memfd(fd, Libc.size(fd));
    }

    public int fd() {
        return fd;
    }

    public long bytes() {
        return bytes;
    }

    /**
     * From here on nobody, in any process, can resize this memory or map it writable. Writable mappings that exist stay:
     * their owners give them up before they ask for this.
     */
    public void seal() throws IOException {
        Libc.fcntl(fd, Libc.F_ADD_SEALS, SEAL_SHRINK | SEAL_GROW | SEAL_FUTURE_WRITE);
    }

    /** A mapping that lives as long as {@code arena}. Reading it after the arena is closed throws. */
    public MemorySegment map(boolean writable, Arena arena) throws IOException {
        if (bytes == 0) {
            return arena.allocate(0);
        }
        MemorySegment mapping = Libc.mmap(fd, bytes, writable).reinterpret(bytes, arena, Memfd::unmap);
        return writable ? mapping : mapping.asReadOnly();
    }

    private static void unmap(MemorySegment mapping) {
        try {
            Libc.munmap(mapping);
        } catch (IOException e) {
            throw new IllegalStateException("munmap of a mapping of ours", e);
        }
    }

    @Override
    public synchronized void close() throws IOException {
        if (!closed) {
            closed = true;
            Libc.close(fd);
        }
    }
}

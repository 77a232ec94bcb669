package dev.dormouse.sidecar.transport;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Anonymous memory with a descriptor that can be passed to other processes ({@code memfd_create}). */
public final class MemoryFile implements AutoCloseable {
    private static final long COPY_STEP = 8L << 20;

    private final Descriptor descriptor;
    private final long bytes;

    private MemoryFile(Descriptor descriptor, long bytes) {
        this.descriptor = descriptor;
        this.bytes = bytes;
    }

    /** @param name shown in {@code /proc/<pid>/fd}, nowhere else */
    public static MemoryFile create(String name, long bytes) throws IOException {
        Descriptor descriptor = new Descriptor(Libc.memfdCreate(name));
        try {
            Libc.ftruncate(descriptor.number(), bytes);
        } catch (IOException e) {
            descriptor.close();
            throw e;
        }
        return new MemoryFile(descriptor, bytes);
    }

    /**
     * A sealed copy of the first bytes of a file that somebody else may still change.
     *
     * @throws EOFException when the file is shorter than it was said to be
     */
    public static MemoryFile copyOf(String name, Descriptor source, long bytes) throws IOException {
        MemoryFile copy = create(name, bytes);
        try {
            try (Mapping mapping = copy.mapReadWrite()) {
                fill(mapping.segment(), source, name);
            }
            copy.seal();
            return copy;
        } catch (IOException | RuntimeException e) {
            copy.close();
            throw e;
        }
    }

    private static void fill(MemorySegment target, Descriptor source, String name) throws IOException {
        for (long at = 0; at < target.byteSize();) {
            long step = Math.min(COPY_STEP, target.byteSize() - at);
            long read = Libc.pread(source.number(), target.asSlice(at, step), at);
            if (read == 0) {
                throw new EOFException("File " + name + " ends after " + at + " of " + target.byteSize() + " bytes");
            }
            at += read;
        }
    }

    public Descriptor descriptor() {
        return descriptor;
    }

    /** By which this process, and none else, can open it while it is not closed. */
    public Path path() {
        return Path.of("/proc/self/fd/" + descriptor.number());
    }

    public long bytes() {
        return bytes;
    }

    public Mapping mapReadOnly() throws IOException {
        return Mapping.readOnly(descriptor.number(), bytes);
    }

    public Mapping mapReadWrite() throws IOException {
        return Mapping.readWrite(descriptor.number(), bytes);
    }

    /** From here on nobody, in any process, can resize it or make a new writable mapping; existing ones stay. */
    public void seal() throws IOException {
        Libc.addSeals(descriptor.number(), Libc.F_SEAL_SHRINK | Libc.F_SEAL_GROW | Libc.F_SEAL_FUTURE_WRITE);
    }

    /** From here on nobody, in any process, can resize it: a mapping of it never loses its pages. */
    public void sealSize() throws IOException {
        Libc.addSeals(descriptor.number(), Libc.F_SEAL_SHRINK | Libc.F_SEAL_GROW);
    }

    /** Gives up this process's descriptor. The memory lives until every descriptor and mapping is gone. */
    @Override
    public void close() {
        descriptor.close();
    }
}

package dev.dormouse.sidecar.transport;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;

/** A file descriptor that this process owns and closes exactly once. */
public final class Descriptor implements AutoCloseable {
    private final int number;
    private final AtomicBoolean closed = new AtomicBoolean();

    Descriptor(int number) {
        this.number = number;
    }

    /** Takes over a descriptor that somebody else's code has opened for this process. */
    public static Descriptor owned(int number) {
        return new Descriptor(number);
    }

    /** Opens a file for reading. */
    public static Descriptor open(Path file) throws IOException {
        return new Descriptor(Libc.openReadOnly(file.toString()));
    }

    /** The number the kernel knows it by; meaningless once closed. */
    public int number() {
        return number;
    }

    /** Bytes of the file or memory behind it; fails for what has no size, such as a pipe. */
    public long size() throws IOException {
        return Libc.size(number);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            Libc.close(number);
        }
    }

    static void closeAll(Iterable<Descriptor> descriptors) {
        descriptors.forEach(Descriptor::close);
    }
}

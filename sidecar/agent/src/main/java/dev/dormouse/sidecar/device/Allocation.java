package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** One piece of device memory. Released, never reused, when its generation is given up. */
public interface Allocation extends AutoCloseable {

    /** Unique within the device. */
    int id();

    long bytes();

    BufferType type();

    /** The descriptor by which another process maps this memory; stays this allocation's. */
    int fd();

    /** From here on no other process can map it writable or resize it. Idempotent. */
    void seal() throws IOException;

    /** The bytes, writable by the sidecar until {@link #freeze()}. */
    MemorySegment segment();

    /** Gives up the sidecar's own right to write. Idempotent. */
    void freeze() throws IOException;

    @Override
    void close() throws IOException;
}

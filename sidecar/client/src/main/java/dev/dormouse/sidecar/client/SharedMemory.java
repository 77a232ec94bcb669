package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.transport.Descriptor;
import dev.dormouse.sidecar.transport.Mapping;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * One allocation that the sidecar owns and this engine fills: writable until {@link EngineClient#commit()}, read-only
 * afterwards. The writable segment is unmapped by the commit, so ask for {@link #segment()} again after it.
 */
public final class SharedMemory {
    private final int id;
    private final long bytes;
    private final BufferType type;
    private final Descriptor descriptor;
    private volatile Mapping mapping;
    private boolean frozen;

    SharedMemory(int id, long bytes, BufferType type, Descriptor descriptor) throws IOException {
        this.id = id;
        this.bytes = bytes;
        this.type = type;
        this.descriptor = descriptor;
        this.mapping = Mapping.readWrite(descriptor.number(), bytes);
    }

    /** What {@code BufferMeta.allocation} refers to. */
    public int id() {
        return id;
    }

    public long bytes() {
        return bytes;
    }

    public BufferType type() {
        return type;
    }

    public MemorySegment segment() {
        return mapping.segment();
    }

    /** Gives up the right to write: the sidecar seals the memory next. Memory that is frozen stays as it is. */
    void unmapWritable() {
        if (!frozen) {
            mapping.close();
        }
    }

    void mapReadOnly() throws IOException {
        if (!frozen) {
            mapping = Mapping.readOnly(descriptor.number(), bytes);
            frozen = true;
        }
    }

    void close() {
        mapping.close();
        descriptor.close();
    }
}

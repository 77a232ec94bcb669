package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.transport.Memfd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One allocation of the sidecar's, mapped here. Writable until the generation is committed, read-only ever after.
 * Segments from before the commit must not be kept: their mapping is gone.
 */
public final class SharedMemory {
    private final int id;
    private final Memfd memory;
    private final Arena lifetime;
    private Arena writing;
    private MemorySegment segment;

    /** @param lifetime how long the read-only mapping stays: as long as the client */
    SharedMemory(int id, Memfd memory, Arena lifetime) throws IOException {
        this.id = id;
        this.memory = memory;
        this.lifetime = lifetime;
        this.writing = Arena.ofShared();
        this.segment = memory.map(true, writing);
    }

    public int id() {
        return id;
    }

    public MemorySegment segment() {
        return segment;
    }

    /** Gives up the right to write: the sidecar seals the memory next. Idempotent. */
    void freeze() throws IOException {
        if (writing == lifetime) {
            return;
        }
        segment = memory.map(false, lifetime);
        writing.close();
        writing = lifetime;
        memory.close();
    }

    /** For a generation that is given up before its commit. */
    void discard() throws IOException {
        if (writing != lifetime) {
            writing.close();
            writing = lifetime;
            memory.close();
        }
    }
}

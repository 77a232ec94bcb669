package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.transport.Memfd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A small file that an engine sent as shared memory: sealed, so that its sender cannot change or shrink it any more. */
public final class ReceivedFile implements AutoCloseable {
    private final Memfd memory;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment segment;

    private ReceivedFile(Memfd memory) throws IOException {
        this.memory = memory;
        memory.seal();
        this.segment = memory.map(false, arena);
    }

    /** Takes the descriptor over; it is closed when this fails. */
    public static ReceivedFile take(int descriptor) throws IOException {
        Memfd memory = Memfd.received(descriptor);
        try {
            return new ReceivedFile(memory);
        } catch (IOException e) {
            memory.close();
            throw e;
        }
    }

    public long bytes() {
        return memory.bytes();
    }

    /** Read-only. */
    public MemorySegment segment() {
        return segment;
    }

    /** For handing the file on; stays this file's. */
    public int fd() {
        return memory.fd();
    }

    @Override
    public void close() throws IOException {
        arena.close();
        memory.close();
    }
}

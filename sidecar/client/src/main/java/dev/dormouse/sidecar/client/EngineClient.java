package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.AllocationMeta;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.FileMeta;
import dev.dormouse.sidecar.transport.Descriptor;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.Mapping;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An engine's connection to its sidecar, kept open for as long as the engine serves: the connection is the lock on the
 * memory, and losing it tells the sidecar that the engine is gone. {@link EngineMessage} describes the conversation.
 *
 * <p><b>Lifetime.</b> Everything this client maps stays mapped until {@link #close()}. Closing it while native code
 * still holds a segment (a live tensor, a session built over it) is the engine's fault and ends the process with a
 * segmentation fault: close the session first, then the client.
 *
 * <p>Safe for several threads; requests are answered one after the other.
 */
public final class EngineClient implements AutoCloseable {
    private final EngineConnection connection;
    private final List<SharedMemory> shared = new ArrayList<>();
    private final List<Mapping> mappings = new ArrayList<>();
    private final List<Descriptor> descriptors = new ArrayList<>();

    private EngineClient(EngineConnection connection) {
        this.connection = connection;
    }

    /**
     * Connects and says hello, trying again until the sidecar listens and is free of an earlier engine.
     *
     * @throws IOException when it does not within {@code timeout}, or refuses
     */
    public static EngineClient connect(Path socket, EngineMessage.Hello hello, Duration timeout) throws IOException {
        return new EngineClient(EngineConnection.connect(socket, hello, timeout));
    }

    /** How this engine gets its memory, and the generation of it. */
    public EngineMessage.Welcome welcome() {
        return connection.welcome();
    }

    /**
     * Asks for zeroed memory, mapped read-write.
     *
     * @param bytes more than 0; the sidecar may round up
     * @throws SnapshotRefusedException {@code OutOfMemory}, or what else the sidecar has against it
     */
    public synchronized SharedMemory allocate(long bytes, BufferType type)
            throws IOException, SnapshotRefusedException {
        Frame answer = connection.request(new EngineMessage.Alloc(bytes, type), List.of());
        if (!(answer.message() instanceof EngineMessage.Allocated allocated) || answer.descriptors().size() != 1
                || allocated.bytes() < bytes) {
            answer.close();
            throw EngineConnection.unexpected(answer.message());
        }
        Descriptor descriptor = answer.descriptors().getFirst();
        try {
            SharedMemory memory = new SharedMemory(allocated.allocation(), allocated.bytes(), type, descriptor);
            shared.add(memory);
            return memory;
        } catch (IOException e) {
            descriptor.close();
            throw e;
        }
    }

    /** Names buffers within allocations of this connection. */
    public synchronized void put(List<BufferMeta> buffers) throws IOException, SnapshotRefusedException {
        connection.put(buffers);
    }

    /** Adds a file to the snapshot's file set; the sidecar copies it before this returns. */
    public synchronized void putFile(String name, Path file) throws IOException, SnapshotRefusedException {
        connection.putFile(name, file);
    }

    /**
     * Freezes all memory: unmaps the writable segments, lets the sidecar seal them and maps the same memory read-only.
     * Nothing may still write when this is called; whoever does gets {@link IllegalStateException}.
     */
    public synchronized void commit() throws IOException, SnapshotRefusedException {
        shared.forEach(SharedMemory::unmapWritable);
        connection.expect(EngineMessage.Committed.class, new EngineMessage.Commit(), List.of());
        for (SharedMemory memory : shared) {
            memory.mapReadOnly();
        }
    }

    /** Maps the memory of a snapshot, read-only. Answers at once; contents arrive in the background. */
    public synchronized Attachment attach() throws IOException, SnapshotRefusedException {
        Map<Integer, MemorySegment> allocations = new HashMap<>();
        Map<String, BufferMeta> buffers = new LinkedHashMap<>();
        Map<String, MemorySegment> files = new HashMap<>();
        Frame frame = connection.request(new EngineMessage.Attach(), List.of());
        while (true) {
            descriptors.addAll(frame.descriptors());
            if (!(frame.message() instanceof EngineMessage.Attached attached)
                    || attached.fds() != attached.allocations().size() + attached.files().size()) {
                throw EngineConnection.unexpected(frame.message());
            }
            int next = 0;
            for (AllocationMeta allocation : attached.allocations()) {
                allocations.put(allocation.allocation(), map(frame.descriptors().get(next++), allocation.bytes()));
            }
            for (FileMeta file : attached.files()) {
                files.put(file.name(), map(frame.descriptors().get(next++), file.length()));
            }
            attached.buffers().forEach(buffer -> buffers.put(buffer.name(), buffer));
            if (!attached.more()) {
                return new Attachment(allocations, buffers, files);
            }
            frame = connection.next();
        }
    }

    private MemorySegment map(Descriptor descriptor, long bytes) throws IOException {
        Mapping mapping = Mapping.readOnly(descriptor.number(), bytes);
        mappings.add(mapping);
        return mapping.segment();
    }

    /**
     * Waits until a buffer or file is restored and verified.
     *
     * @param name of a buffer or file; null waits for all that are not optional
     * @throws SnapshotRefusedException when the snapshot is damaged: see there
     */
    public synchronized void await(@Nullable String name) throws IOException, SnapshotRefusedException {
        connection.await(name);
    }

    /**
     * Says that the engine serves on its port. The sidecar then warms it up and opens the gate. Without {@link #attach()}
     * before it: the engine serves from what it has, and takes nothing of what the sidecar offers.
     *
     * @throws SnapshotRefusedException when a snapshot turns out damaged at this last moment, or nothing was committed
     */
    public synchronized void ready(EngineMessage.Ready ready) throws IOException, SnapshotRefusedException {
        connection.ready(ready);
    }

    /**
     * Gives up a half-written generation, or what is being restored; the sidecar releases its memory. After it the client is
     * good for {@link #ready}, from memory of the engine's own, and for closing.
     */
    public synchronized void abort(String reason) throws IOException, SnapshotRefusedException {
        connection.abort(reason);
    }

    /**
     * Returns when the sidecar has gone: its process has ended, or it has closed the connection. For an engine that is
     * ready and has nothing more to say; a request of another thread waits until then.
     */
    public synchronized void awaitGone() {
        // Host memory is the sidecar's own: it never has to ask for bytes, and there is no device to quiesce.
        connection.serve(request -> request.message() instanceof EngineMessage.Quiesce
                || request.message() instanceof EngineMessage.Resume ? new EngineMessage.Done() : null);
    }

    /** Leaves and unmaps everything; see the class about what must not be in use then. */
    @Override
    public void close() {
        // Not synchronized until the channel is shut: a thread that waits for an answer holds the lock.
        connection.close();
        synchronized (this) {
            shared.forEach(SharedMemory::close);
            mappings.forEach(Mapping::close);
            descriptors.forEach(Descriptor::close);
            shared.clear();
            mappings.clear();
            descriptors.clear();
        }
    }
}

package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.AllocationMeta;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.FileMeta;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.client.EngineConnection;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
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
 * The client of an engine whose memory is a GPU's, in whichever mode its sidecar works. The connection is kept for as long
 * as the engine serves. Everything mapped or allocated here stays until {@link #close()}, which no work on the device may
 * outlast. Safe for several platform threads; requests are answered one after the other.
 */
public final class CudaEngineClient implements AutoCloseable {
    private final EngineConnection connection;
    private final CudaContext context;
    private final Memory memory;
    private final EngineRegions regions;
    private final Map<Integer, DeviceRegion> known = new HashMap<>();
    private final List<Mapping> files = new ArrayList<>();

    private CudaEngineClient(EngineConnection connection, CudaContext context) {
        this.connection = connection;
        this.context = context;
        this.memory = connection.welcome().memory();
        this.regions = memory == Memory.Owned ? new OwnedRegions(context) : new OwnRegions(context);
    }

    /**
     * Connects and says hello, trying again until the sidecar listens and is free of an earlier engine.
     *
     * @param context of the device that this engine uses; it stays the caller's
     * @throws IOException when the sidecar does not answer within {@code timeout}, refuses, or uses another GPU
     */
    public static CudaEngineClient connect(Path socket, EngineMessage.Hello hello, CudaContext context,
            Duration timeout)
            throws IOException {
        EngineMessage.Hello cuda = new EngineMessage.Hello(hello.protocol(), hello.engine(), hello.engineVersion(),
                hello.compatibility(), List.of(Memory.Owned, Memory.Ipc, Memory.Staged));
        EngineConnection connection = EngineConnection.connect(socket, cuda, timeout);
        String device = connection.welcome().device();
        if (device != null && !device.equals(context.uuid())) {
            connection.close();
            throw new IOException("The sidecar uses " + device + " and this engine " + context.uuid()
                    + ": both containers of the pod need the same resource claim");
        }
        return new CudaEngineClient(connection, context);
    }

    public EngineMessage.Welcome welcome() {
        return connection.welcome();
    }

    public CudaContext context() {
        return context;
    }

    /**
     * Zeroed device memory to fill.
     *
     * @throws SnapshotRefusedException {@code OutOfMemory}, or what else the sidecar has against it
     * @throws CudaException when the device refuses this process
     */
    public synchronized DeviceRegion allocate(long bytes, BufferType type)
            throws IOException, SnapshotRefusedException {
        long own = memory == Memory.Ipc && regions instanceof OwnRegions here ? here.zeroed(bytes) : 0;
        EngineMessage request = memory == Memory.Ipc
                ? new EngineMessage.Export(null, bytes, type, context.ipcHandle(own), 0)
                : new EngineMessage.Alloc(bytes, type);
        try (Frame answer = connection.request(request, List.of())) {
            if (!(answer.message() instanceof EngineMessage.Allocated allocated) || allocated.bytes() < bytes
                    || answer.descriptors().size() != (memory == Memory.Owned ? 1 : 0)) {
                throw EngineConnection.unexpected(answer.message());
            }
            DeviceRegion region = memory == Memory.Ipc
                    ? new DeviceRegion(allocated.allocation(), own, allocated.bytes())
                    : regions.allocate(allocated.allocation(), allocated.bytes(),
                            answer.descriptors().isEmpty() ? null : answer.descriptors().getFirst());
            known.put(region.id(), region);
            return region;
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

    /** Freezes what was allocated: all work on it must have been synchronized. Addresses stay. */
    public synchronized void commit() throws IOException, SnapshotRefusedException {
        regions.freeze();
        connection.expect(EngineMessage.Committed.class, new EngineMessage.Commit(), List.of());
    }

    /**
     * Takes a snapshot's memory. Where the sidecar owns it, this returns at once and contents follow; where the ring brings
     * it, it returns when they are there.
     */
    public synchronized DeviceAttachment attach() throws IOException, SnapshotRefusedException {
        List<AllocationMeta> allocations = new ArrayList<>();
        List<Descriptor> blocks = new ArrayList<>();
        Map<String, BufferMeta> buffers = new LinkedHashMap<>();
        Map<String, MemorySegment> fileSet = new HashMap<>();
        try {
            boolean more = true;
            for (Frame frame = connection.request(new EngineMessage.Attach(), List.of()); more;) {
                more = take(frame, allocations, blocks, buffers, fileSet);
                if (more) {
                    frame = connection.next();
                }
            }
            List<DeviceRegion> attached = regions.attach(allocations, blocks);
            attached.forEach(region -> known.put(region.id(), region));
            for (int i = 0; memory == Memory.Ipc && i < allocations.size(); i++) {
                DeviceRegion region = attached.get(i);
                connection.expect(EngineMessage.Done.class, new EngineMessage.Export(region.id(), region.bytes(),
                        allocations.get(i).bufferType(), context.ipcHandle(region.address()), 0), List.of());
            }
        } finally {
            blocks.forEach(Descriptor::close);
        }
        if (memory == Memory.Staged) {
            new RingReader(connection, context, known).run();
        }
        return new DeviceAttachment(known, buffers, fileSet);
    }

    private boolean take(Frame frame, List<AllocationMeta> allocations, List<Descriptor> blocks,
            Map<String, BufferMeta> buffers, Map<String, MemorySegment> fileSet) throws IOException {
        if (!(frame.message() instanceof EngineMessage.Attached attached)) {
            frame.close();
            throw EngineConnection.unexpected(frame.message());
        }
        int withDescriptor = memory == Memory.Owned ? attached.allocations().size() : 0;
        if (frame.descriptors().size() != withDescriptor + attached.files().size()) {
            frame.close();
            throw EngineConnection.unexpected(frame.message());
        }
        allocations.addAll(attached.allocations());
        blocks.addAll(frame.descriptors().subList(0, withDescriptor));
        attached.buffers().forEach(buffer -> buffers.put(buffer.name(), buffer));
        int next = withDescriptor;
        for (FileMeta file : attached.files()) {
            try (Descriptor descriptor = frame.descriptors().get(next++)) {
                Mapping mapping = Mapping.readOnly(descriptor.number(), file.length());
                files.add(mapping);
                fileSet.put(file.name(), mapping.segment());
            }
        }
        return attached.more();
    }

    /**
     * Waits until a buffer or file is restored and verified.
     *
     * @param name of a buffer or file; null waits for all that are not optional
     * @throws SnapshotRefusedException when the snapshot is damaged: none of its memory may be used
     */
    public synchronized void await(@Nullable String name) throws IOException, SnapshotRefusedException {
        connection.await(name);
    }

    /**
     * Says that the engine serves on its port. {@link #serve} comes next: the sidecar may ask for the bytes to save. Without
     * {@link #attach()} before it: the engine serves from what it has, of an earlier client for example.
     */
    public synchronized void ready(EngineMessage.Ready ready) throws IOException, SnapshotRefusedException {
        connection.ready(ready);
    }

    /** Gives up a half-written generation, or what is being restored. Good for {@link #ready} after it, and for closing. */
    public synchronized void abort(String reason) throws IOException, SnapshotRefusedException {
        connection.abort(reason);
    }

    /** Answers the sidecar until it is gone. For a platform thread of its own; other requests wait until then. */
    public synchronized void serve(EngineHooks hooks) {
        try (Fetches fetches = new Fetches(context, Map.copyOf(known), hooks)) {
            connection.serve(fetches);
        }
    }

    /**
     * Leaves, and unmaps or frees everything. Memory that was lent to the sidecar is freed when the sidecar has let go of
     * it.
     */
    @Override
    public void close() {
        // Not under the lock: a thread that waits for an answer holds it, and is woken by this.
        connection.leave();
        connection.close();
        synchronized (this) {
            regions.close();
            files.forEach(Mapping::close);
            known.clear();
            files.clear();
        }
    }
}

package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.FramedSocket;
import dev.dormouse.sidecar.transport.Memfd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A Java engine's side of {@link EngineMessage}: requests and answers in turn, on the caller's (platform) thread.
 *
 * <p>Memory stays mapped until {@link #close()}, also when the sidecar is gone: its descriptors keep it alive. Closing
 * while a native session reads the memory ends the JVM; close the session first.
 */
public final class EngineClient implements AutoCloseable {
    private static final Duration RETRY = Duration.ofMillis(10);

    private final FramedSocket socket;
    private final EngineMessage.Welcome welcome;
    private final Arena arena = Arena.ofShared();
    private final List<SharedMemory> allocations = new ArrayList<>();

    private EngineClient(FramedSocket socket, EngineMessage.Welcome welcome) {
        this.socket = socket;
        this.welcome = welcome;
    }

    /**
     * Connects and says hello; tries again while the sidecar is not listening yet.
     *
     * @throws IOException when nobody answers within {@code timeout}, or the sidecar refuses this engine
     */
    public static EngineClient connect(Path path, EngineMessage.Hello hello, Duration timeout) throws IOException {
        FramedSocket socket = awaitSocket(path, timeout);
        try {
            socket.send(hello);
            EngineMessage.Welcome welcome = expect(EngineMessage.Welcome.class, socket.receive());
            if (welcome.protocol() > EngineMessage.PROTOCOL) {
                throw new IOException("the sidecar speaks protocol " + welcome.protocol() + ", this engine "
                        + EngineMessage.PROTOCOL + ": use images of one release");
            }
            return new EngineClient(socket, welcome);
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    private static FramedSocket awaitSocket(Path path, Duration timeout) throws IOException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            try {
                return FramedSocket.connect(path);
            } catch (IOException notYet) {
                if (System.nanoTime() > deadline) {
                    throw new IOException("no sidecar at " + path + " within " + timeout.toSeconds() + " s", notYet);
                }
                pause();
            }
        }
    }

    private static void pause() throws IOException {
        try {
            TimeUnit.MILLISECONDS.sleep(RETRY.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while waiting for the sidecar", e);
        }
    }

    public EngineMessage.Welcome welcome() {
        return welcome;
    }

    /**
     * Memory of the sidecar's, mapped read-write, zeroed.
     *
     * @throws SnapshotRefusedException code {@code OutOfMemory} when the sidecar has none left
     */
    public SharedMemory allocate(long bytes, BufferType type) throws IOException {
        socket.send(new EngineMessage.Alloc(bytes, type));
        Frame answer = socket.receive();
        EngineMessage.Allocated allocated = expect(EngineMessage.Allocated.class, answer);
        SharedMemory memory = new SharedMemory(allocated.allocation(),
                Memfd.received(answer.descriptors().getFirst()), arena);
        allocations.add(memory);
        return memory;
    }

    /** Names buffers inside allocations. */
    public void put(List<BufferMeta> buffers) throws IOException {
        request(new EngineMessage.PutMeta(buffers), EngineMessage.Done.class);
    }

    /** Adds a small file to the snapshot's file set. */
    public void putFile(String name, Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file); Arena copying = Arena.ofConfined()) {
            long length = channel.size();
            try (Memfd copy = Memfd.create("dormouse-file", length)) {
                fill(copy.map(true, copying), channel);
                socket.send(new EngineMessage.PutFile(1, name, length), List.of(copy.fd()));
            }
        }
        expect(EngineMessage.Done.class, socket.receive());
    }

    private static void fill(MemorySegment target, FileChannel source) throws IOException {
        ByteBuffer chunk = ByteBuffer.allocateDirect(1 << 16);
        long at = 0;
        while (at < target.byteSize() && source.read(chunk.clear()) > 0) {
            MemorySegment read = MemorySegment.ofBuffer(chunk.flip());
            target.asSlice(at, read.byteSize()).copyFrom(read);
            at += read.byteSize();
        }
        if (at != target.byteSize()) {
            throw new IOException("the file shrank while it was read");
        }
    }

    /** Freezes every allocation: its {@link SharedMemory#segment()} is read-only from here on. */
    public void commit() throws IOException {
        for (SharedMemory memory : allocations) {
            memory.freeze();
        }
        request(new EngineMessage.Commit(), EngineMessage.Committed.class);
    }

    /** Maps what the sidecar holds or restores. Only in mode {@code Attach}. */
    public Attachment attach() throws IOException {
        socket.send(new EngineMessage.Attach());
        Map<Integer, MemorySegment> segments = new HashMap<>();
        Map<String, MemorySegment> files = new HashMap<>();
        List<BufferMeta> buffers = new ArrayList<>();
        boolean more = true;
        while (more) {
            Frame answer = socket.receive();
            EngineMessage.Attached attached = expect(EngineMessage.Attached.class, answer);
            int next = 0;
            for (EngineMessage.AllocationMeta allocation : attached.allocations()) {
                segments.put(allocation.allocation(), map(answer.descriptors().get(next++), allocation.bytes()));
            }
            for (EngineMessage.FileMeta file : attached.files()) {
                files.put(file.name(), map(answer.descriptors().get(next++), file.length()));
            }
            buffers.addAll(attached.buffers());
            more = attached.more();
        }
        return new Attachment(segments, buffers, files);
    }

    private MemorySegment map(int fd, long bytes) throws IOException {
        try (Memfd memory = Memfd.received(fd)) {
            if (memory.bytes() < bytes) {
                throw new IOException("the sidecar announced " + bytes + " bytes and sent " + memory.bytes());
            }
            return memory.map(false, arena).asSlice(0, bytes);
        }
    }

    /**
     * Blocks until a buffer or file is there and verified; without a name, until all that are not optional are.
     *
     * @throws SnapshotRefusedException when the snapshot turned out unusable: connect again
     */
    public void await(@Nullable String name) throws IOException {
        request(new EngineMessage.Wait(name), EngineMessage.Waited.class);
    }

    /** The engine serves. */
    public void ready(EngineMessage.Ready ready) throws IOException {
        request(ready, EngineMessage.Done.class);
    }

    /** Gives up a half-written generation. */
    public void abort(String reason) throws IOException {
        socket.send(new EngineMessage.Abort(reason));
        close();
    }

    /** Blocks until the sidecar is gone. */
    public void awaitEnd() throws IOException {
        try {
            Frame unexpected = socket.receive();
            unexpected.closeDescriptors();
        } catch (java.io.EOFException gone) {
            // What was waited for.
        }
    }

    private <T extends EngineMessage> T request(EngineMessage message, Class<T> answer) throws IOException {
        socket.send(message);
        return expect(answer, socket.receive());
    }

    private static <T extends EngineMessage> T expect(Class<T> type, Frame frame) throws IOException {
        if (type.isInstance(frame.message())) {
            return type.cast(frame.message());
        }
        frame.closeDescriptors();
        if (frame.message() instanceof EngineMessage.Failed failed) {
            throw new SnapshotRefusedException(failed);
        }
        throw new IOException("expected " + type.getSimpleName() + ", the sidecar sent "
                + frame.message().getClass().getSimpleName());
    }

    /** Unmaps everything. */
    @Override
    public void close() throws IOException {
        socket.close();
        for (SharedMemory memory : allocations) {
            memory.discard();
        }
        arena.close();
    }

    /** Bytes of a committed or attached file as an array. */
    public static byte[] toArray(MemorySegment file) {
        return file.toArray(ValueLayout.JAVA_BYTE);
    }
}

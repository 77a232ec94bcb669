package dev.dormouse.sidecar.transport;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.EngineMessage;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A connected unix socket on which frames of {@link EngineMessage} travel. One thread sends and one receives, each a
 * platform thread: calls block in C. {@link #close()} from any thread wakes them.
 *
 * <p>Length and body are both read with {@code recvmsg}, for a plain read drops descriptors silently, and never past the
 * frame, for {@code recvmsg} merges frames.
 */
public final class FramedSocket implements AutoCloseable {
    private static final ValueLayout.OfInt LENGTH = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final int LENGTH_BYTES = 4;
    private static final ObjectMapper JSON = new ObjectMapper()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    private final int fd;
    private boolean closed;

    FramedSocket(int fd) {
        this.fd = fd;
    }

    public static FramedSocket connect(Path path) throws IOException {
        int fd = Libc.socket();
        try (Arena arena = Arena.ofConfined()) {
            Libc.connect(fd, SocketAddresses.of(path, arena));
            return new FramedSocket(fd);
        } catch (IOException e) {
            Libc.close(fd);
            throw new IOException("cannot connect to " + path + ": " + e.getMessage(), e);
        }
    }

    /** Sends a message that carries no descriptor. */
    public void send(EngineMessage message) throws IOException {
        send(message, List.of());
    }

    /**
     * @param descriptors at most {@link EngineMessage#MAX_FDS}; they stay the caller's
     * @throws IllegalArgumentException when the frame would exceed the protocol's limits
     */
    public void send(EngineMessage message, List<Integer> descriptors) throws IOException {
        byte[] body = JSON.writeValueAsBytes(message);
        if (body.length > EngineMessage.MAX_FRAME) {
            throw new IllegalArgumentException(
                    "a frame of " + body.length + " bytes; at most " + EngineMessage.MAX_FRAME);
        }
        if (descriptors.size() > EngineMessage.MAX_FDS) {
            throw new IllegalArgumentException(descriptors.size() + " descriptors; at most " + EngineMessage.MAX_FDS);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment frame = arena.allocate(LENGTH_BYTES + (long) body.length);
            frame.set(LENGTH, 0, body.length);
            MemorySegment.copy(body, 0, frame, ValueLayout.JAVA_BYTE, LENGTH_BYTES, body.length);
            MessageHeader header = new MessageHeader(arena, Math.max(1, descriptors.size()));
            List<Integer> pending = descriptors;
            for (long sent = 0; sent < frame.byteSize();) {
                sent += Libc.sendmsg(fd, header.bytes(frame.asSlice(sent)).descriptors(pending).segment());
                pending = List.of();
            }
        }
    }

    /**
     * Blocks until a whole frame is there.
     *
     * @throws EOFException when the peer closed between two frames
     * @throws ProtocolException when the peer broke the protocol; its descriptors are closed
     */
    public Frame receive() throws IOException {
        List<Integer> descriptors = new ArrayList<>();
        boolean whole = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment length = arena.allocate(LENGTH_BYTES);
            MessageHeader header = new MessageHeader(arena, EngineMessage.MAX_FDS);
            fill(length, header, descriptors, true);
            int bytes = length.get(LENGTH, 0);
            if (bytes < 0 || bytes > EngineMessage.MAX_FRAME) {
                throw new ProtocolException("a frame of " + Integer.toUnsignedString(bytes) + " bytes; at most "
                        + EngineMessage.MAX_FRAME);
            }
            MemorySegment body = arena.allocate(Math.max(1, bytes)).asSlice(0, bytes);
            fill(body, header, descriptors, false);
            EngineMessage message = parse(body.toArray(ValueLayout.JAVA_BYTE), descriptors.size());
            whole = true;
            return new Frame(message, descriptors);
        } finally {
            if (!whole) {
                for (int descriptor : descriptors) {
                    Libc.close(descriptor);
                }
            }
        }
    }

    private void fill(MemorySegment target, MessageHeader header, List<Integer> descriptors, boolean mayEnd)
            throws IOException {
        for (long at = 0; at < target.byteSize();) {
            long read = Libc.recvmsg(fd, header.bytes(target.asSlice(at)).roomForDescriptors().segment());
            descriptors.addAll(header.receivedDescriptors());
            if (header.controlTruncated()) {
                throw new ProtocolException("more than " + EngineMessage.MAX_FDS + " descriptors in one message");
            }
            if (read == 0) {
                if (mayEnd && at == 0) {
                    throw new EOFException("the peer closed the connection");
                }
                throw new ProtocolException("the peer ended in the middle of a frame");
            }
            at += read;
        }
    }

    private static EngineMessage parse(byte[] body, int descriptors) throws ProtocolException {
        try {
            JsonNode json = JSON.readTree(body);
            int announced = json.path("fds").asInt(0);
            if (announced != descriptors) {
                throw new ProtocolException(
                        "the message announces " + announced + " descriptors and carries " + descriptors);
            }
            if (!json.isObject()) { // Jackson would make null of nothing and of "null"
                throw new ProtocolException("not a message of the protocol: no JSON object");
            }
            return JSON.treeToValue(json, EngineMessage.class);
        } catch (JacksonException | IllegalArgumentException | NullPointerException e) {
            throw new ProtocolException("not a message of the protocol: " + e.getMessage(), e);
        } catch (ProtocolException e) {
            throw e;
        } catch (IOException e) {
            throw new ProtocolException("not JSON", e);
        }
    }

    @Override
    public synchronized void close() throws IOException {
        if (!closed) {
            closed = true;
            try {
                Libc.shutdown(fd);
            } catch (Libc.ErrnoException alreadyGone) {
                // The peer went first: there is nobody left to tell.
            }
            Libc.close(fd);
        }
    }
}

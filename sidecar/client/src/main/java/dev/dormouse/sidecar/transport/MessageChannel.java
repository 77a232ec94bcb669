package dev.dormouse.sidecar.transport;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.sidecar.api.EngineMessage;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.SocketTimeoutException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One connected unix socket that carries {@link EngineMessage}s. One thread may send while another receives.
 *
 * <p>Header and body are both read by {@code recvmsg}, because a plain {@code read} drops descriptors, and never past
 * the end of a frame, because {@code recvmsg} happily returns the beginning of the next one together with its
 * descriptors. After any exception the channel is good for nothing but {@link #close()}.
 */
public final class MessageChannel implements AutoCloseable {
    private static final ValueLayout.OfInt BIG_ENDIAN_INT = ValueLayout.JAVA_INT_UNALIGNED
            .withOrder(ByteOrder.BIG_ENDIAN);
    private static final int HEADER = 4;

    /** Sizes and offsets of C structures on 64-bit Linux. */
    private static final long MSGHDR = 56;
    private static final long MSG_IOV = 16;
    private static final long MSG_IOVLEN = 24;
    private static final long MSG_CONTROL = 32;
    private static final long MSG_CONTROLLEN = 40;
    private static final long MSG_FLAGS = 48;
    private static final long CMSGHDR = 16;
    private static final long CMSG_LEVEL = 8;
    private static final long CMSG_TYPE = 12;

    private final int fd;
    private final int descriptorRoom;
    private final ReentrantLock sending = new ReentrantLock();
    private final ReentrantLock receiving = new ReentrantLock();
    private volatile boolean closed;

    MessageChannel(int fd) {
        this(fd, EngineMessage.MAX_FDS);
    }

    /** @param descriptorRoom how many descriptors a control message may bring before the kernel truncates it */
    MessageChannel(int fd, int descriptorRoom) {
        this.fd = fd;
        this.descriptorRoom = descriptorRoom;
    }

    /** @throws SystemCallException naming the path, e.g. when nobody listens there */
    public static MessageChannel connect(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = SocketAddress.of(path, arena);
            int fd = Libc.socket();
            try {
                Libc.connect(fd, address, path.toString());
            } catch (IOException e) {
                Libc.close(fd);
                throw e;
            }
            return new MessageChannel(fd);
        }
    }

    /** Bounds every later {@link #receive()} that finds nothing; zero waits for ever. */
    public void receiveTimeout(Duration timeout) throws IOException {
        Libc.receiveTimeout(fd, timeout.toNanos() / 1_000);
    }

    public void send(EngineMessage message) throws IOException {
        send(message, List.of());
    }

    /**
     * Sends a message with descriptors, which stay the caller's.
     *
     * @throws IllegalArgumentException when the message announces another number of descriptors, more than
     *         {@link EngineMessage#MAX_FDS}, or becomes larger than {@link EngineMessage#MAX_FRAME}
     */
    public void send(EngineMessage message, List<Integer> descriptors) throws IOException {
        if (descriptors.size() > EngineMessage.MAX_FDS) {
            throw new IllegalArgumentException(
                    descriptors.size() + " descriptors in one frame; at most " + EngineMessage.MAX_FDS
                            + " are allowed");
        }
        if (MessageCodec.announcedDescriptors(message) != descriptors.size()) {
            throw new IllegalArgumentException(MessageCodec.name(message) + " announces "
                    + MessageCodec.announcedDescriptors(message) + " descriptors but comes with " + descriptors.size());
        }
        byte[] body = MessageCodec.encode(message);
        if (body.length > EngineMessage.MAX_FRAME) {
            throw new IllegalArgumentException(MessageCodec.name(message) + " has " + body.length
                    + " bytes; a frame holds at most " + EngineMessage.MAX_FRAME);
        }
        sendUnchecked(body, descriptors);
    }

    /** Sends what need not be a message; only tests of the other side's manners call it directly. */
    void sendUnchecked(byte[] body, List<Integer> descriptors) throws IOException {
        sending.lock();
        try (Arena arena = Arena.ofConfined()) {
            refuseIfClosed();
            MemorySegment frame = arena.allocate(HEADER + (long) body.length);
            frame.set(BIG_ENDIAN_INT, 0, body.length);
            MemorySegment.copy(body, 0, frame, JAVA_BYTE, HEADER, body.length);
            sendFully(frame, descriptors, arena);
        } finally {
            sending.unlock();
        }
    }

    private void sendFully(MemorySegment frame, List<Integer> descriptors, Arena arena) throws IOException {
        MemorySegment header = messageHeader(arena);
        if (!descriptors.isEmpty()) {
            attach(descriptors, header, arena);
        }
        for (long sent = 0; sent < frame.byteSize();) {
            pointTo(frame.asSlice(sent), header);
            sent += Libc.sendmsg(fd, header);
            // They travelled with the first byte; sent again they would arrive twice.
            header.set(ADDRESS, MSG_CONTROL, MemorySegment.NULL);
            header.set(JAVA_LONG, MSG_CONTROLLEN, 0);
        }
    }

    /**
     * Waits for the next message.
     *
     * @return empty when the peer has closed the connection between two frames
     * @throws EOFException when it closed it inside one
     * @throws ProtocolException for an oversized or empty frame, garbage, a truncated control message or unannounced
     *         descriptors
     * @throws SocketTimeoutException when {@link #receiveTimeout} has passed
     */
    public Optional<Frame> receive() throws IOException {
        List<Descriptor> descriptors = new ArrayList<>();
        boolean handedOver = false;
        receiving.lock();
        try (Arena arena = Arena.ofConfined()) {
            refuseIfClosed();
            MemorySegment header = arena.allocate(HEADER);
            if (!fill(header, descriptors, arena, true)) {
                return Optional.empty();
            }
            int length = header.get(BIG_ENDIAN_INT, 0);
            if (length <= 0 || length > EngineMessage.MAX_FRAME) {
                throw new ProtocolException("Frame of " + Integer.toUnsignedString(length)
                        + " bytes; 1 to " + EngineMessage.MAX_FRAME + " are allowed");
            }
            MemorySegment body = arena.allocate(length);
            boolean complete = fill(body, descriptors, arena, false);
            assert complete;
            EngineMessage message = MessageCodec.decode(body.toArray(JAVA_BYTE));
            refuseUnannounced(message, descriptors.size());
            handedOver = true;
            return Optional.of(new Frame(message, descriptors));
        } finally {
            receiving.unlock();
            if (!handedOver) {
                Descriptor.closeAll(descriptors);
            }
        }
    }

    private static void refuseUnannounced(EngineMessage message, int received) throws ProtocolException {
        int announced = MessageCodec.announcedDescriptors(message);
        if (announced != received) {
            throw new ProtocolException(MessageCodec.name(message) + " announces " + announced + " descriptors, "
                    + received + " came; at most " + EngineMessage.MAX_FDS + " are allowed");
        }
    }

    /** Fills the target to its last byte and never reads one more; false when the peer left before the first. */
    private boolean fill(MemorySegment target, List<Descriptor> descriptors, Arena arena, boolean frameBegins)
            throws IOException {
        MemorySegment header = messageHeader(arena);
        MemorySegment control = arena.allocate(CMSGHDR + aligned(descriptorRoom * 4L), 8);
        for (long filled = 0; filled < target.byteSize();) {
            pointTo(target.asSlice(filled), header);
            header.set(ADDRESS, MSG_CONTROL, control);
            header.set(JAVA_LONG, MSG_CONTROLLEN, control.byteSize());
            long received = receiveSome(header);
            takeDescriptors(header, control, descriptors);
            if ((header.get(JAVA_INT, MSG_FLAGS) & Libc.MSG_CTRUNC) != 0) {
                throw new ProtocolException("Descriptors were lost on the way (truncated control message): more than "
                        + descriptorRoom + " in one frame, or this process has too many open files");
            }
            if (received == 0) {
                if (frameBegins && filled == 0) {
                    return false;
                }
                throw new EOFException("The peer closed the connection in the middle of a frame");
            }
            filled += received;
        }
        return true;
    }

    private long receiveSome(MemorySegment header) throws IOException {
        try {
            return Libc.recvmsg(fd, header);
        } catch (SystemCallException e) {
            if (e.errno() == SystemCallException.EAGAIN) {
                throw new SocketTimeoutException("The peer does not answer");
            }
            if (e.errno() == SystemCallException.ECONNRESET) {
                // A peer that dies with unread bytes of ours resets the connection.
                return 0;
            }
            throw e;
        }
    }

    private static void takeDescriptors(MemorySegment header, MemorySegment control, List<Descriptor> descriptors) {
        long length = header.get(JAVA_LONG, MSG_CONTROLLEN);
        for (long at = 0; at + CMSGHDR <= length;) {
            long size = control.get(JAVA_LONG, at);
            if (size < CMSGHDR || at + size > length) {
                return;
            }
            if (control.get(JAVA_INT, at + CMSG_LEVEL) == Libc.SOL_SOCKET
                    && control.get(JAVA_INT, at + CMSG_TYPE) == Libc.SCM_RIGHTS) {
                for (long next = at + CMSGHDR; next + 4 <= at + size; next += 4) {
                    descriptors.add(new Descriptor(control.get(JAVA_INT, next)));
                }
            }
            at += aligned(size);
        }
    }

    private static void attach(List<Integer> descriptors, MemorySegment header, Arena arena) {
        long size = CMSGHDR + descriptors.size() * 4L;
        MemorySegment control = arena.allocate(aligned(size), 8);
        control.set(JAVA_LONG, 0, size);
        control.set(JAVA_INT, CMSG_LEVEL, Libc.SOL_SOCKET);
        control.set(JAVA_INT, CMSG_TYPE, Libc.SCM_RIGHTS);
        for (int i = 0; i < descriptors.size(); i++) {
            control.set(JAVA_INT, CMSGHDR + i * 4L, descriptors.get(i));
        }
        header.set(ADDRESS, MSG_CONTROL, control);
        header.set(JAVA_LONG, MSG_CONTROLLEN, control.byteSize());
    }

    private static MemorySegment messageHeader(Arena arena) {
        MemorySegment header = arena.allocate(MSGHDR, 8);
        header.set(ADDRESS, MSG_IOV, arena.allocate(16, 8));
        header.set(JAVA_LONG, MSG_IOVLEN, 1);
        return header;
    }

    private static void pointTo(MemorySegment bytes, MemorySegment header) {
        MemorySegment vector = header.get(ADDRESS, MSG_IOV).reinterpret(16);
        vector.set(ADDRESS, 0, bytes);
        vector.set(JAVA_LONG, 8, bytes.byteSize());
    }

    private static long aligned(long size) {
        return (size + 7) & ~7L;
    }

    private void refuseIfClosed() throws IOException {
        if (closed) {
            throw new IOException("The connection is closed");
        }
    }

    /** Ends the conversation without waiting: both sides' blocked calls return. Any thread may call it. */
    public void shutdown() {
        Libc.shutdown(fd);
    }

    /** Says that nothing more will be sent; the peer's words still arrive. */
    public void finish() {
        Libc.finish(fd);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        // Wakes a blocked receiver or sender first: a descriptor closed under a system call may be reused under it.
        Libc.shutdown(fd);
        sending.lock();
        receiving.lock();
        try {
            if (!closed) {
                closed = true;
                Libc.close(fd);
            }
        } finally {
            receiving.unlock();
            sending.unlock();
        }
    }
}

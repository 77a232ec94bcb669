package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.transport.Descriptor;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.MessageChannel;
import dev.dormouse.sidecar.transport.ProtocolException;
import dev.dormouse.sidecar.transport.SystemCallException;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The wire between an engine and its sidecar: hello, requests with their answers, and, once the engine is ready, what the
 * sidecar asks. Knows nothing of memory. Callers see to it that one request is under way at a time.
 */
public final class EngineConnection implements AutoCloseable {
    private static final int BUFFERS_PER_FRAME = 4_096;
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(5);
    private static final Duration LAST_WORD = Duration.ofSeconds(5);

    /** What a sidecar asks of an engine that is ready. */
    public interface Requests {
        /**
         * @return the answer; null when it is not for this engine
         * @throws IOException when it cannot be done, which the sidecar is told
         */
        @Nullable
        EngineMessage answer(Frame request) throws IOException;
    }

    private final MessageChannel channel;
    private final EngineMessage.Welcome welcome;
    /** Of the thread that serves: opens when it has read the end of the connection. */
    private volatile @Nullable CountDownLatch serving;

    private EngineConnection(MessageChannel channel, EngineMessage.Welcome welcome) {
        this.channel = channel;
        this.welcome = welcome;
    }

    /**
     * Connects and says hello, trying again until the sidecar listens and is free of an earlier engine.
     *
     * @throws IOException when it does not within {@code timeout}, or refuses
     */
    public static EngineConnection connect(Path socket, EngineMessage.Hello hello, Duration timeout)
            throws IOException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            MessageChannel channel = connect(socket, deadline, timeout);
            try {
                return greet(channel, socket, hello, deadline, timeout);
            } catch (EOFException e) {
                // It died in the middle of the greeting; another one may come in its place.
                channel.close();
                if (System.nanoTime() - deadline > 0) {
                    throw e;
                }
            } catch (SystemCallException e) {
                channel.close();
                if (!e.peerGone() || System.nanoTime() - deadline > 0) {
                    throw e;
                }
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
            pause();
        }
    }

    private static EngineConnection greet(MessageChannel channel, Path socket, EngineMessage.Hello hello,
            long deadline, Duration timeout) throws IOException {
        channel.receiveTimeout(Duration.ofNanos(Math.max(RETRY_NANOS, deadline - System.nanoTime())));
        channel.send(hello);
        EngineMessage.Welcome welcome;
        try (Frame answer = channel.receive().orElseThrow(EngineConnection::sidecarGone)) {
            welcome = switch (answer.message()) {
                case EngineMessage.Welcome accepted -> accepted;
                case EngineMessage.Failed failed -> throw new IOException(
                        "The sidecar refused this engine: " + failed.code() + ": " + failed.message());
                default -> throw unexpected(answer.message());
            };
        } catch (SocketTimeoutException e) {
            throw new IOException("The sidecar at " + socket + " did not answer within " + timeout
                    + "; it serves one engine at a time: is another one connected?", e);
        }
        channel.receiveTimeout(Duration.ZERO);
        return new EngineConnection(channel, welcome);
    }

    private static MessageChannel connect(Path socket, long deadline, Duration timeout) throws IOException {
        while (true) {
            try {
                return MessageChannel.connect(socket);
            } catch (SystemCallException e) {
                if (!e.nobodyListens()) {
                    throw e;
                }
                if (System.nanoTime() - deadline > 0) {
                    throw new IOException("No sidecar listens at " + socket + " within " + timeout, e);
                }
            }
            pause();
        }
    }

    private static void pause() throws IOException {
        try {
            TimeUnit.NANOSECONDS.sleep(RETRY_NANOS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("Interrupted while waiting for the sidecar", e);
        }
    }

    /** How this engine gets its memory, and the generation of it. */
    public EngineMessage.Welcome welcome() {
        return welcome;
    }

    /**
     * Asks, and waits for the answer, whose descriptors are the caller's.
     *
     * @param attached descriptors that travel along; they stay the caller's
     * @throws SnapshotRefusedException when the sidecar refuses
     */
    public Frame request(EngineMessage request, List<Integer> attached) throws IOException, SnapshotRefusedException {
        channel.send(request, attached);
        return next();
    }

    /** Says something that is not answered by itself. */
    public void send(EngineMessage message) throws IOException {
        channel.send(message);
    }

    /** The next thing the sidecar says. */
    public Frame next() throws IOException, SnapshotRefusedException {
        Frame frame = channel.receive().orElseThrow(EngineConnection::sidecarGone);
        if (frame.message() instanceof EngineMessage.Failed failed) {
            frame.close();
            throw new SnapshotRefusedException(failed.code(), failed.message());
        }
        return frame;
    }

    /** Asks for something that is answered by one kind of message without descriptors. */
    public <T extends EngineMessage> T expect(Class<T> kind, EngineMessage request, List<Integer> attached)
            throws IOException, SnapshotRefusedException {
        try (Frame answer = request(request, attached)) {
            if (!kind.isInstance(answer.message())) {
                throw unexpected(answer.message());
            }
            return kind.cast(answer.message());
        }
    }

    /** Names buffers within allocations of this connection. */
    public void put(List<BufferMeta> buffers) throws IOException, SnapshotRefusedException {
        for (int from = 0; from < buffers.size(); from += BUFFERS_PER_FRAME) {
            var some = buffers.subList(from, Math.min(buffers.size(), from + BUFFERS_PER_FRAME));
            expect(EngineMessage.Done.class, new EngineMessage.PutMeta(some), List.of());
        }
    }

    /** Adds a file to the snapshot's file set; the sidecar copies it before this returns. */
    public void putFile(String name, Path file) throws IOException, SnapshotRefusedException {
        try (Descriptor descriptor = Descriptor.open(file)) {
            expect(EngineMessage.Done.class, new EngineMessage.PutFile(1, name, Files.size(file)),
                    List.of(descriptor.number()));
        }
    }

    /**
     * Waits until a buffer or file is restored and verified.
     *
     * @param name of a buffer or file; null waits for all that are not optional
     * @throws SnapshotRefusedException when the snapshot is damaged: none of its memory may be used
     */
    public void await(@Nullable String name) throws IOException, SnapshotRefusedException {
        expect(EngineMessage.Waited.class, new EngineMessage.Wait(name), List.of());
    }

    /** Says that the engine serves on its port. */
    public void ready(EngineMessage.Ready ready) throws IOException, SnapshotRefusedException {
        expect(EngineMessage.Done.class, ready, List.of());
    }

    /** Gives up a half-written generation, or what is being restored. */
    public void abort(String reason) throws IOException, SnapshotRefusedException {
        expect(EngineMessage.Done.class, new EngineMessage.Abort(reason), List.of());
    }

    /** Answers what the sidecar asks, on the calling thread, until it is gone. */
    public void serve(Requests requests) {
        CountDownLatch end = new CountDownLatch(1);
        serving = end;
        try {
            for (Optional<Frame> next = channel.receive(); next.isPresent(); next = channel.receive()) {
                try (Frame frame = next.get()) {
                    channel.send(answer(requests, frame));
                }
            }
        } catch (IOException e) {
            // A connection that broke is as gone as one that was closed.
            channel.shutdown();
        } finally {
            end.countDown();
        }
    }

    private static EngineMessage answer(Requests requests, Frame frame) {
        try {
            EngineMessage answer = requests.answer(frame);
            return answer == null
                    ? new EngineMessage.Failed("UnexpectedMessage",
                            "This engine cannot answer " + frame.message().getClass().getSimpleName())
                    : answer;
        } catch (IOException e) {
            return new EngineMessage.Failed("DeviceError", String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            // The engine's own code: whatever it throws, the sidecar is told.
            return new EngineMessage.Failed("EngineError", String.valueOf(e));
        }
    }

    static EOFException sidecarGone() {
        return new EOFException("The sidecar closed the connection");
    }

    public static ProtocolException unexpected(EngineMessage message) {
        return new ProtocolException("Unexpected answer of the sidecar: " + message.getClass().getSimpleName());
    }

    /**
     * Says that nothing more will come, and waits until the sidecar has let go of this engine's memory: it closes its end
     * when it has. Waits 5 s at most.
     */
    public void leave() {
        CountDownLatch server = serving;
        channel.finish();
        try {
            if (server != null) {
                if (!server.await(LAST_WORD.toMillis(), TimeUnit.MILLISECONDS)) {
                    channel.shutdown();
                }
                return;
            }
            channel.receiveTimeout(LAST_WORD);
            for (Optional<Frame> next = channel.receive(); next.isPresent(); next = channel.receive()) {
                next.get().close();
            }
        } catch (IOException e) {
            // It is gone, or hangs; either way there is nobody to wait for.
            channel.shutdown();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Any thread may call it: whoever waits for an answer gets an exception. */
    @Override
    public void close() {
        channel.close();
    }
}

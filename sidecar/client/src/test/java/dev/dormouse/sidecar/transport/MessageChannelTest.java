package dev.dormouse.sidecar.transport;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MessageChannelTest {
    private static final EngineMessage.Commit COMMIT = new EngineMessage.Commit();

    @TempDir
    Path folder;

    private UnixListener listener;
    private MessageChannel client;
    private MessageChannel server;

    @BeforeEach
    void connect() throws IOException {
        listener = UnixListener.bind(folder.resolve("s"));
        client = MessageChannel.connect(folder.resolve("s"));
        server = listener.accept().orElseThrow();
    }

    @AfterEach
    void close() throws IOException {
        client.close();
        server.close();
        listener.close();
    }

    @Test
    void aMessageArrivesAsItWasSent() throws IOException {
        var hello = new EngineMessage.Hello(1, "onnx", "1.22", Map.of("dtype", "f32"));

        client.send(hello);

        assertThat(receive(server).message()).isEqualTo(hello);
    }

    @Test
    void memoryPassedByDescriptorIsTheSameMemoryOnTheOtherSide() throws IOException {
        try (var memory = MemoryFile.create("test", 4096); var ours = memory.mapReadWrite()) {
            client.send(new EngineMessage.Allocated(1, 7, 4096), List.of(memory.descriptor().number()));

            try (Frame frame = receive(server);
                    var theirs = Mapping.readOnly(frame.descriptors().getFirst().number(), 4096)) {
                ours.segment().set(JAVA_BYTE, 4095, (byte) 42);
                assertThat(theirs.segment().get(JAVA_BYTE, 4095)).isEqualTo((byte) 42);
                assertThatThrownBy(() -> theirs.segment().set(JAVA_BYTE, 0, (byte) 1))
                        .isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    @Test
    void framesSentBackToBackKeepTheirOwnDescriptors() throws IOException {
        try (var one = MemoryFile.create("one", 1); var two = MemoryFile.create("two", 2)) {
            // All four lie in the socket before the first is read: recvmsg would merge them if it were let.
            client.send(COMMIT);
            client.send(new EngineMessage.Allocated(1, 1, 1), List.of(one.descriptor().number()));
            client.send(COMMIT);
            client.send(new EngineMessage.Allocated(1, 2, 2), List.of(two.descriptor().number()));

            assertThat(receive(server).descriptors()).isEmpty();
            assertThat(sizes(receive(server))).containsExactly(1L);
            assertThat(receive(server).descriptors()).isEmpty();
            assertThat(sizes(receive(server))).containsExactly(2L);
        }
    }

    @Test
    void aFrameMayBringAsManyDescriptorsAsTheKernelAllows() throws IOException {
        try (var memory = MemoryFile.create("test", 8)) {
            client.send(attached(EngineMessage.MAX_FDS), copies(memory, EngineMessage.MAX_FDS));

            assertThat(sizes(receive(server))).hasSize(253).containsOnly(8L);
        }
    }

    @Test
    void oneDescriptorMoreIsRefusedBeforeItIsSent() throws IOException {
        try (var memory = MemoryFile.create("test", 8)) {
            assertThatThrownBy(() -> client.send(attached(254), copies(memory, 254)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("254")
                    .hasMessageContaining("at most 253");
        }
    }

    @Test
    void aFrameOfManyMegabytesArrivesWhole() throws Exception {
        var big = new EngineMessage.Abort("x".repeat(15 << 20));
        try (Sender sender = new Sender(() -> client.send(big))) {
            assertThat(receive(server).message()).isEqualTo(big);
        }
    }

    @Test
    void aMessageLargerThanAFrameIsRefusedBeforeItIsSent() {
        assertThatThrownBy(() -> client.send(new EngineMessage.Abort("x".repeat(16 << 20))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("16777216");
    }

    @Test
    void anOversizedFrameIsRefusedBeforeItsBodyIsRead() throws IOException {
        try (SocketChannel raw = rawPeer()) {
            raw.write(ByteBuffer.allocate(4).putInt(0, EngineMessage.MAX_FRAME + 1));

            assertThatThrownBy(() -> server.receive()).isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("16777217 bytes")
                    .hasMessageContaining("16777216");
        }
    }

    @Test
    void aNegativeOrEmptyLengthIsRefused() throws IOException {
        try (SocketChannel raw = rawPeer()) {
            raw.write(ByteBuffer.allocate(4).putInt(0, -1));
            assertThatThrownBy(() -> server.receive()).isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("4294967295 bytes");
        }
        try (SocketChannel raw = rawPeer()) {
            raw.write(ByteBuffer.allocate(4));
            assertThatThrownBy(() -> server.receive()).isInstanceOf(ProtocolException.class);
        }
    }

    @Test
    void garbageIsAProtocolErrorWhateverItsShape() throws IOException {
        for (String garbage : List.of("{", "null", "[]", "{\"type\":\"NONSENSE\"}",
                "{\"type\":\"ALLOC\",\"bytes\":\"x\"}",
                "{\"type\":\"ALLOC\",\"bufferType\":\"Wat\"}", "{\"type\":\"PUT_META\"}", "[".repeat(5000))) {
            try (SocketChannel raw = rawPeer()) {
                raw.write(frame(garbage));
                assertThatThrownBy(() -> server.receive()).as(garbage)
                        .isInstanceOf(ProtocolException.class)
                        .hasMessageContaining("Not a message");
            }
        }
    }

    @Test
    void aFieldOfANewerProtocolIsIgnored() throws IOException {
        try (SocketChannel raw = rawPeer()) {
            raw.write(frame("{\"type\":\"COMMIT\",\"someday\":1}"));

            assertThat(receive(server).message()).isEqualTo(COMMIT);
        }
    }

    @Test
    void aPeerThatLeavesBetweenFramesEndsTheConversation() throws IOException {
        client.close();

        assertThat(server.receive()).isEmpty();
    }

    @Test
    void aPeerThatDiesInTheMiddleOfAFrameIsAnError() throws IOException {
        try (SocketChannel raw = rawPeer()) {
            ByteBuffer frame = frame("{\"type\":\"COMMIT\"}");
            raw.write(frame.limit(frame.limit() - 3));
        }
        assertThatThrownBy(() -> server.receive()).isInstanceOf(EOFException.class).hasMessageContaining("middle");

        try (SocketChannel raw = rawPeer()) {
            raw.write(ByteBuffer.wrap(new byte[]{0, 0}));
        }
        assertThatThrownBy(() -> server.receive()).isInstanceOf(EOFException.class).hasMessageContaining("middle");
    }

    @Test
    void aTruncatedControlMessageIsRefusedAndNoDescriptorLeaks() throws IOException {
        try (var memory = MemoryFile.create("leak-test-truncated", 8)) {
            server.close();
            MessageChannel sender = MessageChannel.connect(folder.resolve("s"));
            // The kernel delivers the two that fit and drops the third.
            try (MessageChannel small = listener.accept(2).orElseThrow()) {
                sender.send(attached(3), copies(memory, 3));

                assertThatThrownBy(small::receive).isInstanceOf(ProtocolException.class)
                        .hasMessageContaining("truncated control message");
            } finally {
                sender.close();
            }
            assertThat(openDescriptorsOf("leak-test-truncated")).isEqualTo(1);
        }
    }

    @Test
    void descriptorsThatNobodyAnnouncedAreClosedAndRefused() throws IOException {
        try (var memory = MemoryFile.create("leak-test-unannounced", 8)) {
            // Two frames of four descriptors glued together by hand: the announced number is what counts.
            client.sendUnchecked("{\"type\":\"COMMIT\"}".getBytes(UTF_8), copies(memory, 4));

            assertThatThrownBy(() -> server.receive()).isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("Commit announces 0 descriptors, 4 came");
            assertThat(openDescriptorsOf("leak-test-unannounced")).isEqualTo(1);
        }
    }

    @Test
    void aMessageWhoseDescriptorsAreMissingIsRefused() throws IOException {
        client.sendUnchecked("{\"type\":\"ALLOCATED\",\"fds\":1}".getBytes(UTF_8), List.of());

        assertThatThrownBy(() -> server.receive()).isInstanceOf(ProtocolException.class)
                .hasMessageContaining("announces 1 descriptors, 0 came");
    }

    @Test
    void sendingToAPeerThatIsGoneIsAnErrorNotASignal() {
        server.close();

        assertThatThrownBy(() -> {
            while (true) {
                client.send(COMMIT);
            }
        }).isInstanceOf(SystemCallException.class).hasMessageContaining("Broken pipe (errno 32)");
    }

    @Test
    void closingWakesABlockedReceiver() throws Exception {
        var outcome = new AtomicReference<Object>();
        Thread reader = Thread.ofPlatform().start(() -> {
            try {
                outcome.set(server.receive());
            } catch (IOException e) {
                outcome.set(e);
            }
        });
        await().until(() -> reader.getStackTrace().length > 0
                && List.of(reader.getStackTrace()).toString().contains("recvmsg"));

        server.close();
        reader.join();

        assertThat(outcome.get()).isEqualTo(java.util.Optional.empty());
        assertThatThrownBy(() -> server.receive()).hasMessageContaining("closed");
    }

    @Test
    void aReceiveTimeoutIsSaidAsSuch() throws IOException {
        server.receiveTimeout(Duration.ofMillis(1));

        assertThatThrownBy(() -> server.receive()).isInstanceOf(SocketTimeoutException.class);
    }

    @Test
    void aPathTheKernelCannotHoldIsRefusedWithItsLength() {
        Path path = folder.resolve("x".repeat(120));

        assertThatThrownBy(() -> UnixListener.bind(path)).isInstanceOf(IOException.class)
                .hasMessageContaining("allows 1 to 107")
                .hasMessageContaining(path.toString());
        assertThatThrownBy(() -> MessageChannel.connect(path)).hasMessageContaining("shorter folder");
    }

    @Test
    void aSocketNobodyListensOnSaysSo() {
        assertThatThrownBy(() -> MessageChannel.connect(folder.resolve("none")))
                .isInstanceOf(SystemCallException.class)
                .hasMessageContaining("none")
                .hasMessageContaining("No such file or directory (errno 2)");
    }

    @Test
    void aSocketLeftByADeadProcessIsReplaced() throws IOException {
        Path path = folder.resolve("stale");
        ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        dead.bind(UnixDomainSocketAddress.of(path));
        dead.close();
        assertThat(path).exists();

        try (UnixListener fresh = UnixListener.bind(path); MessageChannel peer = MessageChannel.connect(path)) {
            assertThat(fresh.accept()).isPresent().hasValueSatisfying(MessageChannel::close);
        }
        assertThat(path).doesNotExist();
    }

    @Test
    void closingTheListenerEndsAccept() throws Exception {
        var accepted = new AtomicReference<Object>();
        Thread acceptor = Thread.ofPlatform().start(() -> {
            try {
                accepted.set(listener.accept());
            } catch (IOException e) {
                accepted.set(e);
            }
        });
        await().until(() -> List.of(acceptor.getStackTrace()).toString().contains("Libc.accept"));

        listener.close();
        acceptor.join();

        assertThat(accepted.get()).isEqualTo(java.util.Optional.empty());
    }

    @Test
    void sealedMemoryRefusesNewWritersAndResizing() throws IOException {
        try (var memory = MemoryFile.create("sealed", 4096)) {
            memory.seal();

            assertThatThrownBy(memory::mapReadWrite).isInstanceOf(SystemCallException.class)
                    .hasMessageContaining("Operation not permitted");
            assertThatThrownBy(() -> Libc.ftruncate(memory.descriptor().number(), 8192))
                    .hasMessageContaining("Operation not permitted");
            assertThatThrownBy(() -> Libc.ftruncate(memory.descriptor().number(), 0))
                    .hasMessageContaining("Operation not permitted");
        }
    }

    @Test
    void aMappingMayBeLargerThanTwoGigabytes() throws IOException {
        long bytes = 5L << 30;
        try (var memory = MemoryFile.create("large", bytes); var mapping = memory.mapReadWrite()) {
            MemorySegment segment = mapping.segment();

            segment.set(JAVA_BYTE, bytes - 1, (byte) 9);

            assertThat(segment.get(JAVA_BYTE, bytes - 1)).isEqualTo((byte) 9);
            assertThat(segment.byteSize()).isEqualTo(bytes);
        }
    }

    @Test
    void mappingPastTheEndIsRefusedInsteadOfKillingTheProcessLater() throws IOException {
        try (var memory = MemoryFile.create("short", 100)) {
            assertThatThrownBy(() -> Mapping.readOnly(memory.descriptor().number(), 101))
                    .hasMessage("Cannot map 101 bytes of memory that has 100");
        }
    }

    @Test
    void aCopyOfAFileIsCompleteSealedAndRefusesAShortSource() throws IOException {
        Path file = Files.writeString(folder.resolve("f"), "hello");
        try (var source = Descriptor.open(file);
                var copy = MemoryFile.copyOf("f", source, 5);
                var mapping = copy.mapReadOnly()) {
            assertThat(mapping.segment().toArray(JAVA_BYTE)).isEqualTo("hello".getBytes(UTF_8));
            assertThatThrownBy(copy::mapReadWrite).isInstanceOf(IOException.class);
            assertThatThrownBy(() -> MemoryFile.copyOf("f", source, 6)).isInstanceOf(EOFException.class)
                    .hasMessageContaining("5 of 6 bytes");
        }
    }

    @Test
    void manyMessagesOfBothDirectionsCrossWithoutLoss() throws Exception {
        int count = 2_000;
        List<Integer> seen = new ArrayList<>();
        try (var memory = MemoryFile.create("many", 8); Sender sender = new Sender(() -> {
            for (int i = 0; i < count; i++) {
                client.send(new EngineMessage.Allocated(1, i, 1), List.of(memory.descriptor().number()));
                client.send(new EngineMessage.Alloc(i, BufferType.Weights));
            }
        })) {
            for (int i = 0; i < count; i++) {
                try (Frame with = receive(server); Frame without = receive(server)) {
                    assertThat(with.descriptors()).hasSize(1);
                    assertThat(without.descriptors()).isEmpty();
                    seen.add(((EngineMessage.Allocated) with.message()).allocation());
                }
            }
        }
        assertThat(seen).hasSize(count).isSorted();
    }

    private SocketChannel rawPeer() throws IOException {
        server.close();
        SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve("s")));
        server = listener.accept().orElseThrow();
        return raw;
    }

    private static Frame receive(MessageChannel channel) throws IOException {
        return channel.receive().orElseThrow();
    }

    private static List<Long> sizes(Frame frame) throws IOException {
        try (frame) {
            List<Long> sizes = new ArrayList<>();
            for (Descriptor descriptor : frame.descriptors()) {
                sizes.add(descriptor.size());
            }
            return sizes;
        }
    }

    private static EngineMessage.Attached attached(int descriptors) {
        return new EngineMessage.Attached(descriptors, false, List.of(), List.of(), List.of());
    }

    private static List<Integer> copies(MemoryFile memory, int count) {
        return Collections.nCopies(count, memory.descriptor().number());
    }

    private static ByteBuffer frame(String json) {
        byte[] body = json.getBytes(UTF_8);
        return ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).flip();
    }

    private static long openDescriptorsOf(String memory) throws IOException {
        try (var descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.filter(link -> {
                try {
                    return Files.readSymbolicLink(link).toString().contains(memory);
                } catch (IOException e) {
                    return false; // The descriptor of this very listing.
                }
            }).count();
        }
    }

    private interface Sending {
        void run() throws IOException;
    }

    /** Sends from a thread of its own, and fails the test when sending failed. */
    private static final class Sender implements AutoCloseable {
        private final AtomicReference<Throwable> failure = new AtomicReference<>();
        private final Thread thread;

        Sender(Sending sending) {
            thread = Thread.ofPlatform().start(() -> {
                try {
                    sending.run();
                } catch (Throwable e) {
                    failure.set(e);
                }
            });
        }

        @Override
        public void close() throws InterruptedException {
            thread.join();
            assertThat(failure.get()).isNull();
        }
    }
}

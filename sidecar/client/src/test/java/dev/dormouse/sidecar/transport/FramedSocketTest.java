package dev.dormouse.sidecar.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Abort;
import dev.dormouse.sidecar.api.EngineMessage.Allocated;
import dev.dormouse.sidecar.api.EngineMessage.Commit;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("A framed socket")
class FramedSocketTest {
    @TempDir
    private Path folder;

    private Path path;
    private FramedServer server;

    @BeforeEach
    void listen() throws IOException {
        path = folder.resolve("engine.sock");
        server = FramedServer.listen(path);
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    @Test
    @DisplayName("passes a descriptor that leads to the same memory")
    void passesADescriptorThatLeadsToTheSameMemory() throws IOException {
        try (FramedSocket engine = FramedSocket.connect(path);
                FramedSocket sidecar = server.accept();
                Memfd mine = Memfd.create("passed", 8192);
                Arena arena = Arena.ofConfined()) {
            sidecar.send(new Allocated(1, 7, 8192), List.of(mine.fd()));

            Frame frame = engine.receive();

            assertThat(frame.message()).isEqualTo(new Allocated(1, 7, 8192));
            assertThat(frame.descriptors()).hasSize(1).doesNotContain(mine.fd());
            try (Memfd theirs = Memfd.received(frame.descriptors().getFirst())) {
                mine.map(true, arena).set(ValueLayout.JAVA_LONG, 4096, 42);
                assertThat(theirs.bytes()).isEqualTo(8192);
                assertThat(theirs.map(false, arena).get(ValueLayout.JAVA_LONG, 4096)).isEqualTo(42);
            }
        }
    }

    @Test
    @DisplayName("keeps two frames apart that were sent back to back, each with its own descriptors")
    void keepsFramesApart() throws IOException {
        try (FramedSocket engine = FramedSocket.connect(path);
                FramedSocket sidecar = server.accept();
                Memfd small = Memfd.create("small", 4096);
                Memfd large = Memfd.create("large", 16384)) {
            sidecar.send(new Allocated(1, 1, 4096), List.of(small.fd()));
            sidecar.send(new Commit());
            sidecar.send(new Allocated(2, 2, 16384), List.of(large.fd(), small.fd()));

            Frame first = engine.receive();
            Frame second = engine.receive();
            Frame third = engine.receive();

            assertThat(first.message()).isEqualTo(new Allocated(1, 1, 4096));
            assertThat(sizes(first)).containsExactly(4096L);
            assertThat(second.message()).isEqualTo(new Commit());
            assertThat(second.descriptors()).isEmpty();
            assertThat(third.message()).isEqualTo(new Allocated(2, 2, 16384));
            assertThat(sizes(third)).containsExactly(16384L, 4096L);
        }
    }

    @Test
    @DisplayName("passes as many descriptors as Linux does in one message, 253, and refuses one more before it sends")
    void passesAsManyDescriptorsAsLinuxDoes() throws IOException {
        try (FramedSocket engine = FramedSocket.connect(path);
                FramedSocket sidecar = server.accept();
                Memfd memory = Memfd.create("many", 4096)) {
            assertThatThrownBy(() -> sidecar.send(new Allocated(254, 0, 4096), Collections.nCopies(254, memory.fd())))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("254 descriptors; at most 253");
            sidecar.send(new Allocated(253, 0, 4096), Collections.nCopies(253, memory.fd()));

            Frame frame = engine.receive();

            assertThat(frame.message()).isEqualTo(new Allocated(253, 0, 4096));
            assertThat(frame.descriptors()).hasSize(253).doesNotHaveDuplicates();
            frame.closeDescriptors();
            assertThat(openDescriptors("many")).isEqualTo(1);
        }
    }

    @Test
    @DisplayName("carries a frame larger than the kernel's socket buffer whole")
    void carriesALargeFrame() throws Exception {
        String reason = "x".repeat(3 << 20);
        try (FramedSocket engine = FramedSocket.connect(path); FramedSocket sidecar = server.accept()) {
            Thread sender = Thread.ofPlatform().start(() -> send(engine, new Abort(reason)));

            assertThat(sidecar.receive().message()).isEqualTo(new Abort(reason));
            sender.join();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {(16 << 20) + 1, Integer.MAX_VALUE, -1})
    @DisplayName("refuses a frame longer than 16 MiB by its length alone")
    void refusesALongFrame(int length) throws IOException {
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(path));
                FramedSocket sidecar = server.accept()) {
            raw.write(ByteBuffer.allocate(4).putInt(length).flip());

            assertThatThrownBy(sidecar::receive)
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining(
                            "a frame of " + Integer.toUnsignedString(length) + " bytes; at most 16777216");
        }
    }

    @Test
    @DisplayName("refuses to send a frame longer than 16 MiB")
    void refusesToSendALongFrame() throws IOException {
        try (FramedSocket engine = FramedSocket.connect(path); FramedSocket sidecar = server.accept()) {
            assertThatThrownBy(() -> engine.send(new Abort("x".repeat(EngineMessage.MAX_FRAME))))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("at most 16777216");
            engine.send(new Commit());

            assertThat(sidecar.receive().message()).isEqualTo(new Commit());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "null", "[]", "7", "{", "\u0000\u0001\u0002", "{}", "{\"type\":\"NO_SUCH\"}",
            "{\"type\":\"HELLO\",\"protocol\":\"one\"}", "{\"type\":\"HELLO\"}", "{\"type\":\"PUT_META\"}",
            "{\"type\":\"PUT_META\",\"buffers\":[null]}"})
    @DisplayName("refuses what is not a message of the protocol")
    void refusesWhatIsNoMessage(String body) throws IOException {
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(path));
                FramedSocket sidecar = server.accept()) {
            raw.write(frame(body));

            assertThatThrownBy(sidecar::receive)
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("not a message of the protocol");
        }
    }

    @Test
    @DisplayName("passes over fields that a newer release may add")
    void passesOverUnknownFields() throws IOException {
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(path));
                FramedSocket sidecar = server.accept()) {
            raw.write(frame("{\"type\":\"ABORT\",\"reason\":\"tired\",\"since\":2027}"));

            assertThat(sidecar.receive().message()).isEqualTo(new Abort("tired"));
        }
    }

    @Test
    @DisplayName("refuses a message that carries other descriptors than it announces, and closes what came")
    void closesDescriptorsThatWereNotAnnounced() throws IOException {
        try (FramedSocket engine = FramedSocket.connect(path);
                FramedSocket sidecar = server.accept();
                Memfd memory = Memfd.create("unannounced", 4096)) {
            engine.send(new Allocated(1, 0, 4096), List.of(memory.fd(), memory.fd(), memory.fd()));

            assertThatThrownBy(sidecar::receive)
                    .isInstanceOf(ProtocolException.class)
                    .hasMessage("the message announces 1 descriptors and carries 3");
            assertThat(openDescriptors("unannounced")).isEqualTo(1);
        }
    }

    @Test
    @DisplayName("refuses a message whose announced descriptors did not come")
    void refusesMissingDescriptors() throws IOException {
        try (FramedSocket engine = FramedSocket.connect(path); FramedSocket sidecar = server.accept()) {
            engine.send(new Allocated(1, 0, 4096));

            assertThatThrownBy(sidecar::receive)
                    .isInstanceOf(ProtocolException.class)
                    .hasMessage("the message announces 1 descriptors and carries 0");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 4, 5, 20})
    @DisplayName("tells a peer that died within a frame from one that hung up")
    void tellsAPeerThatDiedWithinAFrame(int bytes) throws IOException {
        try (FramedSocket sidecar = acceptAfter(frame("{\"type\":\"COMMIT\",\"x\":1}").limit(bytes))) {
            assertThatThrownBy(sidecar::receive)
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("in the middle of a frame");
        }
    }

    @Test
    @DisplayName("reports the end of the connection between two frames as the end, after the last frame")
    void reportsTheEndBetweenFrames() throws IOException {
        try (FramedSocket sidecar = acceptAfter(frame("{\"type\":\"COMMIT\"}"))) {
            assertThat(sidecar.receive().message()).isEqualTo(new Commit());
            assertThatThrownBy(sidecar::receive).isInstanceOf(EOFException.class);
        }
    }

    @Test
    @DisplayName("says how long a socket's path may be")
    void saysHowLongAPathMayBe() {
        Path tooLong = Path.of("/" + "x".repeat(107));

        assertThatThrownBy(() -> FramedSocket.connect(tooLong))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(tooLong.toString())
                .hasMessageContaining("has 108 bytes; unix sockets allow 107: use a shorter folder");
        assertThatThrownBy(() -> FramedServer.listen(tooLong)).hasMessageContaining("use a shorter folder");
    }

    @Test
    @DisplayName("names the path where nobody listens")
    void namesThePathWhereNobodyListens() {
        Path nobody = folder.resolve("nobody.sock");

        assertThatThrownBy(() -> FramedSocket.connect(nobody))
                .hasMessageContaining("cannot connect to " + nobody)
                .hasMessageContaining("no such file or directory");
    }

    @Test
    @DisplayName("wakes a thread that is blocked in receive when another closes it")
    void closeWakesABlockedReceive() throws Exception {
        CountDownLatch firstReceived = new CountDownLatch(1);
        AtomicReference<Throwable> ended = new AtomicReference<>();
        try (FramedSocket engine = FramedSocket.connect(path); FramedSocket sidecar = server.accept()) {
            Thread receiver = Thread.ofPlatform().name("blocked-receive").start(() -> {
                try {
                    sidecar.receive();
                    firstReceived.countDown();
                    sidecar.receive();
                } catch (IOException e) {
                    ended.set(e);
                }
            });
            engine.send(new Commit());
            firstReceived.await();
            await().until(() -> sleepsInTheKernel("blocked-receive"));

            sidecar.close();

            await().until(() -> !receiver.isAlive());
            assertThat(ended.get()).isInstanceOf(IOException.class);
        }
    }

    /** A peer that sends these bytes and is gone. */
    private FramedSocket acceptAfter(ByteBuffer bytes) throws IOException {
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(path))) {
            raw.write(bytes);
            return server.accept();
        }
    }

    private static ByteBuffer frame(String body) {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(4 + bytes.length).putInt(bytes.length).put(bytes).flip();
    }

    private static void send(FramedSocket socket, EngineMessage message) {
        try {
            socket.send(message);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static List<Long> sizes(Frame frame) throws IOException {
        List<Long> sizes = new java.util.ArrayList<>();
        for (int fd : frame.descriptors()) {
            try (Memfd memory = Memfd.received(fd)) {
                sizes.add(memory.bytes());
            }
        }
        return sizes;
    }

    /** Descriptors of this process that lead to the memfd of that name. */
    private static long openDescriptors(String memfd) throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.filter(fd -> target(fd).startsWith("/memfd:" + memfd + " ")).count();
        }
    }

    private static String target(Path fd) {
        try {
            return Files.readSymbolicLink(fd).toString();
        } catch (IOException closedMeanwhile) {
            return "";
        }
    }

    private static boolean sleepsInTheKernel(String thread) throws IOException {
        try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
            return tasks.map(FramedSocketTest::stat).anyMatch(stat -> stat.contains("(" + thread + ") S "));
        }
    }

    private static String stat(Path task) {
        try {
            return Files.readString(task.resolve("stat"));
        } catch (IOException endedMeanwhile) {
            return "";
        }
    }
}

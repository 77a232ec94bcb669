package dev.dormouse.sidecar.agent;

import static dev.dormouse.sidecar.agent.FakeEngine.HELLO;
import static dev.dormouse.sidecar.agent.FakeEngine.buffer;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.FramedSocket;
import dev.dormouse.sidecar.transport.Memfd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("An engine's connection")
class EngineSessionTest {
    @TempDir
    private Path folder;

    private FakeEngine engine;
    private AgentConfig config;
    private TestSidecar sidecar;

    @BeforeEach
    void start() throws IOException {
        engine = new FakeEngine();
        config = TestSidecar.config(folder, engine, TestSidecar.WARMUP);
        sidecar = TestSidecar.start(config);
    }

    @AfterEach
    void stop() {
        sidecar.close();
        engine.close();
    }

    @Test
    @DisplayName("gets zeroed memory of the size it asked for")
    void getsZeroedMemory() throws IOException {
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            SharedMemory memory = client.allocate(100_000, BufferType.Weights);

            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(memory.segment().byteSize()).isEqualTo(100_000);
            assertThat(memory.segment().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            assertThat(sidecar.device().usedBytes()).isEqualTo(100_000);
        }
    }

    @Test
    @DisplayName("that ends before the commit has aborted: its memory is released and the next begins anew")
    void aWriterThatLeavesHasAborted() throws IOException {
        String generation;
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            generation = client.welcome().generation();
            SharedMemory memory = client.allocate(4096, BufferType.Weights);
            client.put(List.of(buffer("half", memory.id(), 0, 4096, BufferType.Weights)));
        }
        sidecar.awaitNoMemoryInUse();

        try (EngineClient next = FakeEngine.connect(config, HELLO)) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(next.welcome().generation()).isNotEqualTo(generation);
            SharedMemory memory = next.allocate(4096, BufferType.Weights);
            next.put(List.of(buffer("half", memory.id(), 0, 4096, BufferType.Weights)));
        }
    }

    @Test
    @DisplayName("that says Abort gives its memory back")
    void anAbortGivesMemoryBack() throws IOException {
        EngineClient client = FakeEngine.connect(config, HELLO);
        client.allocate(4096, BufferType.Weights);

        client.abort("changed my mind");

        sidecar.awaitNoMemoryInUse();
    }

    @Test
    @DisplayName("is refused a second buffer or file of one name, and of a bad list takes nothing (S20)")
    void refusesDuplicateNames() throws IOException {
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            int id = client.allocate(4096, BufferType.Weights).id();
            client.put(List.of(buffer("a", id, 0, 8, BufferType.Weights)));

            refused("DuplicateName", () -> client.put(List.of(buffer("a", id, 8, 8, BufferType.Weights))));
            refused("DuplicateName", () -> client.put(List.of(buffer("b", id, 8, 8, BufferType.Weights),
                    buffer("b", id, 16, 8, BufferType.Weights))));
            refused("DuplicateName", () -> client.putFile("a", Files.writeString(folder.resolve("x"), "x")));
            client.put(List.of(buffer("b", id, 8, 8, BufferType.Weights)));
            client.putFile("f", Files.writeString(folder.resolve("x"), "x"));
            refused("DuplicateName", () -> client.putFile("f", folder.resolve("x")));
        }
    }

    @Test
    @DisplayName("is refused buffers that do not lie in their allocation, however the numbers overflow")
    void refusesBuffersOutOfBounds() throws IOException {
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            int id = client.allocate(4096, BufferType.Weights).id();

            refused("OutOfBounds", () -> client.put(List.of(buffer("a", id, 4089, 8, BufferType.Weights))));
            refused("OutOfBounds", () -> client.put(List.of(buffer("a", id, -1, 8, BufferType.Weights))));
            refused("OutOfBounds", () -> client.put(List.of(buffer("a", id, 0, -8, BufferType.Weights))));
            refused("OutOfBounds",
                    () -> client.put(List.of(buffer("a", id, Long.MAX_VALUE, Long.MAX_VALUE, BufferType.Weights))));
            client.put(List.of(buffer("to the last byte", id, 4088, 8, BufferType.Weights),
                    buffer("nothing at the end", id, 4096, 0, BufferType.Weights)));
        }
    }

    @Test
    @DisplayName("is refused what was not issued to it, types that differ from their allocation's, and unfit names (S17)")
    void refusesWhatDoesNotFit() throws IOException {
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            int id = client.allocate(4096, BufferType.Weights).id();

            refused("UnknownAllocation",
                    () -> client.put(List.of(buffer("a", id + 1, 0, 8, BufferType.Weights))));
            refused("MixedTypes", () -> client.put(List.of(buffer("a", id, 0, 8, BufferType.KvCache))));
            refused("InvalidName", () -> client.put(List.of(buffer("", id, 0, 8, BufferType.Weights))));
            refused("InvalidName", () -> client.put(List.of(buffer("n".repeat(1025), id, 0, 8, BufferType.Weights))));
            refused("InvalidName",
                    () -> client.putFile("../../etc/passwd", Files.writeString(folder.resolve("x"), "x")));
        }
    }

    @Test
    @DisplayName("is refused memory that the device has not, or sizes that make no sense, and goes on")
    void refusesMemoryThatIsNotThere() throws IOException {
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            refused("OutOfMemory", () -> client.allocate((1L << 30) + 1, BufferType.Weights));
            refused("InvalidSize", () -> client.allocate(0, BufferType.Weights));
            refused("InvalidSize", () -> client.allocate(-5, BufferType.Weights));
            refused("InvalidSize", () -> client.allocate(Long.MAX_VALUE, BufferType.Weights));

            assertThat(sidecar.device().usedBytes()).isZero();
            assertThat(client.allocate(1L << 30, BufferType.Weights).segment().byteSize()).isEqualTo(1L << 30);
        }
    }

    @Test
    @DisplayName("can add nothing after its commit, and cannot attach to what it wrote itself")
    void canAddNothingAfterItsCommit() throws IOException {
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            SharedMemory memory = client.allocate(4096, BufferType.Weights);
            client.commit();

            refused("Committed", () -> client.allocate(4096, BufferType.Weights));
            refused("Committed", () -> client.put(List.of(buffer("a", memory.id(), 0, 8, BufferType.Weights))));
            refused("Committed", () -> client.putFile("f", Files.writeString(folder.resolve("x"), "x")));
            refused("Committed", client::commit);
            refused("WrongMode", client::attach);
            assertThat(memory.segment().isReadOnly()).isTrue();
        }
    }

    @Test
    @DisplayName("finds its memory sealed after the commit: not even a descriptor it kept can be mapped writable")
    void findsItsMemorySealedAfterTheCommit() throws IOException {
        try (FramedSocket socket = FramedSocket.connect(config.socket())) {
            socket.send(HELLO);
            socket.receive();
            socket.send(new EngineMessage.Alloc(4096, BufferType.Weights));
            Frame allocated = socket.receive();
            try (Memfd kept = Memfd.received(allocated.descriptors().getFirst())) {
                try (Arena writing = Arena.ofConfined()) {
                    kept.map(true, writing).set(ValueLayout.JAVA_BYTE, 0, (byte) 3);
                }
                socket.send(new EngineMessage.Commit());
                assertThat(socket.receive().message()).isEqualTo(new EngineMessage.Committed());

                try (Arena arena = Arena.ofConfined()) {
                    assertThatThrownBy(() -> kept.map(true, arena)).hasMessageContaining("operation not permitted");
                    assertThat(kept.map(false, arena).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 3);
                }
            }
        }
    }

    @Test
    @DisplayName("that comes back after the commit finds the same generation with the same bytes, and asks no more of it")
    void findsTheSameGenerationAgain() throws IOException {
        String generation;
        try (EngineClient first = FakeEngine.connect(config, HELLO)) {
            generation = first.welcome().generation();
            FakeEngine.load(first, folder);
        }

        try (EngineClient again = FakeEngine.connect(config, HELLO)) {
            assertThat(again.welcome().mode()).isEqualTo(Mode.Attach);
            assertThat(again.welcome().generation()).isEqualTo(generation);
            var attachment = again.attach();
            again.await("matrix");
            again.await(null);
            assertThat(FakeEngine.bytes(attachment, "matrix")).isEqualTo(FakeEngine.MATRIX);
            assertThat(FakeEngine.bytes(attachment, "bias")).isEqualTo(FakeEngine.BIAS);
            assertThat(FakeEngine.file(attachment, "graph.onnx")).isEqualTo(FakeEngine.GRAPH);
            refused("WrongMode", () -> again.allocate(4096, BufferType.Weights));
        }
    }

    @Test
    @DisplayName("of an engine with another compatibility releases the committed memory and begins anew")
    void anotherEngineBeginsAnew() throws IOException {
        try (EngineClient first = FakeEngine.connect(config, HELLO)) {
            FakeEngine.load(first, folder);
        }

        try (EngineClient other = FakeEngine.connect(config, FakeEngine.OTHER_DTYPE)) {
            assertThat(other.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(sidecar.device().usedBytes()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"type\":\"COMMIT\"}", "{\"type\":\"HELLO\",\"protocol\":1,\"compatibility\":{}}",
            "{\"type\":\"NONSENSE\"}", "null", "GET / HTTP/1.1"})
    @DisplayName("that begins with nonsense is ended; the next engine is served")
    void nonsenseEndsOneConnectionOnly(String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(config.socket()))) {
            raw.write(ByteBuffer.allocate(4 + bytes.length).putInt(bytes.length).put(bytes).flip());

            assertThat(raw.read(ByteBuffer.allocate(1))).as("end of the connection").isEqualTo(-1);
        }

        try (EngineClient next = FakeEngine.connect(config, HELLO)) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Create);
        }
    }

    @Test
    @DisplayName("that sends a buffer without a name is ended and its memory released; the next engine is served")
    void aBufferWithoutANameEndsTheConnection() throws IOException {
        byte[] body = "{\"type\":\"PUT_META\",\"buffers\":[{\"allocation\":0,\"shape\":[]}]}"
                .getBytes(StandardCharsets.UTF_8);
        byte[] hello = ("{\"type\":\"HELLO\",\"protocol\":1,\"engine\":\"e\",\"engineVersion\":\"1\","
                + "\"compatibility\":{}}").getBytes(StandardCharsets.UTF_8);
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(config.socket()))) {
            raw.write(ByteBuffer.allocate(8 + hello.length + body.length)
                    .putInt(hello.length)
                    .put(hello)
                    .putInt(body.length)
                    .put(body)
                    .flip());
            ByteBuffer welcome = ByteBuffer.allocate(4096);

            while (raw.read(welcome) > 0) {
                assertThat(welcome.hasRemaining()).isTrue();
            }

            assertThat(new String(welcome.array(), 4, welcome.position() - 4, StandardCharsets.UTF_8))
                    .contains("WELCOME")
                    .contains("Create");
        }

        try (EngineClient next = FakeEngine.connect(config, HELLO)) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Create);
        }
    }

    private static void refused(String code, ThrowingCallable request) {
        assertThatThrownBy(request).isInstanceOfSatisfying(SnapshotRefusedException.class,
                refusal -> assertThat(refusal.code()).isEqualTo(code));
    }
}

package dev.dormouse.sidecar.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.transport.Frame;
import dev.dormouse.sidecar.transport.MemoryFile;
import dev.dormouse.sidecar.transport.MessageChannel;
import dev.dormouse.sidecar.transport.ProtocolException;
import dev.dormouse.sidecar.transport.UnixListener;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the client makes of a sidecar that is missing, refuses, lies or dies; the agent's tests show the good case. */
class EngineClientTest {
    private static final EngineMessage.Hello HELLO = new EngineMessage.Hello(1, "fake", "1", Map.of());
    private static final EngineMessage.Welcome CREATE = new EngineMessage.Welcome(1, EngineMessage.Mode.Create, "",
            null, EngineMessage.Memory.Host, null);

    @TempDir
    Path folder;

    @Test
    void anEngineThatStartsBeforeItsSidecarWaitsForIt() throws Exception {
        CompletableFuture<EngineClient> engine = CompletableFuture.supplyAsync(() -> connect(Duration.ofSeconds(20)));
        try (UnixListener listener = UnixListener.bind(socket());
                MessageChannel sidecar = listener.accept().orElseThrow()) {
            assertThat(next(sidecar)).isEqualTo(HELLO);
            sidecar.send(CREATE);

            try (EngineClient client = engine.get()) {
                assertThat(client.welcome()).isEqualTo(CREATE);
            }
        }
    }

    @Test
    void aSidecarThatNeverComesIsToldWithItsSocket() {
        assertThatThrownBy(() -> EngineClient.connect(socket(), HELLO, Duration.ofMillis(20)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("No sidecar listens at " + socket());
    }

    @Test
    void aSidecarThatDiesInTheMiddleOfARequestIsAnError() throws Exception {
        try (Conversation talk = new Conversation()) {
            CompletableFuture<Void> waiting = CompletableFuture.runAsync(() -> {
                try {
                    talk.client.await(null);
                } catch (IOException | SnapshotRefusedException e) {
                    throw new CompletionException(e);
                }
            });
            next(talk.sidecar);

            talk.sidecar.close();

            assertThatThrownBy(waiting::join).hasCauseInstanceOf(EOFException.class)
                    .hasMessageContaining("The sidecar closed the connection");
        }
    }

    @Test
    void memoryThatIsSmallerThanPromisedIsNotMapped() throws Exception {
        try (Conversation talk = new Conversation(); MemoryFile small = MemoryFile.create("small", 10)) {
            talk.sidecar.send(new EngineMessage.Allocated(1, 1, 1_000_000), List.of(small.descriptor().number()));

            assertThatThrownBy(() -> talk.client.allocate(1_000_000, BufferType.Weights))
                    .hasMessage("Cannot map 1000000 bytes of memory that has 10");
        }
    }

    @Test
    void anAnswerToAnotherQuestionIsAProtocolError() throws Exception {
        try (Conversation talk = new Conversation()) {
            talk.sidecar.send(new EngineMessage.Waited());

            assertThatThrownBy(() -> talk.client.allocate(1, BufferType.Weights))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageContaining("Waited");
        }
    }

    @Test
    void aRefusalCarriesItsCode() throws Exception {
        try (Conversation talk = new Conversation()) {
            talk.sidecar.send(new EngineMessage.Failed("ChecksumMismatch", "chunk 7"));

            assertThatThrownBy(() -> talk.client.await(null)).isInstanceOfSatisfying(SnapshotRefusedException.class,
                    e -> assertThat(e.code()).isEqualTo("ChecksumMismatch")).hasMessage("ChecksumMismatch: chunk 7");
        }
    }

    private Path socket() {
        return folder.resolve("s");
    }

    private EngineClient connect(Duration timeout) {
        try {
            return EngineClient.connect(socket(), HELLO, timeout);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static EngineMessage next(MessageChannel sidecar) throws IOException {
        try (Frame frame = sidecar.receive().orElseThrow()) {
            return frame.message();
        }
    }

    /** A client that has been welcomed, and the sidecar's end of its connection. */
    private final class Conversation implements AutoCloseable {
        private final UnixListener listener = UnixListener.bind(socket());
        private final MessageChannel sidecar;
        private final EngineClient client;

        Conversation() throws Exception {
            CompletableFuture<EngineClient> engine = CompletableFuture
                    .supplyAsync(() -> connect(Duration.ofSeconds(20)));
            sidecar = listener.accept().orElseThrow();
            next(sidecar);
            sidecar.send(CREATE);
            client = engine.get();
        }

        @Override
        public void close() throws IOException {
            client.close();
            sidecar.close();
            listener.close();
        }
    }
}

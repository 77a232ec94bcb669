package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.api.EngineMessage.Probe;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class WarmupInferenceTest {

    @Test
    @DisplayName("H28: the request is a real POST to the engine, and its time is measured")
    void aRealRequestIsSent() throws Exception {
        try (FakeEngine engine = new FakeEngine("127.0.0.1")) {
            long micros = to(engine).send(request("/v1/embeddings?x=1"));

            assertThat(micros).isPositive();
            assertThat(engine.requests()).containsExactly("POST /v1/embeddings?x=1 {\"input\":[\"a\"]}");
        }
    }

    @Test
    void anAnswerThatIsNoSuccessIsToldWithItsBeginning() throws Exception {
        try (FakeEngine engine = new FakeEngine("127.0.0.1").answering(500, "out of memory " + "x".repeat(1000))) {
            assertThatThrownBy(() -> to(engine).send(request("/v1/embeddings")))
                    .isInstanceOf(IOException.class)
                    .hasMessageStartingWith("the engine answered POST /v1/embeddings with 500: out of memory x")
                    .message()
                    .hasSizeLessThan(400);
            assertThat(engine.requests()).hasSize(1);
        }
    }

    @Test
    void anEngineThatDoesNotListenIsAnError() throws Exception {
        FakeEngine gone = new FakeEngine("127.0.0.1");
        gone.close();

        assertThatThrownBy(() -> to(gone).send(request("/x"))).isInstanceOf(ConnectException.class);
    }

    @Test
    @DisplayName("H66: a request that is answered slowly for ever can be ended")
    void aHangingAnswerCanBeEnded() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        try (FakeEngine engine = new FakeEngine("127.0.0.1").hangingUntil(end)) {
            WarmupInference inference = to(engine);
            CompletableFuture<Throwable> outcome = new CompletableFuture<>();
            Thread.ofPlatform().start(() -> {
                try {
                    inference.send(request("/x"));
                    outcome.complete(new AssertionError("answered"));
                } catch (Exception e) {
                    outcome.complete(e);
                }
            });
            await().until(() -> engine.requests().size() == 1);

            inference.cancel();

            assertThat(outcome.get()).isInstanceOf(SocketException.class);
            assertThatThrownBy(() -> inference.send(request("/x"))).hasMessageContaining("cancelled");
            end.countDown();
        }
    }

    private static WarmupInference to(FakeEngine engine) {
        return new WarmupInference("127.0.0.1", engine.port(), Duration.ofMinutes(1));
    }

    private static WarmupRequest request(String path) throws RefusedException {
        return WarmupRequest.of(new Probe(path, "{\"input\":\"@batch\"}", "a"), 1);
    }
}

package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** By which part of a request its model is found (BL28). */
class RoutingTest {
    private final FakeEngine engine = new FakeEngine(FakeEngine.echo());
    private final FakeCluster cluster = new FakeCluster(1);

    RoutingTest() throws IOException {
        cluster.model(10);
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.get("/models/default/minilm/x").statusCode() == 200);
    }

    @AfterEach
    void close() {
        cluster.close();
        engine.close();
    }

    private int send(HttpRequest.Builder request) {
        return cluster.http.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString()).join().statusCode();
    }

    private String lastSeen() {
        return engine.seen().getLast().uri();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings",
            "/v1/audio/speech", "/v1/images/generations", "/v1/rerank", "/v1/messages", "/rerank?top=3"})
    @DisplayName("Every path of an OpenAI client reaches the engine as it is")
    void everyPath(String path) {
        assertThat(send(cluster.request(path).POST(HttpRequest.BodyPublishers.ofString("{\"model\":\"minilm\"}"))))
                .isEqualTo(200);
        assertThat(lastSeen()).isEqualTo(path);
    }

    @Test
    @DisplayName("A multipart form, byte for byte")
    void multipart() {
        String form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b\r\n"
                + "Content-Disposition: form-data; name=\"model\"\r\n\r\nminilm\r\n--b--\r\n";

        assertThat(send(cluster.request("/v1/audio/transcriptions")
                .header("Content-Type", "multipart/form-data; boundary=b")
                .POST(HttpRequest.BodyPublishers.ofString(form)))).isEqualTo(200);
        assertThat(engine.seen().getLast().body()).isEqualTo(form);
    }

    @Test
    @DisplayName("Header, query and full name; a compressed body is untouched when something else names the model")
    void headerAndQuery() {
        assertThat(send(cluster.request("/v1/audio/voices").header("X-Dormouse-Model", "minilm"))).isEqualTo(200);
        assertThat(send(cluster.request("/v1/audio/voices?model=default%2Fminilm"))).isEqualTo(200);
        assertThat(lastSeen()).isEqualTo("/v1/audio/voices?model=default%2Fminilm");
        HttpRequest.BodyPublisher squeezed = HttpRequest.BodyPublishers.ofString("not really gzip");
        assertThat(send(cluster.request("/v1/embeddings").header("Content-Encoding", "gzip").POST(squeezed)))
                .isEqualTo(400);
        assertThat(send(cluster.request("/v1/embeddings")
                .header("Content-Encoding", "gzip")
                .header("X-Dormouse-Model", "minilm")
                .POST(squeezed))).isEqualTo(200);
        assertThat(engine.seen().getLast().body()).isEqualTo("not really gzip");
        assertThat(engine.seen().getLast().headers().getFirst("Content-Encoding")).isEqualTo("gzip");
    }
}

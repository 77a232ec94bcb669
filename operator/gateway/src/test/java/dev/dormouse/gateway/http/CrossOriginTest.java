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

/** BL26: pages of chosen origins may use the gateway from a browser. */
class CrossOriginTest {
    private static final String PAGE = "https://chat.example";
    private static final String ALLOWED = "Access-Control-Allow-Origin";

    /** Like vLLM, which lets everybody read its answers unless it is told otherwise. */
    private final FakeEngine engine = new FakeEngine((exchange, body) -> {
        exchange.getResponseHeaders().add(ALLOWED, "*");
        exchange.sendResponseHeaders(200, -1);
    });
    private FakeCluster cluster = FakeCluster.forPagesOf(PAGE, "http://localhost:3000");

    CrossOriginTest() throws IOException {
        serve();
    }

    private void serve() {
        cluster.model(10);
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.get("/models/default/minilm/x").statusCode() == 200);
    }

    @AfterEach
    void close() {
        cluster.close();
        engine.close();
    }

    private HttpResponse<String> preflight(String origin, String path, String headers) {
        return send(cluster.request(path)
                .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", headers));
    }

    private HttpResponse<String> send(HttpRequest.Builder request) {
        return cluster.http.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString()).join();
    }

    @Test
    @DisplayName("BL26: a preflight is answered by the gateway itself, with what was asked for")
    void preflights() {
        HttpResponse<String> answer = preflight(PAGE, "/v1/chat/completions", "authorization, content-type");

        assertThat(answer.statusCode()).isEqualTo(204);
        assertThat(answer.headers().firstValue(ALLOWED)).contains(PAGE);
        assertThat(answer.headers().firstValue("Vary")).contains("Origin");
        assertThat(answer.headers().firstValue("Access-Control-Allow-Methods").orElse("")).contains("POST");
        assertThat(answer.headers().firstValue("Access-Control-Allow-Headers"))
                .contains("authorization, content-type");
        assertThat(engine.seen()).extracting(FakeEngine.Seen::method).doesNotContain("OPTIONS");
    }

    @Test
    @DisplayName("BL26: what is not a list of header names is not repeated to anybody")
    void oddNames() {
        assertThat(preflight(PAGE, "/v1/chat/completions", "x<script>").headers()
                .firstValue("Access-Control-Allow-Headers")).isEmpty();
    }

    @Test
    @DisplayName("BL26: answers say once who may read them, errors too, whatever the engine says")
    void answers() {
        assertThat(
                send(cluster.request("/models/default/minilm/x").header("Origin", PAGE)).headers().allValues(ALLOWED))
                .containsExactly(PAGE);
        HttpResponse<String> error = send(cluster.request("/v1/models/none").header("Origin", PAGE));
        assertThat(error.statusCode()).isEqualTo(404);
        assertThat(error.headers().allValues(ALLOWED)).containsExactly(PAGE);
        assertThat(error.headers().firstValue("Access-Control-Expose-Headers").orElse("")).contains("Retry-After");
    }

    @Test
    @DisplayName("BL26: other origins are told nothing by the gateway, and a * is for all")
    void others() {
        assertThat(preflight("https://evil.example", "/v1/chat/completions", "content-type").headers()
                .firstValue(ALLOWED)).isEmpty();
        cluster.close();
        cluster = FakeCluster.forPagesOf("*");
        serve();

        assertThat(preflight("https://evil.example", "/v1/chat/completions", "content-type").headers()
                .firstValue(ALLOWED)).contains("*");
    }
}

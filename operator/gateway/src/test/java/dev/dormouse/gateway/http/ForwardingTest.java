package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static dev.dormouse.gateway.http.FakeCluster.error;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.fleet.ModelKey;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Requests for a model that is awake: which one is meant, and what passes through. */
class ForwardingTest {

    @Test
    @DisplayName("BL29, BL51: the body reaches the engine byte for byte, chosen by its model; hop-by-hop headers do not")
    void bodyAndHeaders() throws Exception {
        try (FakeEngine engine = new FakeEngine(FakeEngine.echo()); FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);
            String body = "{ \"input\": {\"model\": \"not this\"}, \"x\": 1.50,\t\"model\": \"minilm\" }\n";
            try (Socket client = new Socket(InetAddress.getLoopbackAddress(), cluster.gateway.port())) {
                client.getOutputStream()
                        .write(("POST /v1/embeddings?a=b%20c HTTP/1.1\r\nHost: models.example\r\nAuthorization: Bearer t\r\n"
                                + "Connection: close, X-Secret\r\nX-Secret: s\r\nTE: trailers\r\nContent-Length: "
                                + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
                String answer = new String(client.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
                assertThat(answer).startsWith("HTTP/1.1 200").endsWith(body).doesNotContain("X-Dormouse-Wake");
            }

            FakeEngine.Seen seen = engine.seen().getFirst();
            assertThat(seen.body()).isEqualTo(body);
            assertThat(seen.uri()).isEqualTo("/v1/embeddings?a=b%20c");
            assertThat(seen.headers().getFirst("Authorization")).isEqualTo("Bearer t");
            assertThat(seen.headers().getFirst("X-Forwarded-Host")).isEqualTo("models.example");
            assertThat(seen.headers()).doesNotContainKeys("X-secret", "Te");
        }
    }

    @Test
    @DisplayName("BL29, BL31: /models/<namespace>/<name>/... chooses by path and strips it; GET works too")
    void byPath() throws Exception {
        try (FakeEngine engine = new FakeEngine(FakeEngine.echo()); FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);

            assertThat(cluster.get("/models/default/minilm/health?full=1").statusCode()).isEqualTo(200);
            assertThat(engine.seen().getFirst().uri()).isEqualTo("/health?full=1");
            assertThat(cluster.get("/models/default/other/health").statusCode()).isEqualTo(404);
        }
    }

    @Test
    @DisplayName("L7, L45, BL27: unknown 404, missing and malformed 400, ambiguous 400, all in OpenAI's envelope")
    void wrongRequests() {
        try (FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            ModelKey twin = new ModelKey("other", "minilm");
            cluster.gateway.cluster().modelSeen(FakeCluster.route(twin, 1, Duration.ofMillis(1)));

            assertError(cluster.ask("{\"model\":\"nobody\"}"), 404, "model_not_found", "nobody");
            assertError(cluster.ask("{\"input\":1}"), 400, "missing_model", "names no model");
            assertError(cluster.ask(""), 400, "missing_model", "names no model");
            assertError(cluster.ask("{\"model\":\"minilm\", "), 400, "invalid_json", "line 1");
            assertError(cluster.ask("[\"model\"]"), 400, "invalid_json", "object");
            assertError(cluster.ask("{\"model\":7}"), 400, "invalid_json", "string");
            assertError(cluster.ask("{\"model\":\"minilm\"} x"), 400, "invalid_json", "");
            assertError(cluster.ask("{\"model\":\"minilm\"}"), 400, "ambiguous_model",
                    "default/minilm and other/minilm");
            assertError(cluster.ask("{\"model\":\"other/minilm\"}"), 504, "wake_timeout", "other/minilm");
            assertError(cluster.get("/favicon.ico"), 404, "path_not_found", "/favicon.ico");
        }
    }

    private static void assertError(HttpResponse<String> answer, int status, String code, String message) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(status);
        assertThat(error(answer).path("code").asText()).isEqualTo(code);
        assertThat(error(answer).path("message").asText()).contains(message);
        assertThat(error(answer).has("type")).isTrue();
        assertThat(error(answer).has("param")).isTrue();
        assertThat(FakeCluster.json(answer.body()).path("src").asText()).isEqualTo("dormouse");
    }

    @Test
    @DisplayName("BL30: GET /v1/models lists every model under the name that reaches it")
    void list() {
        try (FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            assertThat(FakeCluster.json(cluster.get("/v1/models").body()).toString())
                    .isEqualTo("{\"object\":\"list\",\"data\":[{\"id\":\"minilm\",\"object\":\"model\",\"created\":0,"
                            + "\"owned_by\":\"default\",\"status\":\"unloaded\",\"aliases\":[]}]}");
            cluster.gateway.cluster()
                    .modelSeen(
                            FakeCluster.route(new ModelKey("other", "minilm"), 1, Duration.ofSeconds(1)));

            await().atMost(PATIENCE)
                    .until(() -> FakeCluster.json(cluster.get("/v1/models").body()).findValuesAsText("id"),
                            java.util.List.of("default/minilm", "other/minilm")::equals);
            assertThat(cluster.get("/v1/models/default/minilm").statusCode()).isEqualTo(200);
            assertThat(cluster.get("/v1/models/nobody").statusCode()).isEqualTo(404);
        }
    }

    @Test
    @DisplayName("A body larger than the peek limit is streamed if it names its model early, else 413")
    void largeBodies() throws Exception {
        try (FakeEngine engine = new FakeEngine(FakeEngine.echo());
                FakeCluster cluster = new FakeCluster(1, Duration.ofSeconds(1), 1024)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);
            String filler = "x".repeat(3_000_000);

            HttpResponse<String> early = cluster.ask("{\"model\":\"minilm\",\"input\":\"" + filler + "\"}");
            assertThat(early.statusCode()).isEqualTo(200);
            assertThat(early.body()).hasSize(filler.length() + 29);
            assertError(cluster.ask("{\"input\":\"" + filler + "\",\"model\":\"minilm\"}"), 413, "request_too_large",
                    "1024");
            HttpRequest chunked = cluster.request("/models/default/minilm/x")
                    .POST(HttpRequest.BodyPublishers.fromPublisher(HttpRequest.BodyPublishers.ofString(filler)))
                    .build();
            assertThat(cluster.http.send(chunked, HttpResponse.BodyHandlers.ofString()).body()).isEqualTo(filler);
        }
    }

    @Test
    @DisplayName("BL51: server-sent events arrive line by line, while the engine still writes")
    void serverSentEvents() throws Exception {
        CountDownLatch secondMayGo = new CountDownLatch(1);
        try (FakeEngine engine = new FakeEngine((exchange, body) -> {
            exchange.getResponseHeaders().add("Content-Type", "text/event-stream");
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write("data: one\n\n".getBytes(StandardCharsets.UTF_8));
            exchange.getResponseBody().flush();
            secondMayGo.await();
            exchange.getResponseBody().write("data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8));
        }); FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);

            HttpResponse<InputStream> answer = cluster.http.send(cluster.post("{\"model\":\"minilm\",\"stream\":true}"),
                    HttpResponse.BodyHandlers.ofInputStream());
            BufferedReader lines = new BufferedReader(
                    new InputStreamReader(answer.body(), StandardCharsets.UTF_8));
            assertThat(lines.readLine()).isEqualTo("data: one");
            assertThat(cluster.inFlight()).isEqualTo(1);
            secondMayGo.countDown();

            assertThat(lines.readAllAsString()).isEqualTo("\ndata: [DONE]\n\n");
            assertThat(answer.headers().firstValue("Content-Type")).contains("text/event-stream");
            await().atMost(PATIENCE).until(() -> cluster.inFlight() == 0);
        }
    }

    @Test
    @DisplayName("BL51: an engine that dies mid-answer breaks the client's answer visibly")
    void engineDiesMidAnswer() throws Exception {
        try (DyingEngine engine = new DyingEngine("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
                FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);

            assertThatThrownBy(() -> cluster.ask("{\"model\":\"minilm\"}")).isInstanceOf(CompletionException.class)
                    .hasCauseInstanceOf(IOException.class);
            await().atMost(PATIENCE).until(() -> cluster.inFlight() == 0);
        }
    }

    @Test
    @DisplayName("An engine that dies before it answers is 502")
    void engineDiesBeforeItAnswers() throws Exception {
        try (DyingEngine engine = new DyingEngine(""); FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);

            assertError(cluster.ask("{\"model\":\"minilm\"}"), 502, "upstream_failed", "before it answered");
            await().atMost(PATIENCE).until(() -> cluster.inFlight() == 0);
        }
    }

    @Test
    @DisplayName("L14, L18: a client that leaves mid-answer ends the engine's work and frees its place")
    void clientLeavesMidAnswer() throws Exception {
        CountDownLatch noticed = new CountDownLatch(1);
        try (FakeEngine engine = new FakeEngine((exchange, body) -> {
            exchange.sendResponseHeaders(200, 0);
            try {
                while (true) {
                    exchange.getResponseBody().write(new byte[8192]);
                }
            } catch (IOException e) {
                noticed.countDown();
            }
        }); FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(1);
            cluster.pod("p", engine.port(), true);

            String body = "{\"model\":\"minilm\"}";
            try (Socket client = new Socket(InetAddress.getLoopbackAddress(), cluster.gateway.port())) {
                client.getOutputStream()
                        .write(("POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
                assertThat(client.getInputStream().readNBytes(100_000)).hasSize(100_000);
                assertThat(cluster.inFlight()).isEqualTo(1);
            }

            await().atMost(PATIENCE)
                    .until(() -> cluster.internal("/metrics")
                            .body()
                            .contains("disconnects_total{model=\"default/minilm\"} 1.0"));
            assertThat(noticed.await(PATIENCE.toSeconds(), java.util.concurrent.TimeUnit.SECONDS)).isTrue();
            await().atMost(PATIENCE).until(() -> cluster.inFlight() == 0);
        }
    }
}

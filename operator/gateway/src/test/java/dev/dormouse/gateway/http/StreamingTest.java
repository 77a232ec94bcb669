package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.gateway.http.PuppetEngine.Wire;
import dev.dormouse.gateway.route.ModelRoute.ColdStart;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Both ends of a request, byte by byte (BL51). */
class StreamingTest {
    private static final String POST = "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\n";
    private static final String STREAM = "{\"model\":\"minilm\",\"stream\":true}";
    private static final String SSE = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    private static final long MUCH = 256L << 20;
    /** What sockets and the two ends of the gateway may hold. */
    private static final long BUFFERS = 32L << 20;

    private final PuppetEngine engine = new PuppetEngine();
    private FakeCluster cluster = new FakeCluster(1);

    StreamingTest() throws IOException {}

    @AfterEach
    void close() throws IOException {
        cluster.close();
        engine.close();
    }

    private void awake() {
        cluster.model(10);
        cluster.pod("p", engine.port(), true);
    }

    private Wire client() throws IOException {
        return PuppetEngine.connect(cluster.gateway.port());
    }

    private static String post(String body) {
        return POST + "Content-Length: " + body.length() + "\r\n\r\n" + body;
    }

    private static String chunk(String text) {
        return Integer.toHexString(text.length()) + "\r\n" + text + "\r\n";
    }

    @Test
    @DisplayName("BL51: a client that leaves in the middle of its body, beyond the peek, while it is held, frees its place")
    void clientLeavesBeyondThePeekWhileHeld() throws IOException {
        cluster.close();
        cluster = new FakeCluster(1, Duration.ofSeconds(20), 1024);
        cluster.model(10);
        try (Wire client = client()) {
            client.write(POST + "Content-Length: 1000000000\r\nX-Dormouse-Model: minilm\r\n\r\n" + "x".repeat(100_000));
            await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        }

        await().atMost(PATIENCE).until(() -> cluster.queued() == 0);
    }

    @Test
    @DisplayName("BL51: a client that leaves in the middle of its upload ends the engine's request")
    void clientLeavesMidUpload() throws IOException {
        awake();
        Wire client = client();
        client.write(POST + "Content-Length: 1000000000\r\nX-Dormouse-Model: minilm\r\n\r\n");
        assertThat(client.writeUntilFull(MUCH)).as("back-pressure up").isLessThan(BUFFERS);
        try (Wire upstream = engine.accept()) {
            client.close();

            assertThat(upstream.ended()).isTrue();
        }
        await().atMost(PATIENCE).until(() -> cluster.inFlight() == 0);
    }

    @Test
    @DisplayName("An answer comes no faster than the client reads")
    void backPressureDown() throws IOException {
        awake();
        try (Wire client = client()) {
            client.write(post(STREAM));
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");

                assertThat(upstream.writeUntilFull(MUCH)).isLessThan(BUFFERS);
            }
        }
    }

    @Test
    @DisplayName("Trailers of an answer reach the client, except those that would frame it")
    void trailers() throws IOException {
        awake();
        try (Wire client = client();) {
            client.write(post(STREAM));
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                upstream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n" + chunk("body")
                        + "0\r\nx-sum: 42\r\nContent-Length: 9\r\n\r\n");

                assertThat(client.readHead()).startsWith("HTTP/1.1 200");
                assertThat(client.readHead()).contains("body").contains("x-sum: 42").doesNotContain("ontent-");
            }
        }
    }

    @Test
    @DisplayName("A WebSocket is passed through, handshake and bytes both ways, and its end as well")
    void webSocket() throws IOException {
        awake();
        try (Wire client = client()) {
            client.write("GET /v1/realtime?model=minilm HTTP/1.1\r\nHost: g\r\nConnection: keep-alive, Upgrade\r\n"
                    + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a2V5\r\n\r\n");
            try (Wire upstream = engine.accept()) {
                assertThat(upstream.readHead().toLowerCase(java.util.Locale.ROOT)).contains("upgrade: websocket")
                        .contains("connection: upgrade")
                        .contains("sec-websocket-key: a2v5");
                upstream.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        + "Sec-WebSocket-Accept: yes\r\n\r\nhello");
                assertThat(client.readHead()).startsWith("HTTP/1.1 101")
                        .containsIgnoringCase("sec-websocket-accept: yes");
                assertThat(client.readThrough("hello")).isEqualTo("hello");
                client.write("\u0081\u0005world");
                assertThat(upstream.readThrough("world")).endsWith("world");
                assertThat(cluster.inFlight()).isEqualTo(1);
            }
            assertThat(client.ended()).isTrue();
        }
        await().atMost(PATIENCE).until(() -> cluster.inFlight() == 0);
    }

    @Test
    @DisplayName("HTTP/2 without TLS is served")
    void h2c() throws IOException {
        awake();
        try (HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build()) {
            HttpRequest request = HttpRequest.newBuilder(cluster.request("/v1/x?model=minilm").build().uri()).build();
            CompletableFuture<HttpResponse<String>> answer = http.sendAsync(request,
                    HttpResponse.BodyHandlers.ofString());
            try (Wire upstream = engine.accept()) {
                assertThat(upstream.readHead()).doesNotContainIgnoringCase("http2-settings");
                upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

                assertThat(answer.join().version()).isEqualTo(HttpClient.Version.HTTP_2);
                assertThat(answer.join().body()).isEqualTo("ok");
            }
        }
    }

    @Test
    @DisplayName("An engine that dies in the middle of a stream is an error event, and no clean end")
    void engineDiesMidStream() throws IOException {
        awake();
        try (Wire client = client()) {
            client.write(post(STREAM));
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                upstream.write(SSE + chunk("data: {\"half\":"));
                client.readThrough("half\":");
            }
            assertThat(client.readAll()).contains("\n\ndata: {\"error\":{")
                    .contains("upstream_failed")
                    .doesNotEndWith("0\r\n\r\n");
        }
    }

    @Test
    @DisplayName("L33, BL11: while it wakes a stream tells phase, position and ETA, fenced from the engine's own events")
    void heartbeat() throws IOException {
        cluster.model(FakeCluster.FROM_VOLUME, ColdStart.Heartbeat);
        try (Wire client = client()) {
            client.write(post(STREAM));

            assertThat(client.readHead()).startsWith("HTTP/1.1 200")
                    .containsIgnoringCase("content-type: text/event-stream")
                    .containsIgnoringCase("x-dormouse-wake: Volume;eta=");
            assertThat(client.readThrough("}]}")).containsPattern(": dormouse phase=Waking eta=[1-3] position=1\n\n")
                    .contains("data: {")
                    .contains("\"reasoning_content\":\"Waking, about ");
            cluster.pod("p", engine.port(), true);
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                upstream.write(SSE + chunk("data: [DONE]\n\n") + "0\r\n\r\n");
                String rest = client.readThrough("\r\n0\r\n\r\n");
                assertThat(rest).contains("\n\n").containsOnlyOnce("data: [DONE]\n\n").doesNotContain("HTTP/1.1");
            }
        }
    }

    @Test
    @DisplayName("BL11: an error behind a heartbeat is an event in the stream")
    void errorBehindHeartbeat() throws IOException {
        cluster.model(FakeCluster.FROM_VOLUME, ColdStart.Heartbeat);
        try (Wire client = client()) {
            client.write(post(STREAM));
            client.readThrough("position=1\n\n");
            cluster.pod("p", engine.port(), true);
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                upstream.write("HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n"
                        + "{\"error\":{\"message\":\n\"oops\"}}\n");
                assertThat(client.readThrough("\r\n0\r\n\r\n")).contains("data: {\"error\":{\"message\": \"oops\"}}");
            }
        }
    }

    @Test
    @DisplayName("A request that asks for no stream gets no heartbeat")
    void noHeartbeatWithoutStream() throws IOException {
        cluster.model(FakeCluster.FROM_VOLUME, ColdStart.Heartbeat);
        String body = "{\"model\":\"minilm\",\"nested\":{\"stream\":true}}";
        try (Wire client = client(); Wire stream = client()) {
            client.write(post(body));
            await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
            stream.write(post(STREAM));
            stream.readThrough("position=2\n\n");

            assertThat(client.socket().getInputStream().available()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"Content-Length: 5\r\nContent-Length: 6", "Content-Length: +5", "Content-Length: 5, 6",
            "Content-Length: -5", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked",
            "Transfer-Encoding : chunked", "X\u0000Y: a", "X: a\u0000b",
            "Transfer-Encoding: chunked\r\nX-Body: bad-size", "Transfer-Encoding: chunked\r\nX-Body: no-end",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nX-Body: good"})
    @DisplayName("A request whose end could be read in two ways is refused, and nothing behind it is read as another")
    void smuggling(String headers) throws IOException {
        awake();
        String body = headers.endsWith("bad-size")
                ? "0x5\r\nhello\r\n0\r\n\r\n"
                : headers.endsWith("no-end") ? "5\r\nhelloX0\r\n\r\n" : "5\r\nhello\r\n0\r\n\r\n";
        try (Wire client = client()) {
            client.write("POST /v1/x?model=minilm HTTP/1.1\r\nHost: g\r\nX-Dormouse-Model: minilm\r\n" + headers
                    + "\r\n\r\n" + body + "GET /v1/models HTTP/1.1\r\nHost: g\r\n\r\n");
            String answer = client.readHead();

            assertThat(answer).as("refused, or cut off").matches("(?s)|HTTP/1.1 400.*");
            assertThat(client.readAll()).doesNotContain("\"object\":\"list\"");
        }
    }

    @Test
    @DisplayName("Headers and request lines are bounded: 431 and 414")
    void longHeaders() throws IOException {
        try (Wire client = client()) {
            client.write("GET /v1/models HTTP/1.1\r\nHost: g\r\nX: " + "x".repeat(70_000) + "\r\n\r\n");
            assertThat(client.readHead()).startsWith("HTTP/1.1 431");
        }
        try (Wire client = client()) {
            client.write("GET /" + "x".repeat(70_000) + " HTTP/1.1\r\nHost: g\r\n\r\n");
            assertThat(client.readHead()).startsWith("HTTP/1.0 414");
        }
    }

    @Test
    @DisplayName("BL12: a client that dawdles over its headers or its body is cut off, one that is held is not; an engine may not be silent")
    void timeouts() throws IOException {
        cluster.close();
        cluster = new FakeCluster(1, new Timeouts(Duration.ofSeconds(1), Duration.ofSeconds(1), Duration.ZERO));
        cluster.model(10);
        try (Wire head = client(); Wire body = client(); Wire held = client()) {
            head.write(POST);
            body.write(POST + "Content-Length: 100\r\n\r\n{");
            held.write(post(STREAM));

            assertThat(head.ended()).isTrue();
            assertThat(body.ended()).isTrue();
            assertThat(cluster.queued()).isEqualTo(1);
            cluster.pod("p", engine.port(), true);
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                assertThat(held.readHead()).startsWith("HTTP/1.1 502");
                assertThat(held.readThrough("}}")).contains("was silent for 1 s");
                assertThat(upstream.ended()).isTrue();
            }
        }
    }

    @Test
    @DisplayName("BL12: a request as a whole may be bounded: 504, and its place is free")
    void totalTime() throws IOException {
        cluster.close();
        cluster = new FakeCluster(1,
                new Timeouts(Duration.ofSeconds(9), Duration.ofSeconds(9), Duration.ofMillis(300)));
        awake();
        try (Wire client = client()) {
            client.write(post(STREAM));
            try (Wire upstream = engine.accept()) {
                upstream.readThrough(STREAM);
                assertThat(client.readHead()).startsWith("HTTP/1.1 504");
                assertThat(upstream.ended()).isTrue();
            }
        }
        assertThat(cluster.inFlight()).isZero();
    }
}

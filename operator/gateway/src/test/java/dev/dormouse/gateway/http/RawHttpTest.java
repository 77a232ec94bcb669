package dev.dormouse.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.gateway.route.PodRoute;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What goes over the wire, byte for byte, on both sides: no HTTP library between the test and the gateway. */
@Timeout(30)
class RawHttpTest {
    private static final ModelKey MODEL = new ModelKey("default", "m");
    private static final int PEEK_BYTES = 1024;
    private static final long IN_ALL = 2048;

    private RawEngine engine;
    private GatewayServer gateway;

    @BeforeEach
    void start() throws IOException {
        engine = new RawEngine();
        ServerSettings settings = new ServerSettings("127.0.0.1", 0, 0, "gw-0", HoldLimits.ofRequests(100, 100), 1,
                new ServerSettings.Peek(PEEK_BYTES, PEEK_BYTES, IN_ALL),
                Duration.ZERO, Duration.ofSeconds(5), 1, Timeouts.DEFAULT, true, false, Optional.empty(), false,
                1 << 20, 1000);
        gateway = GatewayServer.start(settings, (model, at, trace) -> new CompletableFuture<>(),
                Clock.systemUTC());
        gateway.cluster()
                .modelSeen(FakeCluster.route(MODEL, 10, Duration.ofSeconds(20)));
        gateway.cluster()
                .podSeen(new PodRoute("p", MODEL, Optional.of("127.0.0.1"), engine.port(), true, false, false));
        gateway.cluster().synced();
    }

    @AfterEach
    void stop() {
        gateway.close();
        engine.close();
    }

    @Test
    @DisplayName("HEAD: the length is the one a GET would have, no body follows, the connection goes on")
    void head() throws IOException {
        engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");

        String both = exchange("HEAD /models/default/m/x HTTP/1.1\r\nHost: g\r\n\r\n",
                "GET /models/default/m/x HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");

        assertThat(both).containsIgnoringCase("content-length: 77").endsWith("\r\n\r\nhi");
        assertThat(both).containsPattern("\r\n\r\nHTTP/1.1 200");
    }

    @Test
    @DisplayName("204 and 304 carry neither a body nor a framing of one")
    void withoutBody() throws IOException {
        engine.answers("HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n");

        String both = exchange("GET /models/default/m/x HTTP/1.1\r\nHost: g\r\n\r\n",
                "GET /models/default/m/x HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n");

        assertThat(both).startsWith("HTTP/1.1 204").contains("HTTP/1.1 304");
        assertThat(both).doesNotContainIgnoringCase("transfer-encoding");
        assertThat(both).endsWith("\r\n\r\n");
    }

    @Test
    @DisplayName("Pipelined requests are answered in their order")
    void pipelined() throws IOException {
        engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nB");

        String both = exchange(
                post("{\"model\":\"m\",\"n\":1}", "") + post("{\"model\":\"m\",\"n\":2}", "Connection: close\r\n"));

        assertThat(both.indexOf("\r\n\r\nA")).isPositive().isLessThan(both.indexOf("\r\n\r\nB"));
        assertThat(engine.seen).hasSize(2);
        assertThat(engine.seen.getFirst()).endsWith("\"n\":1}");
    }

    @Test
    @DisplayName("A client that asks whether to go on is told so")
    void expectContinue() throws IOException {
        engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        try (Socket client = connect()) {
            RawEngine.write(client,
                    "POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 13\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
            assertThat(RawEngine.readHead(client.getInputStream())).startsWith("HTTP/1.1 100");
            RawEngine.write(client, "{\"model\":\"m\"}");

            assertThat(RawEngine.readAll(client)).startsWith("HTTP/1.1 200").endsWith("ok");
        }
        assertThat(engine.seen.getFirst()).doesNotContainIgnoringCase("expect:");
    }

    @Test
    @DisplayName("A large body may be cut anywhere where the peek ends: behind a comma, within a word or a number")
    void largeBodyCutAnywhere() throws IOException {
        String tail = ",\"stream\":true,\"temperature\":0.75,\"stop\":null,\"n\":-1}";
        for (int cut = 0; cut <= tail.length(); cut++) {
            String head = "{\"model\":\"m\",\"input\":\"";
            String body = head + "x".repeat(PEEK_BYTES - head.length() - 1 - cut) + "\"" + tail + " ".repeat(cut + 1);
            engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            try (Socket client = connect()) {
                String request = post(body, "Connection: close\r\n");
                int peeked = request.length() - body.length() + PEEK_BYTES;
                RawEngine.write(client, request.substring(0, peeked));
                engine.awaitRequestOrAnswer(client);
                RawEngine.write(client, request.substring(peeked));

                assertThat(RawEngine.readAll(client))
                        .as("cut before <%s>", tail.substring(Math.min(cut, tail.length())))
                        .startsWith("HTTP/1.1 200");
            }
            assertThat(engine.seen.getLast()).endsWith(body);
        }
    }

    @Test
    @DisplayName("Bodies that cannot be routed yet are bounded in all: the next is refused, and a finished one makes room")
    void manyBeginnings() throws IOException {
        String head = "POST /v1/x HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n";
        String body = "{\"model\":\"m\",\"input\":\"" + "x".repeat(1000 - 24) + "\"}";
        engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        try (Socket first = connect(); Socket second = connect(); Socket third = connect()) {
            RawEngine.write(first, head + body.substring(0, 999));
            RawEngine.write(second, head + body.substring(0, 999));
            // Arrival is in no order across connections: whichever comes last is refused.
            RawEngine.write(third, head + body.substring(0, 999));
            Socket refused = firstToHear(first, second, third);
            assertThat(RawEngine.readHead(refused.getInputStream())).startsWith("HTTP/1.1 503");

            for (Socket other : List.of(first, second, third)) {
                if (other != refused) {
                    RawEngine.write(other, body.substring(999));
                    assertThat(RawEngine.readAll(other)).startsWith("HTTP/1.1 200");
                }
            }
        }
    }

    private static Socket firstToHear(Socket... sockets) throws IOException {
        while (true) {
            for (Socket socket : sockets) {
                if (socket.getInputStream().available() > 0) {
                    return socket;
                }
            }
            Thread.onSpinWait();
        }
    }

    @Test
    @DisplayName("An engine that answers before it has read the body is heard")
    void earlyAnswer() throws IOException {
        engine.answersAtOnce("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        try (Socket client = connect()) {
            RawEngine.write(client,
                    "POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\n{\"model\":\"m\",\"input\":\""
                            + "x".repeat(PEEK_BYTES * 2));

            assertThat(RawEngine.readHead(client.getInputStream())).startsWith("HTTP/1.1 413");
        }
    }

    @Test
    @DisplayName("An answer that ends with its connection arrives whole, and the next request finds a new one")
    void untilClose() throws IOException {
        engine.answers("HTTP/1.0 200 OK\r\n\r\nall of it", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

        String first = exchange(post("{\"model\":\"m\"}", "Connection: close\r\n"));
        String second = exchange(post("{\"model\":\"m\"}", "Connection: close\r\n"));

        assertThat(first).startsWith("HTTP/1.1 200").contains("all of it");
        assertThat(second).endsWith("ok");
    }

    private static String post(String body, String headers) {
        return "POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n" + headers + "Content-Length: "
                + body.length() + "\r\n\r\n" + body;
    }

    private Socket connect() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), gateway.port());
        socket.setSoTimeout(10_000);
        socket.setTcpNoDelay(true);
        return socket;
    }

    /** Sends the parts and reads until the gateway closes. */
    private String exchange(String... parts) throws IOException {
        try (Socket client = connect()) {
            for (String part : parts) {
                RawEngine.write(client, part);
            }
            return RawEngine.readAll(client);
        }
    }

}

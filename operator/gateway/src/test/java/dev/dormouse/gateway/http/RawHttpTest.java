package dev.dormouse.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.gateway.route.PodRoute;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
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

    private Engine engine;
    private GatewayServer gateway;

    @BeforeEach
    void start() throws IOException {
        engine = new Engine();
        ServerSettings settings = new ServerSettings("127.0.0.1", 0, 0, "gw-0", HoldLimits.ofRequests(100, 100), 1,
                PEEK_BYTES, PEEK_BYTES,
                Duration.ZERO, Duration.ofSeconds(5), 1, Timeouts.DEFAULT, true, false, Optional.empty(), false,
                1 << 20);
        gateway = GatewayServer.start(settings, (model, at) -> new CompletableFuture<>(),
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
            write(client,
                    "POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 13\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
            assertThat(readHead(client.getInputStream())).startsWith("HTTP/1.1 100");
            write(client, "{\"model\":\"m\"}");

            assertThat(readAll(client)).startsWith("HTTP/1.1 200").endsWith("ok");
        }
        assertThat(engine.seen.getFirst()).doesNotContainIgnoringCase("expect:");
    }

    @Test
    @DisplayName("A request with two framings never reaches an engine with both")
    void lengthAndChunked() throws IOException {
        engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

        String answer = exchange("POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
                + "Connection: close\r\n\r\nd\r\n{\"model\":\"m\"}\r\n0\r\n\r\n");

        assertThat(answer).containsPattern("^HTTP/1.1 (200|400)");
        for (String seen : engine.seen) {
            assertThat(seen).doesNotContainIgnoringCase("content-length: 5");
            assertThat(seen).endsWith("{\"model\":\"m\"}");
        }
    }

    @Test
    @DisplayName("Two lengths that differ are refused")
    void twoLengths() throws IOException {
        String answer = exchange("POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 13\r\nContent-Length: 14\r\n\r\n"
                + "{\"model\":\"m\"}");

        assertThat(answer).startsWith("HTTP/1.1 400");
        assertThat(engine.seen).isEmpty();
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
                write(client, request.substring(0, peeked));
                engine.awaitRequestOrAnswer(client);
                write(client, request.substring(peeked));

                assertThat(readAll(client)).as("cut before <%s>", tail.substring(Math.min(cut, tail.length())))
                        .startsWith("HTTP/1.1 200");
            }
            assertThat(engine.seen.getLast()).endsWith(body);
        }
    }

    @Test
    @DisplayName("An engine that answers before it has read the body is heard")
    void earlyAnswer() throws IOException {
        engine.answersAtOnce("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        try (Socket client = connect()) {
            write(client,
                    "POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\n{\"model\":\"m\",\"input\":\""
                            + "x".repeat(PEEK_BYTES * 2));

            assertThat(readHead(client.getInputStream())).startsWith("HTTP/1.1 413");
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
                write(client, part);
            }
            return readAll(client);
        }
    }

    private static void write(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        socket.getOutputStream().flush();
    }

    private static String readAll(Socket socket) throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    private static String readHead(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                break;
            }
            head.write(next);
        }
        return head.toString(StandardCharsets.ISO_8859_1);
    }

    /** An engine that answers the bytes it was given, one answer per request, and closes where the answer says so. */
    private static final class Engine implements AutoCloseable {
        private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        private final List<String> answers = new CopyOnWriteArrayList<>();
        /** Requests as they came: head, an empty line, body without its chunks' framing. */
        private final List<String> seen = new CopyOnWriteArrayList<>();
        private final List<Socket> sockets = new CopyOnWriteArrayList<>();
        private volatile boolean atOnce;
        private volatile CompletableFuture<Void> begun = new CompletableFuture<>();

        Engine() throws IOException {
            Thread.ofVirtual().start(() -> {
                try {
                    while (true) {
                        Socket socket = server.accept();
                        sockets.add(socket);
                        Thread.ofVirtual().start(() -> serve(socket));
                    }
                } catch (IOException e) {
                    // closed
                }
            });
        }

        int port() {
            return server.getLocalPort();
        }

        void answers(String... texts) {
            begun = new CompletableFuture<>();
            answers.addAll(List.of(texts));
        }

        void answersAtOnce(String text) {
            atOnce = true;
            answers(text);
        }

        /** Until a request has begun to arrive here, or the gateway has answered it itself. */
        void awaitRequestOrAnswer(Socket client) throws IOException {
            while (!begun.isDone() && client.getInputStream().available() == 0) {
                Thread.onSpinWait();
            }
        }

        private void serve(Socket socket) {
            try (socket) {
                InputStream in = socket.getInputStream();
                for (String head = readHead(in); head.endsWith("\r\n\r\n"); head = readHead(in)) {
                    begun.complete(null);
                    seen.add(atOnce ? head : head + body(head.toLowerCase(java.util.Locale.ROOT), in));
                    String answer = answers.removeFirst();
                    write(socket, answer);
                    if (answer.startsWith("HTTP/1.0") || answer.contains("Connection: close")) {
                        return;
                    }
                }
            } catch (IOException e) {
                // the gateway closed it
            }
        }

        private static String body(String head, InputStream in) throws IOException {
            int at = head.indexOf("content-length: ");
            if (at >= 0) {
                int length = Integer.parseInt(head.substring(at + 16, head.indexOf('\r', at)));
                return new String(in.readNBytes(length), StandardCharsets.ISO_8859_1);
            }
            StringBuilder body = new StringBuilder();
            if (head.contains("transfer-encoding: chunked")) {
                for (int size = size(in); size > 0; size = size(in)) {
                    body.append(new String(in.readNBytes(size), StandardCharsets.ISO_8859_1));
                    in.readNBytes(2);
                }
                in.readNBytes(2);
            }
            return body.toString();
        }

        private static int size(InputStream in) throws IOException {
            StringBuilder line = new StringBuilder();
            for (int next = in.read(); next != '\n'; next = in.read()) {
                line.append((char) next);
            }
            return Integer.parseInt(line.toString().strip(), 16);
        }

        @Override
        public void close() {
            try {
                server.close();
                for (Socket socket : sockets) {
                    socket.close();
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}

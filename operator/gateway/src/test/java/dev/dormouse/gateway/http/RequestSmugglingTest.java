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
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Requests whose end, target or fields a second parser may read differently (RFC 9112, 11.2). Every one is answered 400
 * and its connection closed: what follows on it is nobody's request, and no engine sees a byte.
 */
@Timeout(30)
class RequestSmugglingTest {
    private static final ModelKey MODEL = new ModelKey("default", "m");
    private static final String SMUGGLED = "GET /models/default/m/smuggled HTTP/1.1\r\nHost: g\r\n\r\n";
    private static final String BODY = "{\"model\":\"m\"}";
    private static final String CHUNK = "d\r\n" + BODY + "\r\n";

    private static RawEngine engine;
    private static GatewayServer gateway;

    @BeforeAll
    static void start() throws IOException {
        engine = new RawEngine();
        ServerSettings settings = new ServerSettings("127.0.0.1", 0, 0, "gw-0", HoldLimits.ofRequests(100, 100), 1,
                new ServerSettings.Peek(1024, 1024, 1 << 20), Duration.ZERO, Duration.ofSeconds(5), 1, Timeouts.DEFAULT,
                true, false, Optional.empty(), false,
                1 << 20, 1000);
        gateway = GatewayServer.start(settings, (model, at, trace) -> new CompletableFuture<>(), Clock.systemUTC());
        gateway.cluster().modelSeen(FakeCluster.route(MODEL, 10, Duration.ofSeconds(20)));
        gateway.cluster()
                .podSeen(new PodRoute("p", MODEL, Optional.of("127.0.0.1"), engine.port(), true, false, false));
        gateway.cluster().synced();
    }

    @AfterAll
    static void stop() {
        gateway.close();
        engine.close();
    }

    @ParameterizedTest(name = "{0}")
    @DisplayName("A field line that is folded, or has no clear name or value")
    @CsvSource(delimiter = '|', quoteCharacter = '`', ignoreLeadingAndTrailingWhitespace = false, value = {
            "folded with a space|X-A: 1\\r\\n 2\\r\\n", "folded with a tab|X-A: 1\\r\\n\\t2\\r\\n",
            "a framing hidden in a fold|X-A: 1\\r\\n Transfer-Encoding: chunked\\r\\n",
            "a folded framing|Transfer-Encoding:\\r\\n chunked\\r\\n",
            "a fold of nothing|X-A: 1\\r\\n \\r\\n", "space before the colon|Content-Length : 13\\r\\n",
            "tab before the colon|Content-Length\\t: 13\\r\\n", "space in the name|X A: 1\\r\\n",
            "no colon|X-A\\r\\n", "no name|: 1\\r\\n", "NUL in the value|X-A: 1\\0\\r\\n",
            "NUL in the name|X-\\0A: 1\\r\\n", "bare CR in the value|X-A: 1\\rTransfer-Encoding: chunked\\r\\n",
            "bare LF ends the line|X-A: 1\\n", "vertical tab in the name|\\x0bTransfer-Encoding: chunked\\r\\n",
            "a high byte in the name|X-\\xffA: 1\\r\\n"})
    void fields(String name, String line) throws IOException {
        refused("POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 13\r\n" + bytes(line) + "X-B: 2\r\n\r\n" + BODY);
    }

    @ParameterizedTest(name = "{0}")
    @DisplayName("A body whose length can be read in two ways")
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
            "length, then chunked|Content-Length: 13\\r\\nTransfer-Encoding: chunked",
            "chunked, then length|Transfer-Encoding: chunked\\r\\nContent-Length: 13",
            "length 0 and chunked|Content-Length: 0\\r\\nTransfer-Encoding: chunked",
            "two lengths that differ|Content-Length: 13\\r\\nContent-Length: 14",
            "two lengths that agree|Content-Length: 13\\r\\nContent-Length: 13",
            "a list of lengths|Content-Length: 13, 13",
            "a signed length|Content-Length: +13", "a negative length|Content-Length: -13",
            "a hexadecimal length|Content-Length: 0xd", "no length|Content-Length:",
            "a length with a blank|Content-Length: 1 3", "a length beyond 64 bits|Content-Length: 99999999999999999999",
            "a length with a fraction|Content-Length: 13.0", "chunked twice|Transfer-Encoding: chunked, chunked",
            "two lines of chunked|Transfer-Encoding: chunked\\r\\nTransfer-Encoding: chunked",
            "chunked, then identity|Transfer-Encoding: chunked\\r\\nTransfer-Encoding: identity",
            "compressed and chunked|Transfer-Encoding: gzip, chunked",
            "chunked is not the last|Transfer-Encoding: chunked, gzip",
            "an unknown encoding|Transfer-Encoding: xchunked", "identity|Transfer-Encoding: identity",
            "a parameter|Transfer-Encoding: chunked;q=1", "vertical tab|Transfer-Encoding: \\x0bchunked",
            "nothing|Transfer-Encoding:", "quotes|Transfer-Encoding: \"chunked\""})
    void framing(String name, String lines) throws IOException {
        refused("POST /v1/x HTTP/1.1\r\nHost: g\r\n" + bytes(lines) + "\r\n\r\n" + CHUNK + "0\r\n\r\n");
    }

    @ParameterizedTest(name = "{0}")
    @DisplayName("Chunks that one parser ends elsewhere than another")
    @CsvSource(delimiter = '|', quoteCharacter = '`', ignoreLeadingAndTrailingWhitespace = false, value = {
            "no number|g\\r\\n", "a prefix|0xd\\r\\n", "a sign|+d\\r\\n", "negative|-d\\r\\n", "no size|\\r\\n",
            "blank in front| d\\r\\n", "a blank within|0 d\\r\\n", "bare LF behind the size|d\\n",
            "bare CR in the extension|d;a=\\rb\\r\\n", "beyond 64 bits|FFFFFFFFFFFFFFFFFd\\r\\n",
            "beyond 32 bits, the lower half right|10000000d\\r\\n", "one byte too short|c\\r\\n",
            "bare LF in the extension|d;\\n\\r\\n"})
    void chunkSizes(String name, String size) throws IOException {
        refused("POST /v1/x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n" + bytes(size) + BODY
                + "\r\n0\r\n\r\n");
    }

    @ParameterizedTest(name = "{0}")
    @DisplayName("What follows the last chunk is no place for folds and framings")
    @CsvSource(delimiter = '|', quoteCharacter = '`', ignoreLeadingAndTrailingWhitespace = false, value = {
            "folded|X-A: 1\\r\\n 2\\r\\n", "bare LF|X-A: 1\\n", "no colon|X-A\\r\\n",
            "space before the colon|X-A : 1\\r\\n"})
    void trailers(String name, String trailer) throws IOException {
        refused("POST /v1/x HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK + "0\r\n"
                + bytes(trailer)
                + "\r\n");
    }

    @ParameterizedTest(name = "{0}")
    @DisplayName("A request line, or a host, that is not exactly one")
    @CsvSource(delimiter = '|', quoteCharacter = '`', ignoreLeadingAndTrailingWhitespace = false, value = {
            "no host|GET /models/default/m/x HTTP/1.1\\r\\n",
            "two hosts|GET /models/default/m/x HTTP/1.1\\r\\nHost: g\\r\\nHost: evil\\r\\n",
            "one host twice|GET /models/default/m/x HTTP/1.1\\r\\nHost: g\\r\\nHost: g\\r\\n",
            "a list of hosts|GET /models/default/m/x HTTP/1.1\\r\\nHost: g, evil\\r\\n",
            "a user in the host|GET /models/default/m/x HTTP/1.1\\r\\nHost: g@evil\\r\\n",
            "a path in the host|GET /models/default/m/x HTTP/1.1\\r\\nHost: g/x\\r\\n",
            "a blank in the host|GET /models/default/m/x HTTP/1.1\\r\\nHost: g evil\\r\\n",
            "blank in the target|GET /models/default/m/x y HTTP/1.1\\r\\nHost: g\\r\\n",
            "two blanks|GET  /models/default/m/x HTTP/1.1\\r\\nHost: g\\r\\n",
            "a tab|GET\\t/models/default/m/x HTTP/1.1\\r\\nHost: g\\r\\n",
            "a blank in front| GET /models/default/m/x HTTP/1.1\\r\\nHost: g\\r\\n",
            "bare LF|GET /models/default/m/x HTTP/1.1\\nHost: g\\r\\n",
            "bare CR|GET /models/default/m/x\\r HTTP/1.1\\r\\nHost: g\\r\\n",
            "NUL in the target|GET /models/default/m/x\\0 HTTP/1.1\\r\\nHost: g\\r\\n",
            "a field before the first field| Host: g\\r\\n",
            "the first field is a fold|GET /models/default/m/x HTTP/1.1\\r\\n X: y\\r\\nHost: g\\r\\n",
            "no version|GET /models/default/m/x\\r\\nHost: g\\r\\n",
            "an unknown version|GET /models/default/m/x HTTP/1.2\\r\\nHost: g\\r\\n",
            "a version too high|GET /models/default/m/x HTTP/3.0\\r\\nHost: g\\r\\n",
            "a version in small letters|GET /models/default/m/x http/1.1\\r\\nHost: g\\r\\n",
            "a method that is no token|G(T /models/default/m/x HTTP/1.1\\r\\nHost: g\\r\\n",
            "chunks in HTTP/1.0|POST /v1/x HTTP/1.0\\r\\nHost: g\\r\\nTransfer-Encoding: chunked\\r\\n"})
    void requestLines(String name, String head) throws IOException {
        refused(bytes(head) + "\r\n");
    }

    @ParameterizedTest(name = "{0}")
    @DisplayName("What is unusual and clear is served, and so is what follows it")
    @CsvSource(delimiter = '|', quoteCharacter = '`', ignoreLeadingAndTrailingWhitespace = false, value = {
            "an empty line in front|\\r\\nPOST /v1/x HTTP/1.1\\r\\nHost: g\\r\\nContent-Length: 13\\r\\n\\r\\n{B}",
            "chunked in capitals|POST /v1/x HTTP/1.1\\r\\nhost:g\\r\\nTRANSFER-ENCODING:\\tCHUNKED \\r\\n\\r\\nD\\r\\n{B}\\r\\n0\\r\\n\\r\\n",
            "zeros before the size|POST /v1/x HTTP/1.1\\r\\nHost: g\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n000d\\r\\n{B}\\r\\n00\\r\\n\\r\\n",
            "extension and trailer|POST /v1/x HTTP/1.1\\r\\nHost: [::1]:80\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nd;a=b\\r\\n{B}\\r\\n0;c\\r\\nX-T: 1\\r\\n\\r\\n",
            "letters beyond ASCII in a value|POST /v1/x HTTP/1.1\\r\\nHost: g\\r\\nX-A: \\xff\\r\\nContent-Length: 13\\r\\n\\r\\n{B}",
            "an empty host and an empty field|POST /v1/x HTTP/1.1\\r\\nHost:\\r\\nX-A:\\r\\nContent-Length: 13\\r\\n\\r\\n{B}"})
    void served(String name, String text) throws IOException {
        String all = bytes(text).replace("{B}", BODY)
                + "GET /models/default/m/next HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n";
        for (int step : new int[]{Integer.MAX_VALUE, 1}) {
            engine.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext");
            try (Socket client = connect()) {
                write(client, all, step);
                assertThat(RawEngine.readAll(client)).startsWith("HTTP/1.1 200").contains("ok").endsWith("next");
                assertThat(engine.seen).hasSize(2);
                assertThat(engine.seen.getFirst()).endsWith(BODY);
            } finally {
                engine.seen.clear();
            }
        }
    }

    private static Socket connect() throws IOException {
        Socket client = new Socket(InetAddress.getLoopbackAddress(), gateway.port());
        client.setSoTimeout(10_000);
        client.setTcpNoDelay(true);
        return client;
    }

    private static void write(Socket client, String all, int step) throws IOException {
        for (int at = 0; at < all.length(); at += Math.min(step, all.length() - at)) {
            RawEngine.write(client, all.substring(at, at + Math.min(step, all.length() - at)));
        }
    }

    /** In one piece, and byte by byte: where a read ends decides nothing. */
    private void refused(String text) throws IOException {
        for (int step : new int[]{Integer.MAX_VALUE, 1}) {
            try (Socket client = connect()) {
                try {
                    write(client, text + SMUGGLED, step);
                } catch (IOException e) {
                    // It was closed in the middle; what it said before is still here to be read.
                }
                String answer = RawEngine.readAll(client);
                assertThat(answer).startsWith("HTTP/1.1 400 ");
                assertThat(answer.split("HTTP/1\\.1 ", -1)).as("answers").hasSize(2);
                assertThat(engine.seen).isEmpty();
            } finally {
                engine.seen.clear();
            }
        }
    }

    private static String bytes(String escaped) {
        return escaped.replace("\\r", "\r")
                .replace("\\n", "\n")
                .replace("\\t", "\t")
                .replace("\\0", "\0")
                .replace("\\x0b", "\u000b")
                .replace("\\xff", "\u00ff");
    }
}

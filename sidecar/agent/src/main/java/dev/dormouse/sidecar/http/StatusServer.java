package dev.dormouse.sidecar.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.io.IOException;
import java.io.OutputStream;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * {@code GET /status} (one JSON object, or with {@code ?watch=true} one per line as they change), {@code /livez},
 * {@code /healthz}, {@code /readyz}, {@code /metrics}, the paths of {@link HostRoutes}, and {@code /v1} of {@link SnapshotRoutes}. Each watcher has a
 * thread of its own, so a slow one waits for itself only.
 */
public final class StatusServer implements AutoCloseable {
    /** A watcher hears something at least this often, so that both sides notice a connection that is gone. */
    private static final Duration HEARTBEAT = Duration.ofSeconds(8);
    /** Progress comes in steps no finer than this; a change of phase comes at once. */
    private static final Duration COALESCE = Duration.ofMillis(20);
    private static final int MAX_WATCHERS = 64;
    private static final Duration CERTIFICATE_CHECK = Duration.ofSeconds(10);

    static {
        // Without it a line waits up to 40 ms for the acknowledgement of the one before.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        // A client that never finishes its request would hold its connection for ever (seconds).
        System.setProperty("sun.net.httpserver.maxReqTime", "10");
    }

    /** Made for the first answer: a start that waits for it listens later. */
    private static final class StatusJson {
        static final ObjectWriter WRITER = new ObjectMapper().writerFor(SidecarStatus.class);
    }

    private static final HostRoutes.Answer UNKNOWN = new HostRoutes.Answer(404, "text/plain",
            "unknown path; try /status, /livez, /readyz, /metrics, /hardware, /performance or /v1/snapshots\n");

    private final HttpServer server;
    private final StatusFeed feed;
    private final SnapshotRoutes snapshots;
    private final ReplicaSnapshots replica;
    private final HostRoutes host;
    private final Semaphore watchers = new Semaphore(MAX_WATCHERS);
    private final ExecutorService threads = Executors
            .newThreadPerTaskExecutor(Thread.ofVirtual().name("http-", 0).factory());

    private StatusServer(HttpServer server, StatusFeed feed, SnapshotRoutes snapshots, ReplicaSnapshots replica,
            HostRoutes host) {
        this.host = host;
        this.server = server;
        this.feed = feed;
        this.snapshots = snapshots;
        this.replica = replica;
    }

    /**
     * Starts to listen.
     *
     * @param port 0 takes a free one
     * @param tls folder with {@code tls.crt} and {@code tls.key}, read again when they change; absent: plain http
     * @throws IOException naming the address when it cannot be had, or the file that is no certificate or key
     */
    public static StatusServer start(String address, int port, StatusFeed feed, SnapshotRoutes snapshots,
            ReplicaSnapshots replica, HostRoutes host, @Nullable Path tls) throws IOException {
        HttpServer server;
        try {
            server = bind(new InetSocketAddress(address, port), tls);
        } catch (BindException e) {
            throw new IOException("Cannot listen on " + address + ":" + port + ": " + e.getMessage(), e);
        }
        StatusServer status = new StatusServer(server, feed, snapshots, replica, host);
        server.setExecutor(status.threads);
        server.createContext("/", status::handle);
        server.start();
        return status;
    }

    /**
     * A server that has its address and is not started.
     *
     * @param tls as above
     */
    public static HttpServer bind(InetSocketAddress address, @Nullable Path tls) throws IOException {
        if (tls == null) {
            return HttpServer.create(address, MAX_WATCHERS);
        }
        // The certificate first: without one nothing shall listen.
        var configurator = new HttpsConfigurator(RenewingIdentity.context(tls, CERTIFICATE_CHECK));
        HttpsServer server = HttpsServer.create(address, MAX_WATCHERS);
        server.setHttpsConfigurator(configurator);
        return server;
    }

    public int port() {
        return server.getAddress().getPort();
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            if (exchange.getRequestURI().getPath().startsWith("/v1/")) {
                snapshots.handle(exchange);
                return;
            }
            if (!exchange.getRequestMethod().equals("GET") && !exchange.getRequestMethod().equals("HEAD")) {
                exchange.getResponseHeaders().set("Allow", "GET, HEAD");
                answer(exchange, 405, "text/plain", "only GET is answered here\n");
                return;
            }
            switch (exchange.getRequestURI().getPath()) {
                case "/status" -> status(exchange);
                case "/livez", "/healthz" -> answer(exchange, 200, "text/plain", "ok\n");
                case "/readyz" -> readiness(exchange);
                case "/metrics" -> answer(exchange, 200, "text/plain; version=0.0.4",
                        StatusMetrics.text(feed.current(), replica.stats(), replica.gpuFigures()));
                default -> {
                    HostRoutes.Answer answer = host
                            .answer(exchange.getRequestURI().getPath(), exchange.getRequestURI().getQuery())
                            .orElse(UNKNOWN);
                    answer(exchange, answer.code(), answer.type(), answer.body());
                }
            }
        }
    }

    private void readiness(HttpExchange exchange) throws IOException {
        SidecarStatus status = feed.current();
        if (status.phase() == ReplicaPhase.Ready) {
            answer(exchange, 200, "text/plain", "Ready\n");
            return;
        }
        String why = status.message() == null ? "" : ": " + status.message();
        answer(exchange, 503, "text/plain", status.phase() + why + "\n");
    }

    private void status(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        if (query == null || !query.contains("watch=true") || exchange.getRequestMethod().equals("HEAD")) {
            answer(exchange, 200, "application/json", StatusJson.WRITER.writeValueAsString(feed.current()) + "\n");
            return;
        }
        if (!watchers.tryAcquire()) {
            answer(exchange, 503, "text/plain", MAX_WATCHERS + " watchers are connected; try again later\n");
            return;
        }
        try {
            watch(exchange);
        } finally {
            watchers.release();
        }
    }

    private void watch(HttpExchange exchange) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/x-ndjson");
        exchange.sendResponseHeaders(200, 0);
        try (OutputStream lines = exchange.getResponseBody()) {
            SidecarStatus shown = feed.current();
            write(lines, shown);
            while (true) {
                long last = System.nanoTime();
                SidecarStatus next = feed.awaitChange(shown.sequence(), HEARTBEAT);
                if (next.phase() == shown.phase() && next.sequence() != shown.sequence()) {
                    pauseUntil(last + COALESCE.toNanos());
                    next = feed.current();
                }
                write(lines, next);
                shown = next;
            }
        } catch (InterruptedException e) {
            // The server stops: the end of the stream says so.
            Thread.currentThread().interrupt();
        }
    }

    private static void pauseUntil(long nanoTime) throws InterruptedException {
        TimeUnit.NANOSECONDS.sleep(nanoTime - System.nanoTime());
    }

    private void write(OutputStream lines, SidecarStatus status) throws IOException {
        lines.write((StatusJson.WRITER.writeValueAsString(status) + "\n").getBytes(UTF_8));
        lines.flush();
    }

    private static void answer(HttpExchange exchange, int code, String type, String body) throws IOException {
        byte[] bytes = body.getBytes(UTF_8);
        exchange.getResponseHeaders().set("Content-Type", type + (type.startsWith("text/") ? "; charset=utf-8" : ""));
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.sendResponseHeaders(code, -1);
            return;
        }
        exchange.sendResponseHeaders(code, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    /** Ends every stream and stops listening. */
    @Override
    public void close() {
        threads.shutdownNow();
        server.stop(0);
    }
}

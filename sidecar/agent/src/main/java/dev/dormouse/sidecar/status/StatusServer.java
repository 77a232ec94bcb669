package dev.dormouse.sidecar.status;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Executors;

/** {@code /status}, {@code /status?watch=true}, {@code /livez}, {@code /readyz}, {@code /metrics}. */
public final class StatusServer implements AutoCloseable {
    private static final Duration HEARTBEAT = Duration.ofSeconds(10);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpServer server;
    private final StatusBoard board;

    private StatusServer(HttpServer server, StatusBoard board) {
        this.server = server;
        this.board = board;
    }

    public static StatusServer start(InetSocketAddress address, StatusBoard board) throws IOException {
        HttpServer server = HttpServer.create(address, 64);
        StatusServer ours = new StatusServer(server, board);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", exchange -> answer(exchange, 404, "text/plain", "not found\n"));
        server.createContext("/livez", exchange -> answer(exchange, 200, "text/plain", "ok\n"));
        server.createContext("/readyz", ours::readiness);
        server.createContext("/status", ours::status);
        server.createContext("/metrics",
                exchange -> answer(exchange, 200, "text/plain; version=0.0.4", metrics(board.present())));
        server.start();
        return ours;
    }

    private void readiness(HttpExchange exchange) throws IOException {
        SidecarStatus status = board.present();
        boolean ready = status.phase() == ReplicaPhase.Ready;
        String reason = status.reason() == null ? "" : ": " + status.reason() + ": " + status.message();
        answer(exchange, ready ? 200 : 503, "text/plain", status.phase() + reason + "\n");
    }

    private void status(HttpExchange exchange) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        if (query != null && query.contains("watch=true")) {
            stream(exchange);
        } else {
            answer(exchange, 200, "application/json", JSON.writeValueAsString(board.present()) + "\n");
        }
    }

    /** One line per status; a slow reader misses those in between and holds up nobody. */
    private void stream(HttpExchange exchange) throws IOException {
        try (exchange) {
            exchange.getResponseHeaders().set("Content-Type", "application/x-ndjson");
            exchange.sendResponseHeaders(200, 0);
            OutputStream out = exchange.getResponseBody();
            long seen = 0;
            while (true) {
                SidecarStatus status = board.after(seen, HEARTBEAT);
                out.write((JSON.writeValueAsString(status) + "\n").getBytes(StandardCharsets.UTF_8));
                out.flush();
                seen = status.sequence();
            }
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
        }
    }

    private static void answer(HttpExchange exchange, int code, String type, String body) throws IOException {
        try (exchange) {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", type);
            exchange.sendResponseHeaders(code, bytes.length);
            exchange.getResponseBody().write(bytes);
        }
    }

    private static String metrics(SidecarStatus status) {
        StringBuilder text = new StringBuilder();
        gauge(text, "dormouse_sidecar_ready", "", status.phase() == ReplicaPhase.Ready ? 1 : 0);
        gauge(text, "dormouse_sidecar_restored_bytes", "", status.restoredBytes());
        gauge(text, "dormouse_sidecar_device_memory_bytes", "", status.memoryBytes());
        gauge(text, "dormouse_sidecar_first_inference_seconds", "", status.firstInferenceMicros() / 1e6);
        for (PhaseTiming phase : status.phases()) {
            gauge(text, "dormouse_sidecar_phase_seconds",
                    "{phase=\"" + phase.name() + "\",state=\"" + phase.state() + "\"}",
                    phase.micros() / 1e6);
        }
        gauge(text, "dormouse_sidecar_snapshot_seconds", "{state=\"" + status.snapshot().state() + "\"}",
                status.snapshot().micros() / 1e6);
        return text.toString();
    }

    private static void gauge(StringBuilder text, String name, String labels, double value) {
        text.append(name).append(labels).append(' ').append(String.format(Locale.ROOT, "%s", value)).append('\n');
    }

    @Override
    public void close() {
        server.stop(0);
    }
}

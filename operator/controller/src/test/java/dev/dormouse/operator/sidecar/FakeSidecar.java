package dev.dormouse.operator.sidecar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A sidecar's status stream, said by a test. */
public final class FakeSidecar implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final String podUid;
    private final AtomicInteger connections = new AtomicInteger();
    private final Map<String, String> answers = new ConcurrentHashMap<>();
    private final Object lock = new Object();
    private @Nullable String line;
    private int said;
    private int generation;
    private boolean closed;

    public FakeSidecar(String address, int port, String podUid) throws IOException {
        this.podUid = podUid;
        server = HttpServer.create(new InetSocketAddress(address, port), 0);
        server.setExecutor(threads);
        server.createContext("/status", this::stream);
        server.createContext("/v1/", this::answer);
        server.start();
    }

    /** Answers {@code GET path} with this JSON from now on. */
    public void serve(String path, Object body) {
        try {
            answers.put(path, JsonMapper.builder().build().writeValueAsString(body));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        String body = answers.get(exchange.getRequestURI().getPath());
        byte[] bytes = (body == null ? "{}" : body).getBytes(StandardCharsets.UTF_8);
        try (exchange) {
            exchange.sendResponseHeaders(body == null ? 202 : 200, bytes.length);
            exchange.getResponseBody().write(bytes);
        }
    }

    public int port() {
        return server.getAddress().getPort();
    }

    public int connections() {
        return connections.get();
    }

    public void say(ReplicaPhase phase, SnapshotReport snapshot, @Nullable SnapshotReport previous, Rung rung,
            List<PhaseTiming> phases, @Nullable String message) {
        long now = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
        SidecarStatus status = new SidecarStatus(said + 1, "fake", podUid, "demo/m", "1", phase, 50, 1000, rung,
                snapshot.rawBytes(), phases, snapshot, previous, 4096, 2, 1234, now - 5000,
                phase == ReplicaPhase.Ready ? now : 0, message == null ? null : "WarmupFailed", message);
        try {
            sayLine(JsonMapper.builder().build().writeValueAsString(status));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    public void say(ReplicaPhase phase) {
        say(phase, SnapshotReport.ABSENT, null, Rung.Cold, List.of(), null);
    }

    public void sayLine(String text) {
        synchronized (lock) {
            line = text;
            said++;
            lock.notifyAll();
        }
    }

    /** Ends every stream; clients may connect again. */
    public void hangUp() {
        synchronized (lock) {
            generation++;
            lock.notifyAll();
        }
    }

    @Override
    public void close() {
        synchronized (lock) {
            closed = true;
            lock.notifyAll();
        }
        server.stop(0);
        threads.shutdownNow();
    }

    private void stream(HttpExchange exchange) throws IOException {
        connections.incrementAndGet();
        exchange.sendResponseHeaders(200, 0);
        int seen = 0;
        try (exchange) {
            int mine;
            synchronized (lock) {
                mine = generation;
            }
            while (true) {
                String next;
                synchronized (lock) {
                    while (!closed && generation == mine && (line == null || seen == said)) {
                        lock.wait();
                    }
                    if (closed || generation != mine || line == null) {
                        return;
                    }
                    next = line;
                    seen = said;
                }
                exchange.getResponseBody().write((next + "\n").getBytes(StandardCharsets.UTF_8));
                exchange.getResponseBody().flush();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}

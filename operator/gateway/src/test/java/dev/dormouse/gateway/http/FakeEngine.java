package dev.dormouse.gateway.http;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A replica's engine, and its sidecar on another port: real HTTP servers that a test scripts. */
final class FakeEngine implements AutoCloseable {

    /** What to do with one request. */
    @FunctionalInterface
    interface Script {
        void answer(HttpExchange exchange, byte[] body) throws IOException, InterruptedException;
    }

    record Seen(String method, String uri, String body, com.sun.net.httpserver.Headers headers) {}

    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final List<Seen> seen = new CopyOnWriteArrayList<>();

    FakeEngine(Script script) throws IOException {
        this(0, script);
    }

    FakeEngine(int port, Script script) throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            seen.add(new Seen(exchange.getRequestMethod(), exchange.getRequestURI().toString(), new String(body,
                    java.nio.charset.StandardCharsets.UTF_8), exchange.getRequestHeaders()));
            try {
                script.answer(exchange, body);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } finally {
                exchange.close();
            }
        });
        server.start();
    }

    /** Answers every request with 200 and the request's own body. */
    static Script echo() {
        return (exchange, body) -> {
            exchange.getResponseHeaders().add("Content-Type", "application/json");
            exchange.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
        };
    }

    int port() {
        return server.getAddress().getPort();
    }

    List<Seen> seen() {
        return List.copyOf(seen);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}

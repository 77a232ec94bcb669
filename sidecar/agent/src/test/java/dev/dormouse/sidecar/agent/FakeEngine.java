package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** An engine's HTTP side: records what it is asked, answers as it is told. */
final class FakeEngine implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private volatile boolean healthy;
    private volatile HttpHandler handler = exchange -> answer(exchange, 200, "{}");

    FakeEngine(String address) throws IOException {
        server = HttpServer.create(new InetSocketAddress(address, 0), 0);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            try (exchange) {
                requests.add(exchange.getRequestMethod() + " " + exchange.getRequestURI() + " "
                        + new String(exchange.getRequestBody().readAllBytes(), UTF_8));
                handler.handle(exchange);
            }
        });
        server.createContext("/health", exchange -> {
            try (exchange) {
                answer(exchange, healthy ? 200 : 503, "{}");
            }
        });
        server.start();
    }

    /** From now on it says that it is well, as an engine does that knows nothing of a sidecar. */
    FakeEngine healthy() {
        healthy = true;
        return this;
    }

    int port() {
        return server.getAddress().getPort();
    }

    List<String> requests() {
        return requests;
    }

    FakeEngine answering(int code, String body) {
        handler = exchange -> answer(exchange, code, body);
        return this;
    }

    /** Begins an answer and never ends it, until the latch opens. */
    FakeEngine hangingUntil(CountDownLatch end) {
        handler = exchange -> {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write('{');
            exchange.getResponseBody().flush();
            try {
                end.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        };
        return this;
    }

    /** Answers the n-th request only when told to. */
    FakeEngine waitingFor(CountDownLatch go) {
        handler = exchange -> {
            try {
                go.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            answer(exchange, 200, "{}");
        };
        return this;
    }

    private static void answer(HttpExchange exchange, int code, String body) throws IOException {
        byte[] bytes = body.getBytes(UTF_8);
        exchange.sendResponseHeaders(code, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    @Override
    public void close() {
        threads.shutdownNow();
        server.stop(0);
    }
}

package dev.dormouse.operator.demand;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.sidecar.api.DemandReport;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A gateway's {@code /internal/demand}, said by a test. */
public final class FakeGateway implements AutoCloseable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final AtomicInteger scrapes = new AtomicInteger();
    private volatile @Nullable DemandReport report = new DemandReport("gw", "1", 3_600_000, List.of(), List.of());

    public FakeGateway(String address, int port) throws IOException {
        server = HttpServer.create(new InetSocketAddress(address, port), 0);
        server.setExecutor(threads);
        server.createContext("/internal/demand", this::answer);
        server.start();
    }

    public InetSocketAddress address() {
        return server.getAddress();
    }

    /** @param fresh absent: it answers 500 */
    public void report(@Nullable DemandReport fresh) {
        report = fresh;
    }

    public int scrapes() {
        return scrapes.get();
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }

    private void answer(HttpExchange exchange) throws IOException {
        scrapes.incrementAndGet();
        DemandReport now = report;
        try (exchange) {
            if (now == null) {
                exchange.sendResponseHeaders(500, -1);
                return;
            }
            byte[] body = JsonMapper.builder().build().writeValueAsBytes(now);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        }
    }
}

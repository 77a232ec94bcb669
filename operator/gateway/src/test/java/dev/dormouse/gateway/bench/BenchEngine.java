package dev.dormouse.gateway.bench;

import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** Costs as little as can be, so that the figures are the proxies'. */
final class BenchEngine {
    private static final int EVENTS = 20;
    private static final Buffer JSON = Buffer.buffer(
            "{\"id\":\"1\",\"choices\":[{\"message\":{\"content\":\"hello\"}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}");
    private static final Buffer EVENT = Buffer.buffer("data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n");

    private final List<HttpServerResponse> held = new ArrayList<>();

    static void run(int port) throws InterruptedException {
        Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setPreferNativeTransport(true));
        BenchEngine engine = new BenchEngine();
        int bound = vertx
                .createHttpServer(new HttpServerOptions().setHost("127.0.0.1").setPort(port).setAcceptBacklog(10_000))
                .requestHandler(engine::serve)
                .listen()
                .await()
                .actualPort();
        System.out.println("ready " + bound);
        new CountDownLatch(1).await();
    }

    private void serve(HttpServerRequest request) {
        String path = String.valueOf(request.path());
        if (path.equals("/release")) {
            held.forEach(HttpServerResponse::end);
            held.clear();
            request.response().end();
        } else {
            request.endHandler(end -> answer(request));
        }
    }

    private void answer(HttpServerRequest request) {
        HttpServerResponse response = request.response();
        if (request.getHeader("X-Events") == null) {
            response.putHeader("Content-Type", "application/json").end(JSON);
            return;
        }
        response.setChunked(true).putHeader("Content-Type", "text/event-stream");
        if (request.getHeader("X-Hold") != null) {
            response.write(EVENT);
            held.add(response);
            return;
        }
        for (int i = 0; i < EVENTS - 1; i++) {
            response.write(EVENT);
        }
        response.end(EVENT);
    }
}

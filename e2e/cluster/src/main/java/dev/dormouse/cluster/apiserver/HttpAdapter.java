package dev.dormouse.cluster.apiserver;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.io.OutputStream;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Between HTTP and {@link Routes}: who asks, reading the request, writing the reply, and turning failures into Status. */
final class HttpAdapter implements HttpHandler {
    private static final Logger LOG = LoggerFactory.getLogger(HttpAdapter.class);
    private static final int MAX_BODY = 3 * 1024 * 1024;
    private static final long MAX_DRAINED = 64L << 20;

    private final Routes routes;
    private final Authentication authentication;

    HttpAdapter(Routes routes, Authentication authentication) {
        this.routes = routes;
        this.authentication = authentication;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            answer(exchange);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // the server stops
        } catch (RuntimeException e) { // the answer has begun: all that can be done is to end it
            LOG.atError().addKeyValue("path", exchange.getRequestURI().getPath()).setCause(e).log("answer broken off");
        }
    }

    private void answer(HttpExchange exchange) throws IOException, InterruptedException {
        Reply reply;
        try {
            ApiRequest request = read(exchange);
            reply = routes.handle(request);
            for (String warning : request.warnings()) {
                exchange.getResponseHeaders().add("Warning", "299 - \"" + warning.replace("\"", "\\\"") + "\"");
            }
        } catch (ApiException e) {
            reply = Reply.json(e.code(), e.toStatus());
        } catch (RuntimeException | LinkageError e) { // a bug must not reach the client as a stack trace, nor be lost
            LOG.atError()
                    .addKeyValue("method", exchange.getRequestMethod())
                    .addKeyValue("path", exchange.getRequestURI().getPath())
                    .setCause(e)
                    .log("request failed");
            ApiException internal = ApiException.internal(String.valueOf(e.getMessage()));
            reply = Reply.json(internal.code(), internal.toStatus());
        }
        write(exchange, reply);
    }

    private ApiRequest read(HttpExchange exchange) throws IOException {
        Map<String, String> headers = new HashMap<>();
        exchange.getRequestHeaders()
                .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), String.join(",", values)));
        User user = authentication.authenticate(headers); // before a byte of the body is read
        byte[] body = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
        if (body.length > MAX_BODY) {
            // A client that is still sending would see a broken connection instead of the answer.
            exchange.getRequestBody().skip(MAX_DRAINED);
            throw ApiException.tooLarge(MAX_BODY);
        }
        return ApiRequest.of(user, exchange.getRequestMethod(), exchange.getRequestURI(), headers, body);
    }

    private static void write(HttpExchange exchange, Reply reply) throws IOException, InterruptedException {
        exchange.getResponseHeaders().set("Cache-Control", "no-cache, private");
        switch (reply) {
            case Reply.Empty() -> exchange.sendResponseHeaders(200, -1);
            case Reply.Document(int code, var json, String contentType) -> {
                byte[] body = Json.bytes(json);
                exchange.getResponseHeaders().set("Content-Type", contentType);
                exchange.sendResponseHeaders(code, body.length);
                exchange.getResponseBody().write(body);
            }
            case Reply.Stream(String contentType, var body) -> {
                exchange.getResponseHeaders().set("Content-Type", contentType);
                exchange.sendResponseHeaders(200, 0);
                try (OutputStream out = exchange.getResponseBody()) {
                    body.writeTo(out);
                }
            }
        }
    }
}

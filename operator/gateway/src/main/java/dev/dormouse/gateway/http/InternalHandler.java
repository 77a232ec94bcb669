package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpServerRequest;

/** Where the operator, the probes and Prometheus come. Answers until the very end, also while requests drain. */
final class InternalHandler implements Handler<HttpServerRequest> {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Dispatcher dispatcher;
    private boolean closed;

    InternalHandler(Dispatcher dispatcher) {
        this.dispatcher = dispatcher;
    }

    /** No longer ready from here on. */
    void close() {
        closed = true;
    }

    @Override
    public void handle(HttpServerRequest request) {
        String path = request.path() == null ? "" : request.path();
        switch (path) {
            case "/livez" -> answer(request, 200, "text/plain", "ok\n");
            case "/readyz" -> ready(request);
            case "/metrics" -> answer(request, 200, "text/plain; version=0.0.4; charset=utf-8",
                    dispatcher.view().metricsText());
            case "/internal/demand" -> answer(request, 200, "application/json", demand());
            default -> answer(request, 404, "text/plain",
                    "There are /livez, /readyz, /metrics and /internal/demand.\n");
        }
    }

    private void ready(HttpServerRequest request) {
        if (closed) {
            answer(request, 503, "text/plain", "the gateway is ending\n");
        } else if (dispatcher.knowsTheCluster()) {
            answer(request, 200, "text/plain", "ok\n");
        } else {
            answer(request, 503, "text/plain", "the gateway does not know the cluster yet\n");
        }
    }

    private String demand() {
        try {
            return JSON.writeValueAsString(dispatcher.view().report());
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record of numbers and names could not be written", e);
        }
    }

    private static void answer(HttpServerRequest request, int status, String type, String body) {
        request.response().setStatusCode(status).putHeader("Content-Type", type).end(body).onFailure(gone -> {
            // Whoever asked has left; nothing is owed to anybody.
        });
    }
}

package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;

/** What the operator, probes and scrapers ask; it never wakes a model. */
public final class InternalServer {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final DataPlane plane;

    public InternalServer(DataPlane plane) {
        this.plane = plane;
    }

    public void handle(HttpServerRequest request) {
        HttpServerResponse response = request.response();
        switch (String.valueOf(request.path())) {
            case "/internal/demand" -> response.putHeader("Content-Type", "application/json").end(demand());
            case "/livez" -> response.end("ok\n");
            case "/readyz" ->
                response.setStatusCode(plane.ready() ? 200 : 503).end(plane.ready() ? "ok\n" : "not ready\n");
            case "/metrics" -> response.putHeader("Content-Type", "text/plain; version=0.0.4").end(plane.metrics());
            default -> response.setStatusCode(404).end("not found\n");
        }
    }

    private String demand() {
        try {
            return JSON.writeValueAsString(plane.report());
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record of ours is JSON", e);
        }
    }
}

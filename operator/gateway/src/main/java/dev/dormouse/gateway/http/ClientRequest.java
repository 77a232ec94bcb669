package dev.dormouse.gateway.http;

import dev.dormouse.gateway.route.ServedModel;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpServerRequest;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** One client's request on its way: what was read of it, and what became of it. Owned by the event loop. */
final class ClientRequest {
    final long id;
    final HttpServerRequest request;
    final ServedModel model;
    /** Path and query for the engine. */
    final String uri;
    /** The part of the body that was read to find the model; goes out first. */
    final Buffer head;
    /** Whether {@code head} is the whole body. */
    final boolean bodyRead;
    final Instant arrivedAt;
    /** Set when the request did not go through at once. */
    boolean waited;
    boolean done;
    @Nullable
    HttpClientRequest upstream;

    ClientRequest(long id, HttpServerRequest request, ServedModel model, String uri, Buffer head, boolean bodyRead,
            Instant arrivedAt) {
        this.id = id;
        this.request = request;
        this.model = model;
        this.uri = uri;
        this.head = head;
        this.bodyRead = bodyRead;
        this.arrivedAt = arrivedAt;
    }
}

package dev.dormouse.gateway.http;

import dev.dormouse.gateway.route.ApiKey;
import dev.dormouse.gateway.route.ModelRoute;
import io.vertx.core.http.HttpServerRequest;
import java.util.Optional;

/**
 * A request that has come as far as it must to be routed.
 *
 * @param key by which it came in; absent where none is wanted
 */
record Inbound(HttpServerRequest request, RequestBody body, Optional<ApiKey> key) {

    /** Whether it may know that this model exists. */
    boolean maySee(ModelRoute model) {
        return key.isEmpty() || key.get().allows(model);
    }

    /** Path and query: a proxy must understand a whole URI, and its engine need not (RFC 9112, 3.2.2). */
    String originForm() {
        return request.uri().startsWith("/")
                ? request.uri()
                : request.path() + (request.query() == null ? "" : "?" + request.query());
    }

    boolean isJson() {
        String type = request.getHeader("Content-Type");
        return type == null || !type.startsWith("multipart/") && !type.startsWith("application/x-www-form-urlencoded");
    }
}

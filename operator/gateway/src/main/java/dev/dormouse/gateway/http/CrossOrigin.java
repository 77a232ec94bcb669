package dev.dormouse.gateway.http;

import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Lets the pages of chosen origins use this gateway (CORS: Fetch standard, 3.2). Preflights are answered here, without a key
 * and without an engine; what engines say about origins does not count then.
 */
final class CrossOrigin {
    /** Of an engine's answer, where this gateway decides. */
    static final Set<String> OURS = Set.of("access-control-allow-origin", "access-control-allow-credentials",
            "access-control-expose-headers");
    private static final String ALLOW_ORIGIN = "Access-Control-Allow-Origin";
    private static final String ANY = "*";
    private static final String METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    private static final String EXPOSED = "Retry-After, X-Request-Id, X-Dormouse-Wake, X-Dormouse-Cache";
    /** Browsers remember a preflight no longer than two hours. */
    private static final String REMEMBERED_SECONDS = "7200";
    /** A list of names of header fields (RFC 9110, 5.6.2). */
    private static final Pattern FIELD_NAMES = Pattern
            .compile("[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \\t]*,[ \\t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+){0,99}");

    private final Set<String> origins;

    /** @param origins like {@code https://chat.example}; {@code *} for every one; none: nothing is allowed here */
    CrossOrigin(Set<String> origins) {
        this.origins = Set.copyOf(origins);
    }

    /** Says in the answer who may read it. @return whether this was a preflight, which is answered with that */
    boolean answered(HttpServerRequest request) {
        String origin = origins.isEmpty() ? null : request.getHeader("Origin");
        if (origin == null || !(origins.contains(ANY) || origins.contains(origin))) {
            return false;
        }
        HttpServerResponse response = request.response();
        if (origins.contains(ANY)) {
            response.putHeader(ALLOW_ORIGIN, ANY);
        } else {
            response.putHeader(ALLOW_ORIGIN, origin).putHeader("Vary", "Origin");
        }
        if (request.method() != HttpMethod.OPTIONS || request.getHeader("Access-Control-Request-Method") == null) {
            response.putHeader("Access-Control-Expose-Headers", EXPOSED);
            return false;
        }
        String wanted = request.getHeader("Access-Control-Request-Headers");
        if (wanted != null && FIELD_NAMES.matcher(wanted).matches()) {
            response.putHeader("Access-Control-Allow-Headers", wanted);
        }
        response.putHeader("Access-Control-Allow-Methods", METHODS)
                .putHeader("Access-Control-Max-Age", REMEMBERED_SECONDS)
                .setStatusCode(204)
                .end()
                .onFailure(gone -> {
                    // The client left before it was told.
                });
        return true;
    }

    /** Whether the answer to this request says already who may read it. */
    static boolean decided(HttpServerResponse response) {
        return response.headers().contains(ALLOW_ORIGIN);
    }
}

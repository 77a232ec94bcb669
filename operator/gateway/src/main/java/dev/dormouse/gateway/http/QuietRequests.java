package dev.dormouse.gateway.http;

import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.util.Objects;
import java.util.regex.Pattern;

/** Tells probes and scrapes from requests that somebody waits for. */
final class QuietRequests {
    private static final Pattern PATHS = Pattern
            .compile("/(?:v1/|v2/)?(?:health(?:z|/.*)?|livez|readyz|ready|ping|metrics|version|favicon\\.ico)/?");
    private static final Pattern AGENTS = Pattern.compile("(?:kube-probe|Prometheus|GoogleHC|ELB-HealthChecker)/.*");

    /** @param uri path and query as the engine shall see them */
    boolean matches(HttpServerRequest request, String uri) {
        boolean reads = request.method() == HttpMethod.GET || request.method() == HttpMethod.HEAD;
        int query = uri.indexOf('?');
        String path = query < 0 ? uri : uri.substring(0, query);
        return reads && (PATHS.matcher(path).matches()
                || AGENTS.matcher(Objects.requireNonNullElse(request.getHeader("User-Agent"), "")).matches());
    }
}

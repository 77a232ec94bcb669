package dev.dormouse.gateway.http;

import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.SocketAddress;
import java.time.Duration;
import java.util.Set;

/** Line and headers of a request as an engine sees it. */
final class UpstreamHead {
    /** Ours, or written anew for the next connection. */
    private static final Set<String> NOT_COPIED = Set.of("host", "content-length", "expect", "x-dormouse-model",
            "http2-settings");
    private static final Set<String> NOT_COPIED_WITH_KEY = Set.of("host", "content-length", "expect",
            "x-dormouse-model", "http2-settings", "authorization", "x-api-key");

    private UpstreamHead() {}

    /** @param uri path and query as the engine shall see them */
    static RequestOptions options(HttpServerRequest request, String uri, PodRoute pod, Duration idle) {
        String ip = pod.ip().orElseThrow(() -> new IllegalStateException("pod " + pod.uid() + " has no address"));
        return new RequestOptions().setServer(SocketAddress.inetSocketAddress(pod.enginePort(), ip))
                .setHost(ip)
                .setPort(pod.enginePort())
                .setMethod(request.method())
                .setURI(uri)
                .setIdleTimeout(idle.toMillis());
    }

    /** @param keyed its credentials are the gateway's, and none of the engine's business */
    static void write(HttpServerRequest request, boolean keyed, HttpClientRequest upstream) {
        HopByHop.copy(request.headers(), upstream.headers(), keyed ? NOT_COPIED_WITH_KEY : NOT_COPIED);
        String from = request.remoteAddress().hostAddress();
        String before = request.getHeader("X-Forwarded-For");
        upstream.putHeader("X-Forwarded-For", before == null ? from : before + ", " + from);
        if (request.getHeader("X-Forwarded-Proto") == null) {
            upstream.putHeader("X-Forwarded-Proto", "http");
        }
        String host = request.authority() == null ? null : request.authority().toString();
        if (host != null && request.getHeader("X-Forwarded-Host") == null) {
            upstream.putHeader("X-Forwarded-Host", host);
        }
    }
}

package dev.dormouse.gateway.http;

import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.http.PoolOptions;

/** Connections to engines: HTTP/1.1, or HTTP/2 without TLS where the pod says so. */
final class Upstreams {
    private static final int CONNECT_TIMEOUT_MILLIS = 2000;
    /** Shorter than the 5 s after which uvicorn, under most engines, closes a connection: else we lose that race. */
    private static final int KEEP_ALIVE_SECONDS = 3;
    /** Connections per replica. The model's limit is what bounds requests; this must never be in its way. */
    private static final int POOL_SIZE = 100_000;
    private static final int MAX_HEADER_BYTES = 64 << 10;

    private final HttpClient plain;
    private final HttpClient h2c;

    Upstreams(Vertx vertx) {
        plain = vertx.httpClientBuilder()
                .with(options())
                .with(new PoolOptions().setHttp1MaxSize(POOL_SIZE))
                .build();
        // One connection carries the requests of a replica, as many as the engine allows; another is opened beyond that.
        h2c = vertx.httpClientBuilder()
                .with(options().setProtocolVersion(HttpVersion.HTTP_2)
                        .setHttp2ClearTextUpgrade(false)
                        .setHttp2KeepAliveTimeout(KEEP_ALIVE_SECONDS))
                .with(new PoolOptions().setHttp1MaxSize(POOL_SIZE).setHttp2MaxSize(POOL_SIZE))
                .build();
    }

    private static HttpClientOptions options() {
        return new HttpClientOptions().setConnectTimeout(CONNECT_TIMEOUT_MILLIS)
                .setKeepAliveTimeout(KEEP_ALIVE_SECONDS)
                .setMaxHeaderSize(MAX_HEADER_BYTES);
    }

    /** @param tunnel whether it shall become something else than HTTP, which only HTTP/1.1 does */
    HttpClient to(PodRoute pod, boolean tunnel) {
        return pod.h2c() && !tunnel ? h2c : plain;
    }
}

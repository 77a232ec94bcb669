package dev.dormouse.operator.sidecar;

import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarTls;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.Optional;

/**
 * Where every sidecar listens, and how it is spoken to.
 *
 * @param tls how its certificate is checked; absent: plain http
 */
public record SidecarAddress(int port, Optional<SidecarTls> tls) {
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(2);

    /** Where replicas listen. */
    public static SidecarAddress of(Optional<SidecarTls> tls) {
        return new SidecarAddress(PodConventions.SIDECAR_PORT, tls);
    }

    /** @param path with its slash, and perhaps a query */
    public URI of(String podIp, String path) {
        String host = podIp.contains(":") ? "[" + podIp + "]" : podIp;
        return URI.create((tls.isPresent() ? "https://" : "http://") + host + ":" + port + path);
    }

    /** A client of its own, which the caller closes. */
    public HttpClient client() {
        HttpClient.Builder client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(CONNECT_TIMEOUT);
        tls.ifPresent(trust -> client.sslContext(trust.context()));
        return client.build();
    }
}

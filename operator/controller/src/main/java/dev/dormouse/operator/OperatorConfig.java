package dev.dormouse.operator;

import dev.dormouse.operator.log.LogConfig;
import dev.dormouse.sidecar.api.Environment;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The operator's configuration, read once from the environment. A bad value stops the process.
 *
 * <table>
 * <caption>Variables</caption>
 * <tr><th>variable</th><th>default</th><th>meaning</th></tr>
 * <tr><td>DORMOUSE_NAMESPACE</td><td>dormouse-system</td><td>where the leader lease lives</td></tr>
 * <tr><td>DORMOUSE_WATCH_NAMESPACES</td><td>(all)</td><td>comma-separated namespaces whose models are served</td></tr>
 * <tr><td>DORMOUSE_SIDECAR_IMAGE</td><td>dormouse/sidecar:0.1.0</td><td>image of the sidecar in every replica</td></tr>
 * <tr><td>DORMOUSE_GATEWAY_URL</td><td>(none)</td><td>{@code http://host:port} of the gateways' internal port; every
 * address of the host is one gateway</td></tr>
 * <tr><td>DORMOUSE_WARMUP_MAX_CONCURRENT</td><td>4</td><td>replicas that warm up at the same time</td></tr>
 * <tr><td>DORMOUSE_LEADER_ELECTION</td><td>true</td><td>false only where a second operator is impossible</td></tr>
 * <tr><td>DORMOUSE_LEASE_SECONDS</td><td>15</td><td>a leader that is silent for so long is replaced</td></tr>
 * <tr><td>DORMOUSE_LEASE_RENEW_SECONDS</td><td>10</td><td>a leader that cannot renew for so long steps down</td></tr>
 * <tr><td>DORMOUSE_LEASE_RETRY_SECONDS</td><td>2</td><td>pause between attempts</td></tr>
 * <tr><td>DORMOUSE_BIND</td><td>0.0.0.0</td><td>address of the HTTP server</td></tr>
 * <tr><td>DORMOUSE_HTTP_PORT</td><td>8082</td><td>/livez, /readyz and /metrics; 0 takes a free port</td></tr>
 * <tr><td>DORMOUSE_DRAIN_TIMEOUT_SECONDS</td><td>30</td><td>a gateway that does not answer for so long is gone: it no
 * longer holds up draining</td></tr>
 * <tr><td>DORMOUSE_CLEANUP_SECONDS</td><td>60</td><td>a deleted model's pods have so long to drain</td></tr>
 * <tr><td>DORMOUSE_SCRAPE_MILLIS</td><td>1000</td><td>pause between readings of the gateways' load</td></tr>
 * <tr><td>DORMOUSE_LOG_FORMAT</td><td>text</td><td>{@code json}: one object per line</td></tr>
 * <tr><td>DORMOUSE_LOG_LEVEL</td><td>info</td><td>error, warn, info or debug</td></tr>
 * <tr><td>DORMOUSE_STORE_DEADLINE_SECONDS</td><td>600</td><td>a store pod that works longer on a snapshot volume is
 * ended, and the lease of its volume void</td></tr>
 * <tr><td>DORMOUSE_SIDECAR_TLS_SECRET</td><td>(none)</td><td>Secret of every model's namespace with {@code tls.crt} and
 * {@code tls.key}, for the DNS name {@code dormouse-sidecar}: sidecars serve https</td></tr>
 * <tr><td>DORMOUSE_SIDECAR_CA</td><td>(none)</td><td>PEM file of the authority that has signed it; needed with the
 * Secret, and only then</td></tr>
 * <tr><td>OTEL_EXPORTER_OTLP_ENDPOINT</td><td>(off)</td><td>where this operator and its sidecars send traces by OTLP over
 * HTTP, e.g. {@code http://collector:4318}; HOSTNAME names this operator there</td></tr>
 * </table>
 */
public record OperatorConfig(String namespace, Set<String> watchNamespaces, String sidecarImage,
        Optional<URI> gatewayUrl, int warmupMaxConcurrent, boolean leaderElection, Duration leaseDuration,
        Duration leaseRenewDeadline, Duration leaseRetryPeriod, String bind, int httpPort, Duration drainTimeout,
        Duration cleanupDeadline, Duration scrapeInterval, Duration storeDeadline,
        Optional<String> sidecarTlsSecret, Optional<Path> sidecarAuthority, Optional<Traces> traces) {

    /**
     * @param endpoint of a collector
     * @param instance how this operator is called there
     */
    public record Traces(String endpoint, String instance) {}

    public OperatorConfig {
        watchNamespaces = Set.copyOf(watchNamespaces);
        if (sidecarTlsSecret.isPresent() != sidecarAuthority.isPresent()) {
            throw new IllegalArgumentException(
                    "DORMOUSE_SIDECAR_TLS_SECRET and DORMOUSE_SIDECAR_CA go together: the one is what sidecars show, the other how it is checked");
        }
        if (leaseRenewDeadline.compareTo(leaseDuration) >= 0) {
            throw new IllegalArgumentException(
                    "DORMOUSE_LEASE_RENEW_SECONDS (%d) must be less than DORMOUSE_LEASE_SECONDS (%d): a leader must step down before it is replaced"
                            .formatted(leaseRenewDeadline.toSeconds(), leaseDuration.toSeconds()));
        }
        if (leaseRetryPeriod.compareTo(leaseRenewDeadline) >= 0) {
            throw new IllegalArgumentException(
                    "DORMOUSE_LEASE_RETRY_SECONDS (%d) must be less than DORMOUSE_LEASE_RENEW_SECONDS (%d)"
                            .formatted(leaseRetryPeriod.toSeconds(), leaseRenewDeadline.toSeconds()));
        }
    }

    /** @throws IllegalArgumentException naming the variable, its value and what is expected */
    public static OperatorConfig fromEnvironment(Map<String, String> environment) {
        Environment env = new Environment(environment);
        oneOf(env, LogConfig.FORMAT, "text", "json");
        oneOf(env, LogConfig.LEVEL, "error", "warn", "info", "debug");
        return new OperatorConfig(env.text("DORMOUSE_NAMESPACE", "dormouse-system"),
                env.names("DORMOUSE_WATCH_NAMESPACES"), env.text("DORMOUSE_SIDECAR_IMAGE", "dormouse/sidecar:0.1.0"),
                hostAndPort(env, "DORMOUSE_GATEWAY_URL"), env.number("DORMOUSE_WARMUP_MAX_CONCURRENT", 4, 1, 10_000),
                env.flag("DORMOUSE_LEADER_ELECTION", true),
                Duration.ofSeconds(env.number("DORMOUSE_LEASE_SECONDS", 15, 3, 3600)),
                Duration.ofSeconds(env.number("DORMOUSE_LEASE_RENEW_SECONDS", 10, 2, 3600)),
                Duration.ofSeconds(env.number("DORMOUSE_LEASE_RETRY_SECONDS", 2, 1, 3600)),
                env.text("DORMOUSE_BIND", "0.0.0.0"), env.number("DORMOUSE_HTTP_PORT", 8082, 0, 65_535),
                Duration.ofSeconds(env.number("DORMOUSE_DRAIN_TIMEOUT_SECONDS", 30, 1, 86_400)),
                Duration.ofSeconds(env.number("DORMOUSE_CLEANUP_SECONDS", 60, 1, 86_400)),
                Duration.ofMillis(env.number("DORMOUSE_SCRAPE_MILLIS", 1000, 50, 60_000)),
                Duration.ofSeconds(env.number("DORMOUSE_STORE_DEADLINE_SECONDS", 600, 30, 86_400)),
                env.value("DORMOUSE_SIDECAR_TLS_SECRET"), env.path("DORMOUSE_SIDECAR_CA"),
                env.address("OTEL_EXPORTER_OTLP_ENDPOINT")
                        .map(endpoint -> new Traces(endpoint, env.text("HOSTNAME", "operator"))));
    }

    /** What the log has read already: here a bad value is refused. */
    private static void oneOf(Environment env, String key, String... allowed) {
        if (env.value(key).filter(text -> !List.of(allowed).contains(text)).isPresent()) {
            throw env.wrong(key, "one of " + String.join(", ", allowed));
        }
    }

    private static Optional<URI> hostAndPort(Environment env, String key) {
        return env.value(key).map(text -> {
            try {
                URI url = new URI(text);
                if ("http".equals(url.getScheme()) && url.getHost() != null && url.getPort() > 0
                        && (url.getPath().isEmpty() || url.getPath().equals("/"))) {
                    return url;
                }
            } catch (URISyntaxException e) {
                throw env.wrong(key, "http://host:port", e);
            }
            throw env.wrong(key, "http://host:port");
        });
    }
}

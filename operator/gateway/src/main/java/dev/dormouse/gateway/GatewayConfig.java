package dev.dormouse.gateway;

import dev.dormouse.sidecar.api.Environment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The gateway's configuration, read once from the environment. A bad value stops the process.
 *
 * <table>
 * <caption>Variables</caption>
 * <tr><th>variable</th><th>default</th><th>meaning</th></tr>
 * <tr><td>DORMOUSE_BIND</td><td>0.0.0.0</td><td>address of both servers</td></tr>
 * <tr><td>DORMOUSE_PORT</td><td>8080</td><td>where clients come; 0 takes a free port</td></tr>
 * <tr><td>DORMOUSE_INTERNAL_PORT</td><td>8081</td><td>/internal/demand, /livez, /readyz and /metrics; 0 takes a free
 * port</td></tr>
 * <tr><td>DORMOUSE_WATCH_NAMESPACES</td><td>(all)</td><td>comma-separated namespaces whose models are served</td></tr>
 * <tr><td>DORMOUSE_GATEWAY_NAME</td><td>HOSTNAME, or gateway</td><td>how this gateway is called in its reports</td></tr>
 * <tr><td>DORMOUSE_GATEWAYS</td><td>1</td><td>gateways that share each model's concurrency limit</td></tr>
 * <tr><td>DORMOUSE_GATEWAY_SERVICE</td><td>(none)</td><td>namespace/name of the service in front of the gateways: the
 * limits are shared by as many as are ready behind it, and DORMOUSE_GATEWAYS counts only until the first is seen</td></tr>
 * <tr><td>DORMOUSE_DRAIN_DELAY_SECONDS</td><td>5 behind a service, else 0</td><td>after SIGTERM the gateway is not ready
 * and still serves new requests for so long, until nobody sends it any</td></tr>
 * <tr><td>DORMOUSE_DRAIN_SECONDS</td><td>25</td><td>after that, held and running requests have so long to finish</td></tr>
 * <tr><td>DORMOUSE_PEEK_BYTES</td><td>1048576</td><td>the JSON field "model" must lie within so many bytes; as many
 * are kept in memory per held request</td></tr>
 * <tr><td>DORMOUSE_PEEK_FORM_BYTES</td><td>33554432</td><td>the same for the field of a multipart form, in which clients
 * put files first</td></tr>
 * <tr><td>DORMOUSE_MAX_PEEKED_BYTES</td><td>134217728</td><td>most bytes of requests that have not come far enough to be
 * routed; whoever sends more is answered 503</td></tr>
 * <tr><td>DORMOUSE_MAX_QUEUED_PER_MODEL</td><td>1000</td><td>most requests that may wait for one model</td></tr>
 * <tr><td>DORMOUSE_MAX_QUEUED</td><td>5000</td><td>most requests that may wait in all</td></tr>
 * <tr><td>DORMOUSE_MAX_HELD_BYTES</td><td>134217728</td><td>most bytes of bodies that waiting requests may keep in
 * memory</td></tr>
 * <tr><td>DORMOUSE_REQUEST_TIMEOUT_SECONDS</td><td>60</td><td>a connection may be silent for so long without a request,
 * or within one that has not come far enough to be routed</td></tr>
 * <tr><td>DORMOUSE_UPSTREAM_IDLE_SECONDS</td><td>600</td><td>an engine may be silent for so long while it answers</td></tr>
 * <tr><td>DORMOUSE_TOTAL_TIMEOUT_SECONDS</td><td>0</td><td>longest time from a request's arrival to the end of its answer,
 * holding included; 0 for no limit</td></tr>
 * <tr><td>DORMOUSE_H2C</td><td>true</td><td>whether clients may speak HTTP/2 without TLS</td></tr>
 * <tr><td>DORMOUSE_ACCESS_LOG</td><td>false</td><td>whether every request is worth a line in the log</td></tr>
 * <tr><td>DORMOUSE_ADMIN_PORT</td><td>(off)</td><td>where requests may be looked at and ended; 0 takes a free port</td></tr>
 * <tr><td>DORMOUSE_ADMIN_BIND</td><td>127.0.0.1</td><td>its address; kubectl port-forward reaches loopback</td></tr>
 * <tr><td>DORMOUSE_API_KEYS_NAMESPACE</td><td>(none)</td><td>only clients with a key from a Secret of this namespace that
 * carries the label dormouse.dev/api-key: "true" are served; without it, everybody is</td></tr>
 * <tr><td>DORMOUSE_RESULT_CACHE_BYTES</td><td>67108864</td><td>most bytes of answers that are remembered for models with
 * cache.results</td></tr>
 * <tr><td>DORMOUSE_HISTORY_ENTRIES</td><td>1000</td><td>most requests per model that are remembered, at most 24 hours, to
 * tell how it is used; one more drops the older half</td></tr>
 * <tr><td>OTEL_EXPORTER_OTLP_ENDPOINT</td><td>(off)</td><td>where traces are sent by OTLP over HTTP, e.g.
 * http://collector:4318</td></tr>
 * <tr><td>DORMOUSE_TRACE_PERCENT</td><td>100</td><td>of the requests that bring no traceparent, so many are traced; the
 * others as their clients say</td></tr>
 * <tr><td>DORMOUSE_SIDECAR_CA</td><td>(none)</td><td>PEM file of the authority behind the certificates of sidecars: they are
 * spoken to by https; without it, by plain http</td></tr>
 * <tr><td>DORMOUSE_CORS_ORIGINS</td><td>(none)</td><td>comma-separated origins whose pages may use the gateway from a
 * browser, like https://chat.example; * for all</td></tr>
 * </table>
 */
public record GatewayConfig(String bind, int port, int internalPort, Set<String> watchNamespaces, String name,
        int gateways, Duration drain, int peekBytes, int maxQueuedPerModel, int maxQueued, int maxHeldBytes,
        int formPeekBytes, Duration requestTimeout, Duration upstreamIdle, Duration totalTimeout, boolean h2c,
        Optional<Service> service, Duration drainDelay, boolean accessLog, Optional<Integer> adminPort,
        String adminBind, Optional<String> apiKeysNamespace, int resultCacheBytes, int maxPeekedBytes,
        int historyEntries,
        Optional<String> otlpEndpoint, int tracePercent, Optional<Path> sidecarAuthority, Set<String> corsOrigins) {

    public GatewayConfig {
        watchNamespaces = Set.copyOf(watchNamespaces);
        corsOrigins = Set.copyOf(corsOrigins);
    }

    /** @throws IllegalArgumentException naming the variable, its value and what is expected */
    public static GatewayConfig fromEnvironment(Map<String, String> environment) {
        Environment env = new Environment(environment);
        return new GatewayConfig(env.text("DORMOUSE_BIND", "0.0.0.0"), env.number("DORMOUSE_PORT", 8080, 0, 65_535),
                env.number("DORMOUSE_INTERNAL_PORT", 8081, 0, 65_535), env.names("DORMOUSE_WATCH_NAMESPACES"),
                env.text("DORMOUSE_GATEWAY_NAME", env.text("HOSTNAME", "gateway")),
                env.number("DORMOUSE_GATEWAYS", 1, 1, 10_000),
                Duration.ofSeconds(env.number("DORMOUSE_DRAIN_SECONDS", 25, 0, 86_400)),
                env.number("DORMOUSE_PEEK_BYTES", 1 << 20, 1024, 1 << 30),
                env.number("DORMOUSE_MAX_QUEUED_PER_MODEL", 1000, 1, 10_000_000),
                env.number("DORMOUSE_MAX_QUEUED", 5000, 1, 10_000_000),
                env.number("DORMOUSE_MAX_HELD_BYTES", 128 << 20, 1024, Integer.MAX_VALUE),
                env.number("DORMOUSE_PEEK_FORM_BYTES", 32 << 20, 1024, 1 << 30),
                Duration.ofSeconds(env.number("DORMOUSE_REQUEST_TIMEOUT_SECONDS", 60, 1, 86_400)),
                Duration.ofSeconds(env.number("DORMOUSE_UPSTREAM_IDLE_SECONDS", 600, 1, 86_400)),
                Duration.ofSeconds(env.number("DORMOUSE_TOTAL_TIMEOUT_SECONDS", 0, 0, 604_800)),
                env.flag("DORMOUSE_H2C", true), service(env, "DORMOUSE_GATEWAY_SERVICE"),
                Duration.ofSeconds(env.number("DORMOUSE_DRAIN_DELAY_SECONDS",
                        env.value("DORMOUSE_GATEWAY_SERVICE").isPresent() ? 5 : 0, 0, 3600)),
                env.flag("DORMOUSE_ACCESS_LOG", false),
                env.value("DORMOUSE_ADMIN_PORT").map(text -> env.number("DORMOUSE_ADMIN_PORT", 0, 0, 65_535)),
                env.text("DORMOUSE_ADMIN_BIND", "127.0.0.1"), env.value("DORMOUSE_API_KEYS_NAMESPACE"),
                env.number("DORMOUSE_RESULT_CACHE_BYTES", 64 << 20, 0, Integer.MAX_VALUE),
                env.number("DORMOUSE_MAX_PEEKED_BYTES", 128 << 20, 1024, Integer.MAX_VALUE),
                env.number("DORMOUSE_HISTORY_ENTRIES", 1000, 2, 100_000), env.address("OTEL_EXPORTER_OTLP_ENDPOINT"),
                env.number("DORMOUSE_TRACE_PERCENT", 100, 0, 100), env.path("DORMOUSE_SIDECAR_CA"),
                origins(env, "DORMOUSE_CORS_ORIGINS"));
    }

    /** A Kubernetes service. */
    public record Service(String namespace, String name) {}

    /** A path or a slash at the end would never be equal to what browsers send. */
    private static Set<String> origins(Environment env, String key) {
        Set<String> origins = env.names(key);
        if (!origins.stream().allMatch(origin -> origin.matches("\\*|https?://[^/\\s]+"))) {
            throw env.wrong(key, "* or origins like https://chat.example, separated by commas");
        }
        return origins;
    }

    private static Optional<Service> service(Environment env, String key) {
        return env.value(key).map(text -> {
            String[] parts = text.split("/", -1);
            if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
                throw env.wrong(key, "<namespace>/<name> of a service");
            }
            return new Service(parts[0], parts[1]);
        });
    }
}

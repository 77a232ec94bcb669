package dev.dormouse.gateway.http;

import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.sidecar.api.SidecarTls;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * @param bind address of both servers
 * @param port where clients come; 0 takes a free one
 * @param internalPort where the operator, probes and Prometheus come; 0 takes a free one
 * @param name stable name of this gateway in its reports
 * @param gateways gateways that share each model's limit, until the cluster tells how many there are
 * @param peek how far bodies are looked into
 * @param drainDelay after the end was asked for, new requests are served for so long
 * @param drain after the end was asked for, requests have so long to finish
 * @param h2c whether clients may speak HTTP/2 without TLS
 * @param sidecarPort where every pod's sidecar listens
 * @param sidecarTls how its certificate is checked; absent: it is spoken to by plain http
 * @param accessLog whether every request is worth a line
 * @param admin where requests may be looked at and ended; absent for nowhere
 * @param apiKeys whether only those may come in who have a key
 * @param resultCacheBytes most bytes of answers that are remembered
 * @param historyEntries most requests per model that are remembered
 * @param corsOrigins whose pages may use the gateway; {@code *} for all
 */
public record ServerSettings(String bind, int port, int internalPort, String name, HoldLimits limits, int gateways,
        Peek peek, Duration drainDelay, Duration drain, int sidecarPort, Timeouts timeouts, boolean h2c,
        boolean accessLog,
        Optional<Admin> admin, boolean apiKeys, long resultCacheBytes,
        int historyEntries, Optional<SidecarTls> sidecarTls, Set<String> corsOrigins) {

    /** With sidecars that serve plain http, and for no pages of other origins. */
    public ServerSettings(String bind, int port, int internalPort, String name, HoldLimits limits, int gateways,
            Peek peek, Duration drainDelay, Duration drain, int sidecarPort, Timeouts timeouts, boolean h2c,
            boolean accessLog, Optional<Admin> admin, boolean apiKeys, long resultCacheBytes, int historyEntries) {
        this(bind, port, internalPort, name, limits, gateways, peek, drainDelay, drain, sidecarPort, timeouts, h2c,
                accessLog, admin, apiKeys, resultCacheBytes, historyEntries, Optional.empty(), Set.of());
    }

    /**
     * @param json the field "model" must lie within so many bytes of a body
     * @param form the same for a multipart form
     * @param inAll most bytes of requests that cannot be routed yet may be kept in memory together
     */
    public record Peek(int json, int form, long inAll) {}

    /** @param port 0 takes a free one */
    public record Admin(String bind, int port) {}
}

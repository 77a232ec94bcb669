package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.ServiceAccountTokenProjection;
import java.time.Clock;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** The configuration of one pod, whose tokens are asked for anew when a fifth of their life is left, as a kubelet does. */
final class RenewedTokens implements Launch.ConfigSource {
    private static final long DEFAULT_SECONDS = 3600;

    private final Launch.ConfigSource source;
    private final Clock clock;
    private final Map<ServiceAccountTokenProjection, Kept> kept = new HashMap<>();

    private record Kept(String token, Instant renewAt) {}

    RenewedTokens(Launch.ConfigSource source, Clock clock) {
        this.source = source;
        this.clock = clock;
    }

    @Override
    public String token(Pod pod, ServiceAccountTokenProjection projection) {
        Kept known = kept.get(projection);
        if (known == null || !clock.instant().isBefore(known.renewAt())) {
            long seconds = Objects.requireNonNullElse(projection.getExpirationSeconds(), DEFAULT_SECONDS);
            Instant renewAt = clock.instant().plusSeconds(seconds * 4 / 5);
            known = new Kept(source.token(pod, projection), renewAt);
            kept.put(projection, known);
        }
        return known.token();
    }

    @Override
    public Optional<Map<String, byte[]>> configMap(String namespace, String name) {
        return source.configMap(namespace, name);
    }

    @Override
    public Optional<Map<String, byte[]>> secret(String namespace, String name) {
        return source.secret(namespace, name);
    }
}

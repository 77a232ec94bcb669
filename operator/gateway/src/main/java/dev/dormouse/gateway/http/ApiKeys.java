package dev.dormouse.gateway.http;

import dev.dormouse.gateway.route.ApiKey;
import io.vertx.core.MultiMap;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Who may come in (BL25), where keys are wanted at all: {@code Authorization: Bearer}, the password of {@code Basic}, or
 * {@code x-api-key}. Owned by the event loop.
 */
final class ApiKeys {

    private static final class Use {
        private final ApiKey key;
        private int requests;

        Use(ApiKey key) {
            this.key = key;
        }
    }

    private final boolean wanted;
    private final Map<String, ApiKey> byDigest = new HashMap<>();
    private final Map<String, Use> byName = new HashMap<>();

    ApiKeys(boolean wanted) {
        this.wanted = wanted;
    }

    boolean wanted() {
        return wanted;
    }

    void put(ApiKey key) {
        Use before = byName.get(key.name());
        remove(key.name());
        Use use = new Use(key);
        use.requests = before == null ? 0 : before.requests;
        byName.put(key.name(), use);
        key.digests().forEach(digest -> byDigest.put(digest, key));
    }

    void remove(String name) {
        byDigest.values().removeIf(key -> key.name().equals(name));
        byName.remove(name);
    }

    /** The key that a request carries, if it is one of ours. */
    Optional<ApiKey> find(MultiMap headers) {
        String secret = secret(headers.get("Authorization"));
        if (secret == null) {
            secret = headers.get("x-api-key");
        }
        return Optional.ofNullable(secret).map(ApiKey::digest).map(byDigest::get);
    }

    private static @Nullable String secret(@Nullable String authorization) {
        String[] parts = authorization == null ? new String[0] : authorization.strip().split("\\s+", 2);
        if (parts.length != 2) {
            return null;
        }
        return switch (parts[0].toLowerCase(Locale.ROOT)) {
            case "bearer" -> parts[1];
            case "basic" -> password(parts[1]);
            default -> null;
        };
    }

    private static @Nullable String password(String encoded) {
        try {
            String pair = new String(Base64.getDecoder().decode(encoded), StandardCharsets.UTF_8);
            return pair.indexOf(':') < 0 ? null : pair.substring(pair.indexOf(':') + 1);
        } catch (IllegalArgumentException e) {
            return null; // Not base64: no key.
        }
    }

    /** Whether the key has room for one request more, which is then counted until {@link #left}. */
    boolean entered(ApiKey key) {
        Use use = byName.get(key.name());
        if (use == null || use.requests >= use.key.concurrencyLimit()) {
            return false;
        }
        use.requests++;
        return true;
    }

    void left(ApiKey key) {
        Use use = byName.get(key.name());
        if (use != null) {
            use.requests = Math.max(0, use.requests - 1);
        }
    }
}

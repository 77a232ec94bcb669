package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Bearer tokens of ServiceAccounts: JSON Web Tokens with the claims of kube-apiserver's, signed by HMAC-SHA256 because nobody
 * but this server checks them. A token is worth nothing once its account, or the object it is bound to, is gone.
 */
final class ServiceAccountTokens {
    static final String AUDIENCE = "https://kubernetes.default.svc.cluster.local";
    private static final long SHORTEST_SECONDS = 600;
    private static final long DEFAULT_SECONDS = 3600;
    private static final String HEADER = encoded(
            "{\"alg\":\"HS256\",\"typ\":\"JWT\"}".getBytes(StandardCharsets.UTF_8));

    private final SecretKeySpec key;
    private final Store store;
    private final Clock clock;

    /** @param secret what signs; the same secret accepts the tokens again after a restart */
    ServiceAccountTokens(String secret, Store store, Clock clock) {
        this.key = new SecretKeySpec(("service account tokens " + secret).getBytes(StandardCharsets.UTF_8),
                "HmacSHA256");
        this.store = store;
        this.clock = clock;
    }

    /** Answers a {@code TokenRequest}. */
    ObjectNode request(ResourceType type, ApiObject account, ObjectNode request) {
        JsonNode spec = request.path("spec");
        long seconds = spec.path("expirationSeconds").asLong(DEFAULT_SECONDS);
        if (seconds < SHORTEST_SECONDS) {
            throw ApiException.invalid(type, account.name(), List.of(Cause.invalid("spec.expirationSeconds",
                    Long.toString(seconds), "may not specify a duration less than 10 minutes")));
        }
        List<String> audiences = Json.strings(spec.path("audiences")).toList();
        Instant now = clock.instant().truncatedTo(ChronoUnit.SECONDS);
        ObjectNode claims = claims(account, spec.path("boundObjectRef"), audiences, now, seconds);
        ObjectNode status = request.put("kind", "TokenRequest")
                .put("apiVersion", "authentication.k8s.io/v1")
                .putObject("status");
        status.put("token", signed(claims)).put("expirationTimestamp", now.plusSeconds(seconds).toString());
        return request;
    }

    private ObjectNode claims(ApiObject account, JsonNode bound, List<String> audiences, Instant now, long seconds) {
        ObjectNode claims = Json.object();
        Stream.concat(audiences.stream(), audiences.isEmpty() ? Stream.of(AUDIENCE) : Stream.empty())
                .forEach(claims.putArray("aud")::add);
        claims.put("iss", AUDIENCE)
                .put("sub", "system:serviceaccount:" + account.namespace() + ":" + account.name())
                .put("iat", now.getEpochSecond())
                .put("nbf", now.getEpochSecond())
                .put("exp", now.plusSeconds(seconds).getEpochSecond());
        ObjectNode own = claims.putObject("kubernetes.io").put("namespace", account.namespace());
        own.putObject("serviceaccount").put("name", account.name()).put("uid", account.uid());
        if (bound.isObject()) {
            String kind = bound.path("kind").asText();
            if (!kind.equals("Pod") && !kind.equals("Secret")) {
                throw ApiException.badRequest("cannot bind a token to a " + kind + ": only to a Pod or a Secret");
            }
            String resource = kind.equals("Pod") ? "pods" : "secrets";
            ApiObject object = store.get(resource, new Key(account.namespace(), bound.path("name").asText()))
                    .orElseThrow(() -> ApiException.badRequest("cannot bind a token to " + kind + " \""
                            + bound.path("name").asText() + "\": there is none"));
            own.putObject(kind.equals("Pod") ? "pod" : "secret").put("name", object.name()).put("uid", object.uid());
        }
        return claims;
    }

    /** @return empty when the token is none of this server's, has expired, or speaks for somebody who is gone */
    Optional<User> verify(String token) {
        int signature = token.lastIndexOf('.');
        if (!token.startsWith(HEADER + ".") || signature <= HEADER.length()) {
            return Optional.empty();
        }
        JsonNode claims;
        try {
            byte[] given = Base64.getUrlDecoder().decode(token.substring(signature + 1));
            if (!MessageDigest.isEqual(given, sign(token.substring(0, signature)))) {
                return Optional.empty();
            }
            claims = Json.parse(Base64.getUrlDecoder().decode(token.substring(HEADER.length() + 1, signature)), false);
        } catch (IllegalArgumentException _) {
            return Optional.empty(); // not base64
        }
        String namespace = claims.path("kubernetes.io").path("namespace").asText();
        JsonNode account = claims.path("kubernetes.io").path("serviceaccount");
        boolean valid = claims.path("exp").asLong() > clock.instant().getEpochSecond()
                && Json.strings(claims.path("aud")).anyMatch(AUDIENCE::equals)
                && lives("serviceaccounts", namespace, account)
                && lives("pods", namespace, claims.path("kubernetes.io").path("pod"))
                && lives("secrets", namespace, claims.path("kubernetes.io").path("secret"));
        return valid
                ? Optional.of(User.serviceAccount(namespace, account.path("name").asText(),
                        account.path("uid").asText()))
                : Optional.empty();
    }

    private boolean lives(String resource, String namespace, JsonNode reference) {
        return reference.isMissingNode() || store.get(resource, new Key(namespace, reference.path("name").asText()))
                .filter(object -> object.uid().equals(reference.path("uid").asText()))
                .isPresent();
    }

    private String signed(ObjectNode claims) {
        String content = HEADER + "." + encoded(Json.bytes(claims));
        return content + "." + encoded(sign(content));
    }

    private byte[] sign(String content) {
        try {
            Mac mac = Mac.getInstance(key.getAlgorithm());
            mac.init(key);
            return mac.doFinal(content.getBytes(StandardCharsets.US_ASCII));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has HmacSHA256", e);
        }
    }

    private static String encoded(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}

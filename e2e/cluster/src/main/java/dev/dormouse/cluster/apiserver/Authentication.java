package dev.dormouse.cluster.apiserver;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Finds out who asks: by bearer token, and, for whoever may, as whom. */
final class Authentication {
    private static final String SERVICE_ACCOUNT = "system:serviceaccount:";

    private final byte[] adminToken;
    private final ServiceAccountTokens accounts;
    private final Authorizer authorizer;

    Authentication(String adminToken, ServiceAccountTokens accounts, Authorizer authorizer) {
        this.adminToken = adminToken.getBytes(StandardCharsets.UTF_8);
        this.accounts = accounts;
        this.authorizer = authorizer;
    }

    /**
     * @param headers by lower-case name
     * @throws ApiException 401 without a valid token, 403 for a user who may not act as another one
     */
    User authenticate(Map<String, String> headers) {
        String authorization = headers.getOrDefault("authorization", "");
        User user = Optional.of(authorization)
                .filter(value -> value.regionMatches(true, 0, "Bearer ", 0, 7))
                .flatMap(value -> verify(value.substring(7).strip()))
                .orElseThrow(ApiException::unauthorized);
        return headers.containsKey("impersonate-user") ? impersonated(user, headers) : user;
    }

    Optional<User> verify(String token) {
        return MessageDigest.isEqual(token.getBytes(StandardCharsets.UTF_8), adminToken)
                ? Optional.of(User.ADMIN)
                : accounts.verify(token);
    }

    private User impersonated(User user, Map<String, String> headers) {
        String name = headers.getOrDefault("impersonate-user", "");
        List<String> groups = Arrays.stream(headers.getOrDefault("impersonate-group", "").split(","))
                .map(String::strip)
                .filter(group -> !group.isEmpty())
                .toList();
        authorizer.check(user, new Attributes("impersonate", "", "users", "", "", name, ""));
        groups.forEach(group -> authorizer.check(user, new Attributes("impersonate", "", "groups", "", "", group, "")));
        String[] account = name.startsWith(SERVICE_ACCOUNT)
                ? name.substring(SERVICE_ACCOUNT.length()).split(":")
                : new String[0];
        if (account.length == 2) {
            return User.serviceAccount(account[0], account[1], "");
        }
        return new User(name, "", Stream.concat(groups.stream(), Stream.of(User.AUTHENTICATED)).distinct().toList());
    }
}

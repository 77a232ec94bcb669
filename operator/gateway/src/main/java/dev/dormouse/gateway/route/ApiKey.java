package dev.dormouse.gateway.route;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What the bearer of a secret may do.
 *
 * @param name of the Secret, {@code namespace/name}
 * @param digests of the keys that are valid now: two of them while one is being replaced
 * @param models globs over {@code namespace/name} and clients' names; {@code *} for any run of characters
 * @param priority added to its requests'
 * @param concurrencyLimit requests at once at one gateway
 */
public record ApiKey(String name, Set<String> digests, List<String> models, int priority, int concurrencyLimit) {
    public ApiKey {
        digests = Set.copyOf(digests);
        models = List.copyOf(models);
    }

    public boolean allows(ModelRoute model) {
        return models.stream()
                .map(ApiKey::pattern)
                .anyMatch(glob -> glob.matcher(model.key().toString()).matches()
                        || glob.matcher(model.clientName()).matches());
    }

    private static Pattern pattern(String glob) {
        return Pattern.compile(List.of(glob.split("\\*", -1))
                .stream()
                .map(Pattern::quote)
                .collect(Collectors.joining(".*")));
    }

    /** Keys are kept and compared only in this form, so that neither a dump nor the time of a comparison tells one. */
    public static String digest(String key) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}

package dev.dormouse.cluster.apiserver;

import dev.dormouse.cluster.apiserver.Store.Key;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Set;

/**
 * Which part of a list is asked for. All pages of a list show the state of the first.
 *
 * @param limit at most so many objects; 0 for all
 * @param after objects up to this one were in an earlier page
 * @param at the version of the state that is shown; negative for the present one
 */
record Page(long limit, Key after, long at) {
    private static final Key BEFORE_ALL = new Key("", "");
    private static final Set<String> MATCHES = Set.of("", "Exact", "NotOlderThan");

    /** @throws ApiException 400, 410 or 422 for parameters that cannot be, or no longer, answered */
    static Page of(ApiRequest request) {
        long limit = request.number("limit", 0);
        String token = request.query("continue");
        String match = request.query("resourceVersionMatch");
        long version = request.number("resourceVersion", 0);
        boolean matchMakesSense = match.isEmpty()
                || MATCHES.contains(match) && !request.query("resourceVersion").isEmpty() && token.isEmpty()
                        && (version > 0 || !match.equals("Exact"));
        if (!matchMakesSense) {
            throw ApiException.invalidOptions("ListOptions", "resourceVersionMatch",
                    "resourceVersionMatch is Exact or NotOlderThan, and goes with a resourceVersion (for Exact, not 0)"
                            + " and without continue: \"" + match + "\"");
        }
        if (!token.isEmpty()) {
            if (version != 0) {
                throw ApiException.badRequest("specifying resource version is not allowed when using continue");
            }
            return parse(token, limit);
        }
        return new Page(limit, BEFORE_ALL, match.equals("Exact") ? version : -1);
    }

    static String token(long version, Key last) {
        String text = version + "/" + last.namespace() + "/" + last.name();
        return Base64.getUrlEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static Page parse(String token, long limit) {
        try {
            String[] parts = new String(Base64.getUrlDecoder().decode(token), StandardCharsets.UTF_8).split("/", 3);
            return new Page(limit, new Key(parts[1], parts[2]), Long.parseLong(parts[0]));
        } catch (IllegalArgumentException | IndexOutOfBoundsException _) {
            throw ApiException.badRequest("continue key is not valid: " + token);
        }
    }
}

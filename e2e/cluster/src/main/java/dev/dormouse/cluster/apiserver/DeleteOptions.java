package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.OptionalLong;

/**
 * How a client wants an object deleted.
 *
 * @param uid precondition, empty for any
 * @param resourceVersion precondition, empty for any
 */
record DeleteOptions(OptionalLong gracePeriodSeconds, Propagation propagation, String uid, String resourceVersion,
        boolean dryRun) {

    /** What happens to the objects that name the deleted one as their owner. */
    enum Propagation {
        Background, Foreground, Orphan
    }

    static DeleteOptions background() {
        return new DeleteOptions(OptionalLong.empty(), Propagation.Background, "", "", false);
    }

    /** @param body the DeleteOptions of the request, may be missing; the query speaks where it is silent */
    static DeleteOptions parse(JsonNode body, Map<String, String> query) {
        String grace = body.path("gracePeriodSeconds").asText(query.getOrDefault("gracePeriodSeconds", ""));
        String policy = body.path("propagationPolicy").asText(query.getOrDefault("propagationPolicy", ""));
        if (policy.isEmpty() && body.has("orphanDependents")) {
            policy = body.path("orphanDependents").asBoolean() ? "Orphan" : "Background";
        }
        JsonNode preconditions = body.path("preconditions");
        try {
            return new DeleteOptions(grace.isEmpty() ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(grace)),
                    policy.isEmpty() ? Propagation.Background : Propagation.valueOf(policy),
                    preconditions.path("uid").asText(), preconditions.path("resourceVersion").asText(),
                    query.containsKey("dryRun") || !body.path("dryRun").isEmpty());
        } catch (IllegalArgumentException _) {
            throw ApiException.badRequest("invalid delete options: gracePeriodSeconds \"" + grace
                    + "\" must be a number and propagationPolicy \"" + policy
                    + "\" one of Background, Foreground, Orphan");
        }
    }
}

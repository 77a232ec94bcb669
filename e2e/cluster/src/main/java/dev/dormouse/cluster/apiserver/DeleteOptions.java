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
        String kind = body.path("kind").asText("DeleteOptions");
        if (!kind.equals("DeleteOptions") || body.has("preconditions") && !body.get("preconditions").isObject()) {
            throw ApiException.badRequest("the body of a deletion must be DeleteOptions, not " + kind
                    + ", with preconditions {uid, resourceVersion}: " + body.path("preconditions"));
        }
        String grace = body.path("gracePeriodSeconds").asText(query.getOrDefault("gracePeriodSeconds", ""));
        String policy = body.path("propagationPolicy").asText(query.getOrDefault("propagationPolicy", ""));
        if (policy.isEmpty() && body.has("orphanDependents")) {
            policy = body.path("orphanDependents").asBoolean() ? "Orphan" : "Background";
        }
        JsonNode preconditions = body.path("preconditions");
        String dryRun = body.path("dryRun").path(0).asText(query.getOrDefault("dryRun", ""));
        if (!dryRun.isEmpty() && !dryRun.equals("All")) {
            throw ApiException.invalidOptions("DeleteOptions", "dryRun",
                    "Unsupported value: \"" + dryRun + "\": supported values: \"All\"");
        }
        if (body.has("propagationPolicy") && body.has("orphanDependents")) {
            throw ApiException.invalidOptions("DeleteOptions", "propagationPolicy",
                    "Invalid value: orphanDependents and deletionPropagation cannot be both set");
        }
        try {
            return new DeleteOptions(grace.isEmpty() ? OptionalLong.empty() : OptionalLong.of(Long.parseLong(grace)),
                    policy.isEmpty() ? Propagation.Background : Propagation.valueOf(policy),
                    preconditions.path("uid").asText(), preconditions.path("resourceVersion").asText(),
                    !dryRun.isEmpty());
        } catch (NumberFormatException _) {
            throw ApiException.badRequest("gracePeriodSeconds must be a number: \"" + grace + "\"");
        } catch (IllegalArgumentException _) {
            throw ApiException.invalidOptions("DeleteOptions", "propagationPolicy", "Unsupported value: \"" + policy
                    + "\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"");
        }
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/** Answers "may I?": whoever holds the token may do everything, since nothing here evaluates roles. */
final class AccessReviews {
    /** By resource name. */
    static final Map<String, Kind> KINDS = Map.of("selfsubjectaccessreviews",
            new Kind("authorization.k8s.io", "SelfSubjectAccessReview"), "selfsubjectrulesreviews",
            new Kind("authorization.k8s.io", "SelfSubjectRulesReview"), "selfsubjectreviews",
            new Kind("authentication.k8s.io", "SelfSubjectReview"));

    record Kind(String group, String kind) {}

    private AccessReviews() {}

    static ObjectNode answer(String resource, ObjectNode review) {
        Kind kind = KINDS.get(resource);
        if (kind == null) {
            throw ApiException.noSuchPath(resource);
        }
        review.put("kind", kind.kind()).put("apiVersion", kind.group() + "/v1");
        ObjectNode status = review.putObject("status");
        switch (resource) {
            case "selfsubjectaccessreviews" -> status.put("allowed", true)
                    .put("reason",
                            "the embedded control plane evaluates no roles");
            case "selfsubjectrulesreviews" -> {
                ObjectNode rule = status.putArray("resourceRules").addObject();
                rule.putArray("verbs").add("*");
                rule.putArray("apiGroups").add("*");
                rule.putArray("resources").add("*");
                ObjectNode paths = status.putArray("nonResourceRules").addObject();
                paths.putArray("verbs").add("*");
                paths.putArray("nonResourceURLs").add("*");
                status.put("incomplete", false);
            }
            default -> {
                ObjectNode user = status.putObject("userInfo").put("username", "dormouse-admin");
                user.putArray("groups").add("system:masters").add("system:authenticated");
            }
        }
        return review;
    }
}

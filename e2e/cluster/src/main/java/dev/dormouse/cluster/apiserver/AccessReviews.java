package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Answers "may I?", "may she?" and "who is this?": resources that are computed and never stored. */
final class AccessReviews {
    private static final String AUTHENTICATION = "authentication.k8s.io";
    private static final String AUTHORIZATION = "authorization.k8s.io";

    /** By resource name. */
    static final Map<String, Kind> KINDS = Map.of(
            "selfsubjectaccessreviews", new Kind(AUTHORIZATION, "SelfSubjectAccessReview", false),
            "selfsubjectrulesreviews", new Kind(AUTHORIZATION, "SelfSubjectRulesReview", false),
            "subjectaccessreviews", new Kind(AUTHORIZATION, "SubjectAccessReview", false),
            "localsubjectaccessreviews", new Kind(AUTHORIZATION, "LocalSubjectAccessReview", true),
            "selfsubjectreviews", new Kind(AUTHENTICATION, "SelfSubjectReview", false),
            "tokenreviews", new Kind(AUTHENTICATION, "TokenReview", false));

    record Kind(String group, String kind, boolean namespaced) {}

    private final Authentication authentication;
    private final Authorizer authorizer;

    AccessReviews(Authentication authentication, Authorizer authorizer) {
        this.authentication = authentication;
        this.authorizer = authorizer;
    }

    static boolean isOne(String group, String version, String resource) {
        Kind kind = KINDS.get(resource);
        return kind != null && kind.group().equals(group) && version.equals("v1");
    }

    ObjectNode answer(String resource, String namespace, User user, ObjectNode review) {
        Kind kind = KINDS.getOrDefault(resource, new Kind("", "", false));
        review.put("kind", kind.kind()).put("apiVersion", kind.group() + "/v1");
        ApiObject.metadataOf(review);
        JsonNode spec = review.path("spec");
        review.remove("status");
        ObjectNode status = review.putObject("status");
        switch (resource) {
            case "selfsubjectaccessreviews" -> decide(status, user, attributes(spec, ""));
            case "subjectaccessreviews" -> decide(status, subject(spec), attributes(spec, ""));
            case "localsubjectaccessreviews" -> decide(status, subject(spec), attributes(spec, namespace));
            case "selfsubjectrulesreviews" -> listRules(status, user, spec.path("namespace").asText());
            case "tokenreviews" -> identify(status, spec.path("token").asText());
            default -> status.set("userInfo", user.toUserInfo());
        }
        return review;
    }

    private void decide(ObjectNode status, User user, Attributes wanted) {
        boolean allowed = authorizer.allows(user, wanted);
        status.put("allowed", allowed);
        if (!allowed) {
            status.put("reason", "no role that is bound to " + user.name() + " allows to " + wanted);
        }
    }

    private static Attributes attributes(JsonNode spec, String requiredNamespace) {
        JsonNode resource = spec.path("resourceAttributes");
        JsonNode path = spec.path("nonResourceAttributes");
        if (resource.isObject() == path.isObject()) {
            throw ApiException.unprocessable("exactly one of spec.resourceAttributes and spec.nonResourceAttributes"
                    + " must be given");
        }
        String namespace = resource.path("namespace").asText("");
        if (!requiredNamespace.isEmpty() && !namespace.equals(requiredNamespace)) {
            throw ApiException.unprocessable("spec.resourceAttributes.namespace must be " + requiredNamespace);
        }
        return resource.isObject()
                ? new Attributes(resource.path("verb").asText(), resource.path("group").asText(),
                        resource.path("resource").asText(), resource.path("subresource").asText(), namespace,
                        resource.path("name").asText(), "")
                : Attributes.ofPath(path.path("verb").asText(), path.path("path").asText());
    }

    private static User subject(JsonNode spec) {
        String name = spec.path("user").asText();
        List<String> groups = Json.strings(spec.path("groups")).toList();
        if (name.isEmpty() && groups.isEmpty()) {
            throw ApiException.unprocessable("spec.user or spec.groups must be given");
        }
        return new User(name, spec.path("uid").asText(), groups);
    }

    private void listRules(ObjectNode status, User user, String namespace) {
        if (namespace.isEmpty()) {
            throw ApiException.badRequest("no namespace on request");
        }
        var resources = status.putArray("resourceRules");
        var paths = status.putArray("nonResourceRules");
        authorizer.rules(user, namespace).forEach(rule -> {
            if (rule.has("resources")) {
                copy(rule, resources.addObject(), Stream.of("verbs", "apiGroups", "resources", "resourceNames"));
            }
            if (rule.has("nonResourceURLs")) {
                copy(rule, paths.addObject(), Stream.of("verbs", "nonResourceURLs"));
            }
        });
        status.put("incomplete", false);
    }

    private static void copy(JsonNode rule, ObjectNode to, Stream<String> lists) {
        lists.filter(rule::has).forEach(list -> to.set(list, rule.get(list).deepCopy()));
    }

    private void identify(ObjectNode status, String token) {
        Optional<User> user = authentication.verify(token);
        status.put("authenticated", user.isPresent());
        user.ifPresentOrElse(known -> {
            status.set("user", known.toUserInfo());
            status.putArray("audiences").add(ServiceAccountTokens.AUDIENCE);
        }, () -> status.put("error", "the token is none of this server's, has expired, or its account is gone"));
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.stream.Stream;

/**
 * Nobody grants more than they have, unless they may {@code escalate} roles or {@code bind} the role in question.
 *
 * @see <a href="https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping">Privilege
 *      escalation prevention</a>
 */
final class Escalation {
    private static final String GROUP = "rbac.authorization.k8s.io";

    private final Authorizer authorizer;

    Escalation(Authorizer authorizer) {
        this.authorizer = authorizer;
    }

    /** @throws ApiException 403 naming the first right that is not held */
    void check(User user, ResourceType type, ObjectNode next) {
        if (!type.group().equals(GROUP)) {
            return;
        }
        ApiObject object = new ApiObject(next);
        boolean binding = next.has("roleRef");
        JsonNode roleRef = next.path("roleRef");
        Attributes exempt = binding
                ? new Attributes("bind", GROUP, roleRef.path("kind").asText().equals("ClusterRole")
                        ? "clusterroles"
                        : "roles", "", object.namespace(), roleRef.path("name").asText(), "")
                : new Attributes("escalate", GROUP, type.plural(), "", object.namespace(), object.name(), "");
        if (authorizer.allows(user, exempt)) {
            return;
        }
        Stream<JsonNode> granted = binding
                ? authorizer.rulesOf(roleRef, object.namespace())
                : next.path("rules").valueStream();
        granted.flatMap(rule -> rights(rule, object.namespace()))
                .filter(right -> !authorizer.allows(user, right))
                .findFirst()
                .ifPresent(right -> {
                    throw ApiException.forbidden(type, object.name(), "user \"" + user.name()
                            + "\" is attempting to grant RBAC permissions not currently held: " + right);
                });
    }

    private static Stream<Attributes> rights(JsonNode rule, String namespace) {
        List<String> verbs = Json.strings(rule.path("verbs")).toList();
        Stream<Attributes> paths = Json.strings(rule.path("nonResourceURLs"))
                .flatMap(path -> verbs.stream().map(verb -> Attributes.ofPath(verb, path)));
        List<String> names = rule.path("resourceNames").isEmpty()
                ? List.of("")
                : Json.strings(rule.path("resourceNames")).toList();
        Stream<Attributes> resources = Json.strings(rule.path("apiGroups"))
                .flatMap(group -> Json.strings(rule.path("resources")).flatMap(resource -> {
                    String[] parts = resource.split("/", 2);
                    String subresource = parts.length > 1 ? parts[1] : "";
                    return names.stream()
                            .flatMap(name -> verbs.stream()
                                    .map(verb -> new Attributes(verb, group, parts[0], subresource, namespace, name,
                                            "")));
                }));
        return Stream.concat(paths, resources);
    }
}

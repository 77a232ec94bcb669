package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Role-based access control: a request is allowed when a rule of a role that is bound to the user, or to one of the user's
 * groups, allows it. Nothing is cached: a binding counts from the moment it is written.
 *
 * @see <a href="https://kubernetes.io/docs/reference/access-authn-authz/rbac/">Using RBAC Authorization</a>
 */
final class Authorizer {
    private static final String GROUP = "rbac.authorization.k8s.io";

    private final Store store;

    Authorizer(Store store) {
        this.store = store;
    }

    /** @throws ApiException 403 in the words of kube-apiserver */
    void check(User user, Attributes wanted) {
        if (!allows(user, wanted)) {
            throw ApiException.forbidden(wanted, "User \"" + user.name() + "\" cannot " + wanted);
        }
    }

    boolean allows(User user, Attributes wanted) {
        return rules(user, wanted.namespace()).anyMatch(rule -> allows(rule, wanted));
    }

    /** What a user may do in a namespace: the rules of cluster-wide bindings, then those of the namespace's own. */
    Stream<JsonNode> rules(User user, String namespace) {
        if (user.groups().contains(User.MASTERS)) {
            return Stream.of(everything());
        }
        Stream<JsonNode> clusterWide = bound(user, "clusterrolebindings", "");
        return namespace.isEmpty() ? clusterWide : Stream.concat(clusterWide, bound(user, "rolebindings", namespace));
    }

    private Stream<JsonNode> bound(User user, String bindings, String namespace) {
        return store.list(bindings + "." + GROUP, namespace)
                .objects()
                .stream()
                .filter(binding -> binding.json()
                        .path("subjects")
                        .valueStream()
                        .anyMatch(subject -> isSubject(user, subject, namespace)))
                .flatMap(binding -> role(binding.json().path("roleRef"), namespace).stream())
                .flatMap(this::rulesOf);
    }

    private static boolean isSubject(User user, JsonNode subject, String namespace) {
        String name = subject.path("name").asText();
        return switch (subject.path("kind").asText()) {
            case "User" -> user.name().equals(name);
            case "Group" -> user.groups().contains(name);
            case "ServiceAccount" -> user.name()
                    .equals("system:serviceaccount:" + subject.path("namespace").asText(namespace) + ":" + name);
            default -> false;
        };
    }

    /** What a role that a binding refers to allows; nothing when there is none. */
    Stream<JsonNode> rulesOf(JsonNode roleRef, String namespace) {
        return role(roleRef, namespace).stream().flatMap(this::rulesOf);
    }

    private Optional<ApiObject> role(JsonNode reference, String namespace) {
        boolean cluster = reference.path("kind").asText().equals("ClusterRole");
        return store.get((cluster ? "clusterroles." : "roles.") + GROUP,
                new Key(cluster ? "" : namespace, reference.path("name").asText()));
    }

    /** Of an aggregated role, the rules of the roles it selects; kube-controller-manager writes them into the role. */
    private Stream<JsonNode> rulesOf(ApiObject role) {
        List<Predicate<ApiObject>> selectors = role.json()
                .at("/aggregationRule/clusterRoleSelectors")
                .valueStream()
                .map(Selectors::byLabelSelector)
                .toList();
        Stream<JsonNode> own = role.json().path("rules").valueStream();
        if (selectors.isEmpty()) {
            return own;
        }
        return Stream.concat(own, store.list("clusterroles." + GROUP, "")
                .objects()
                .stream()
                .filter(each -> selectors.stream().anyMatch(selector -> selector.test(each)))
                .flatMap(each -> each.json().path("rules").valueStream()));
    }

    private static boolean allows(JsonNode rule, Attributes wanted) {
        if (!has(rule, "verbs", wanted.verb())) {
            return false;
        }
        if (!wanted.path().isEmpty()) {
            return Json.strings(rule.path("nonResourceURLs"))
                    .anyMatch(url -> url.equals(wanted.path()) || url.endsWith("*")
                            && wanted.path().startsWith(url.substring(0, url.length() - 1)));
        }
        boolean resource = has(rule, "resources", wanted.qualifiedResource()) || !wanted.subresource().isEmpty()
                && Json.strings(rule.path("resources")).anyMatch(("*/" + wanted.subresource())::equals);
        boolean name = rule.path("resourceNames").isEmpty()
                || Json.strings(rule.path("resourceNames")).anyMatch(wanted.name()::equals);
        return has(rule, "apiGroups", wanted.group()) && resource && name;
    }

    private static boolean has(JsonNode rule, String list, String value) {
        return Json.strings(rule.path(list)).anyMatch(each -> each.equals("*") || each.equals(value));
    }

    private static ObjectNode everything() {
        ObjectNode rule = Json.object();
        for (String list : List.of("verbs", "apiGroups", "resources", "nonResourceURLs")) {
            rule.putArray(list).add("*");
        }
        return rule;
    }
}

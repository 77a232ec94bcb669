package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Tells clients what is served: aggregated, as kubectl asks, and one group at a time, as fabric8 does. */
final class Discovery {
    static final String AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    private static final List<String> VERBS = List.of("create", "delete", "deletecollection", "get", "list", "patch",
            "update", "watch");

    private final ResourceTypes types;

    Discovery(ResourceTypes types) {
        this.types = types;
    }

    /** A served path below a resource, or a virtual resource that can only be created. */
    private record Served(String name, String kind, String group, String version, List<String> verbs) {}

    /** @param core whether {@code /api} is asked, or {@code /apis} */
    Reply aggregated(boolean core) {
        ObjectNode list = Json.object()
                .put("kind", "APIGroupDiscoveryList")
                .put("apiVersion", "apidiscovery.k8s.io/v2");
        list.putObject("metadata");
        ArrayNode items = list.putArray("items");
        versionsByGroup().forEach((group, version) -> {
            if (group.isEmpty() == core) {
                ObjectNode item = items.addObject();
                item.putObject("metadata").put("name", group);
                ObjectNode entry = item.putArray("versions").addObject().put("version", version);
                ArrayNode resources = entry.putArray("resources");
                typesOf(group).forEach(type -> describe(resources.addObject(), type));
                virtual(group).forEach(served -> describe(resources.addObject(), served));
                entry.put("freshness", "Current");
            }
        });
        return new Reply.Document(200, list, AGGREGATED);
    }

    private void describe(ObjectNode resource, ResourceType type) {
        resource.put("resource", type.plural());
        responseKind(resource, type.group(), type.version(), type.kind());
        resource.put("scope", type.namespaced() ? "Namespaced" : "Cluster").put("singularResource", type.singular());
        VERBS.forEach(resource.putArray("verbs")::add);
        names(resource, type);
        ArrayNode subresources = resource.putArray("subresources");
        subresources(type).forEach(sub -> {
            ObjectNode entry = subresources.addObject().put("subresource", sub.name());
            responseKind(entry, sub.group(), sub.version(), sub.kind());
            sub.verbs().forEach(entry.putArray("verbs")::add);
        });
    }

    private static void describe(ObjectNode resource, Served virtual) {
        resource.put("resource", virtual.name());
        responseKind(resource, virtual.group(), virtual.version(), virtual.kind());
        resource.put("scope", "Cluster").put("singularResource", virtual.kind().toLowerCase(java.util.Locale.ROOT));
        virtual.verbs().forEach(resource.putArray("verbs")::add);
    }

    private static void responseKind(ObjectNode resource, String group, String version, String kind) {
        resource.putObject("responseKind").put("group", group).put("version", version).put("kind", kind);
    }

    private static void names(ObjectNode resource, ResourceType type) {
        if (!type.shortNames().isEmpty()) {
            type.shortNames().forEach(resource.putArray("shortNames")::add);
        }
        if (!type.categories().isEmpty()) {
            type.categories().forEach(resource.putArray("categories")::add);
        }
    }

    private static List<Served> subresources(ResourceType type) {
        List<Served> found = new ArrayList<>();
        List<String> verbs = List.of("get", "patch", "update");
        if (type.statusSubresource()) {
            found.add(new Served("status", type.kind(), type.group(), type.version(), verbs));
        }
        if (type.scale() != null) {
            found.add(new Served("scale", "Scale", "autoscaling", "v1", verbs));
        }
        if (type.is("pods")) {
            found.add(new Served("log", "Pod", "", "v1", List.of("get")));
            found.add(new Served("eviction", "Eviction", "policy", "v1", List.of("create")));
            found.add(new Served("binding", "Binding", "", "v1", List.of("create")));
        }
        if (type.is("namespaces")) {
            found.add(new Served("finalize", "Namespace", "", "v1", List.of("update")));
        }
        if (type.is("serviceaccounts")) {
            found.add(new Served("token", "TokenRequest", "authentication.k8s.io", "v1", List.of("create")));
        }
        return found;
    }

    /** Resources that are answered, not stored. */
    private static List<Served> virtual(String group) {
        return AccessReviews.KINDS.entrySet()
                .stream()
                .filter(entry -> entry.getValue().group().equals(group))
                .map(entry -> new Served(entry.getKey(), entry.getValue().kind(), group, "v1", List.of("create")))
                .toList();
    }

    ObjectNode coreVersions() {
        ObjectNode versions = Json.object().put("kind", "APIVersions");
        versions.putArray("versions").add("v1");
        versions.putArray("serverAddressByClientCIDRs");
        return versions;
    }

    ObjectNode groups() {
        ObjectNode list = Json.object().put("kind", "APIGroupList").put("apiVersion", "v1");
        ArrayNode groups = list.putArray("groups");
        versionsByGroup().forEach((group, version) -> {
            if (!group.isEmpty()) {
                describeGroup(groups.addObject(), group, version);
            }
        });
        return list;
    }

    ObjectNode group(String group) {
        String version = versionsByGroup().get(group);
        if (version == null || group.isEmpty()) {
            throw ApiException.noSuchPath("/apis/" + group);
        }
        return describeGroup(Json.object().put("kind", "APIGroup").put("apiVersion", "v1"), group, version);
    }

    private static ObjectNode describeGroup(ObjectNode node, String group, String version) {
        node.put("name", group);
        node.putArray("versions").addObject().put("groupVersion", group + "/" + version).put("version", version);
        node.putObject("preferredVersion").put("groupVersion", group + "/" + version).put("version", version);
        return node;
    }

    ObjectNode resources(String group, String version) {
        if (!version.equals(versionsByGroup().get(group))) {
            throw ApiException.noSuchPath("/apis/" + group + "/" + version);
        }
        ObjectNode list = Json.object()
                .put("kind", "APIResourceList")
                .put("apiVersion", "v1")
                .put("groupVersion",
                        group.isEmpty() ? version : group + "/" + version);
        ArrayNode resources = list.putArray("resources");
        typesOf(group).forEach(type -> {
            ObjectNode entry = resource(resources.addObject(), type.plural(), type.singular(), type.namespaced(),
                    type.kind(), VERBS);
            names(entry, type);
            subresources(type).forEach(sub -> resource(resources.addObject(), type.plural() + "/" + sub.name(), "",
                    type.namespaced(), sub.kind(), sub.verbs()).put("group", sub.group())
                    .put("version", sub.version()));
        });
        virtual(group).forEach(served -> resource(resources.addObject(), served.name(), "", false, served.kind(),
                served.verbs()));
        return list;
    }

    private static ObjectNode resource(ObjectNode entry, String name, String singular, boolean namespaced, String kind,
            List<String> verbs) {
        entry.put("name", name).put("singularName", singular).put("namespaced", namespaced).put("kind", kind);
        verbs.forEach(entry.putArray("verbs")::add);
        return entry;
    }

    /** Every group has one version here; the core group, whose name is empty, comes first. */
    Map<String, String> versionsByGroup() {
        Map<String, String> versions = new LinkedHashMap<>();
        versions.put("", "v1");
        types.all().forEach(type -> versions.putIfAbsent(type.group(), type.version()));
        AccessReviews.KINDS.values().forEach(kind -> versions.putIfAbsent(kind.group(), "v1"));
        return versions;
    }

    Stream<ResourceType> typesOf(String group) {
        return types.all().stream().filter(type -> type.group().equals(group));
    }
}

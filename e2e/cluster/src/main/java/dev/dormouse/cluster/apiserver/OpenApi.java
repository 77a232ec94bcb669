package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * OpenAPI v3, as much as kubectl reads: which operations check unknown fields, and the schemas {@code kubectl explain}
 * shows.
 */
final class OpenApi {
    private static final List<String> WRITES = List.of("post", "put", "patch");
    private static final String DEFINITION = "#/components/schemas/";

    private final ResourceTypes types;
    private final Discovery discovery;

    OpenApi(ResourceTypes types, Discovery discovery) {
        this.types = types;
        this.discovery = discovery;
    }

    ObjectNode index() {
        ObjectNode index = Json.object();
        ObjectNode paths = index.putObject("paths");
        discovery.versionsByGroup().forEach((group, v) -> {
            String path = group.isEmpty() ? "api/" + v : "apis/" + group + "/" + v;
            paths.putObject(path)
                    .put("serverRelativeURL", "/openapi/v3/" + path + "?hash="
                            + Integer.toHexString(discovery.typesOf(group).toList().hashCode()));
        });
        return index;
    }

    ObjectNode document(String group, String version) {
        if (!version.equals(discovery.versionsByGroup().get(group))) {
            throw ApiException.noSuchPath("/openapi/v3/apis/" + group + "/" + version);
        }
        ObjectNode document = Json.object().put("openapi", "3.0.0");
        document.putObject("info")
                .put("title", "Dormouse embedded control plane")
                .put("version",
                        ApiServer.VERSION);
        ObjectNode paths = document.putObject("paths");
        ObjectNode schemas = document.putObject("components").putObject("schemas");
        types.all().stream().filter(type -> type.group().equals(group)).forEach(type -> {
            addPaths(paths, type);
            schemas.set(name(type), schema(type));
        });
        return document;
    }

    private static void addPaths(ObjectNode paths, ResourceType type) {
        String root = type.group().isEmpty() ? "/api/v1" : "/apis/" + type.apiVersion();
        String collection = root + (type.namespaced() ? "/namespaces/{namespace}/" : "/") + type.plural();
        ObjectNode all = paths.putObject(collection);
        operation(all, "get", "list", type);
        operation(all, "post", "post", type);
        ObjectNode one = paths.putObject(collection + "/{name}");
        operation(one, "get", "get", type);
        operation(one, "put", "put", type);
        operation(one, "patch", "patch", type);
        operation(one, "delete", "delete", type);
    }

    private static void operation(ObjectNode path, String method, String action, ResourceType type) {
        ObjectNode operation = path.putObject(method)
                .put("operationId", action + type.kind())
                .put("x-kubernetes-action", action);
        operation.set("x-kubernetes-group-version-kind", groupVersionKind(type));
        if (WRITES.contains(method)) {
            for (String name : List.of("dryRun", "fieldManager", "fieldValidation")) {
                operation.withArrayProperty("parameters")
                        .addObject()
                        .put("name", name)
                        .put("in", "query")
                        .putObject("schema")
                        .put("type", "string");
            }
        }
        operation.putObject("responses")
                .putObject("200")
                .put("description", "OK")
                .putObject("content")
                .putObject("application/json")
                .putObject("schema")
                .put("$ref", DEFINITION + name(type));
    }

    private static ObjectNode schema(ResourceType type) {
        Schema schema = type.schema();
        ObjectNode node = schema.source().deepCopy();
        node.put("type", "object");
        ObjectNode properties = node.withObjectProperty("properties");
        for (String field : List.of("apiVersion", "kind", "metadata")) {
            JsonNode source = schema.fieldOrAny(field).source();
            properties.set(field, source);
        }
        node.putArray("x-kubernetes-group-version-kind").add(groupVersionKind(type));
        return node;
    }

    private static ObjectNode groupVersionKind(ResourceType type) {
        return Json.object().put("group", type.group()).put("version", type.version()).put("kind", type.kind());
    }

    private static String name(ResourceType type) {
        String group = type.group().isEmpty() ? "io.k8s.api.core" : type.group();
        return group + "." + type.version() + "." + type.kind();
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Schema.ListType;
import io.fabric8.zjsonpatch.CompatibilityFlags;
import io.fabric8.zjsonpatch.JsonPatch;
import io.fabric8.zjsonpatch.JsonPatchException;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The three ways to patch a document; server-side apply is not one of them. None changes its input. */
final class Patches {
    private static final int MAX_OPERATIONS = 10_000;

    private Patches() {}

    /** Applies the patch that a request carries, of the kind its content type says. */
    static JsonNode apply(ApiRequest request, JsonNode target, ResourceType type) {
        JsonNode patch = Json.parse(request.body(), false);
        return switch (request.contentType()) {
            case "application/merge-patch+json" -> merge(target, patch);
            case "application/json-patch+json" -> json(target, patch);
            case "application/strategic-merge-patch+json" -> {
                if (type.custom()) {
                    throw ApiException.unsupportedMediaType("the body of the request was in an unknown format - custom"
                            + " resources accept: application/json-patch+json, application/merge-patch+json,"
                            + " application/apply-patch+yaml");
                }
                yield strategic(target, patch, type.schema());
            }
            default -> throw ApiException.unsupportedMediaType("unknown patch type " + request.contentType()
                    + " - accepted: application/json-patch+json, application/merge-patch+json,"
                    + " application/strategic-merge-patch+json, application/apply-patch+yaml");
        };
    }

    /** RFC 7386. */
    static JsonNode merge(JsonNode target, JsonNode patch) {
        if (!(patch instanceof ObjectNode)) {
            return patch.deepCopy();
        }
        ObjectNode result = target instanceof ObjectNode object ? object.deepCopy() : Json.object();
        patch.forEachEntry((name, value) -> {
            if (value.isNull()) {
                result.remove(name);
            } else {
                result.set(name, merge(result.path(name), value));
            }
        });
        return result;
    }

    /** RFC 6902. */
    static JsonNode json(JsonNode target, JsonNode patch) {
        if (!patch.isArray()) {
            throw ApiException.badRequest("a JSON patch is a list of operations");
        }
        if (patch.size() > MAX_OPERATIONS) {
            throw ApiException.tooManyOperations(patch.size(), MAX_OPERATIONS);
        }
        for (JsonNode operation : patch) {
            for (String pointer : List.of("path", "from")) {
                String text = operation.path(pointer).asText("");
                if (!text.isEmpty() && !text.startsWith("/")) {
                    throw ApiException.unprocessable("the JSON patch does not apply: a " + pointer
                            + " begins with \"/\": \"" + text + "\"");
                }
            }
        }
        try {
            return JsonPatch.apply(patch, target, EnumSet.of(CompatibilityFlags.FORBID_REMOVE_MISSING_OBJECT));
        } catch (JsonPatchException e) {
            throw ApiException.unprocessable("the JSON patch does not apply: " + e.getMessage());
        }
    }

    /** Kubernetes' strategic merge patch with its directives; which lists merge, and by which key, is in the schema. */
    static JsonNode strategic(JsonNode target, JsonNode patch, Schema schema) {
        if (patch instanceof ObjectNode changes && !schema.atomicMap()) {
            return strategicObject(target instanceof ObjectNode object ? object : Json.object(), changes, schema);
        }
        if (patch instanceof ArrayNode changes && schema.listType() == ListType.MAP) {
            return strategicList(target, changes, schema);
        }
        if (patch instanceof ArrayNode changes && schema.listType() == ListType.SET) {
            ArrayNode union = target instanceof ArrayNode list ? list.deepCopy() : Json.MAPPER.createArrayNode();
            changes.valueStream().filter(value -> union.valueStream().noneMatch(value::equals)).forEach(union::add);
            return union;
        }
        return patch.deepCopy();
    }

    private static JsonNode strategicObject(ObjectNode target, ObjectNode patch, Schema schema) {
        String directive = patch.path("$patch").asText("merge");
        if (directive.equals("replace") || directive.equals("delete")) {
            ObjectNode result = Json.object();
            return directive.equals("delete") ? result : withoutDirectives(patch);
        }
        ObjectNode result = target.deepCopy();
        if (patch.has("$retainKeys")) {
            Set<String> retained = new HashSet<>(Json.strings(patch.get("$retainKeys")).toList());
            result.retain(retained);
        }
        patch.forEachEntry((name, value) -> {
            if (name.startsWith("$deleteFromPrimitiveList/")) {
                if (result.get(name.substring(name.indexOf('/') + 1)) instanceof ArrayNode list) {
                    list.removeIf(item -> value.valueStream().anyMatch(item::equals));
                }
            } else if (!name.startsWith("$")) { // the order of items that $setElementOrder asks for is not kept
                if (value.isNull()) {
                    result.remove(name);
                } else {
                    result.set(name, strategic(result.path(name), value, schema.fieldOrAny(name)));
                }
            }
        });
        return result;
    }

    private static ArrayNode strategicList(JsonNode target, ArrayNode patch, Schema schema) {
        ArrayNode result = target instanceof ArrayNode list ? list.deepCopy() : Json.MAPPER.createArrayNode();
        if (patch.valueStream().anyMatch(item -> item.size() == 1 && item.path("$patch").asText().equals("replace"))) {
            result.removeAll();
        }
        // Kubernetes merges by one key, the first: a port by its number, whatever its protocol.
        String key = schema.listKeys().getFirst();
        for (JsonNode item : patch) {
            JsonNode identity = item.path(key);
            if (identity.isMissingNode()) {
                if (!item.has("$patch")) {
                    throw ApiException.badRequest("map: " + item + " does not contain declared merge key: " + key);
                }
                continue;
            }
            List<JsonNode> before = result.valueStream().toList();
            int at = before.stream().map(each -> each.path(key)).toList().indexOf(identity);
            if (item.path("$patch").asText().equals("delete")) {
                result.removeIf(each -> each.path(key).equals(identity));
            } else if (at >= 0) {
                result.set(at, strategic(before.get(at), item, schema.itemsOrAny()));
            } else {
                result.add(strategic(Json.object(), item, schema.itemsOrAny()));
            }
        }
        return result;
    }

    private static ObjectNode withoutDirectives(ObjectNode patch) {
        ObjectNode result = patch.deepCopy();
        result.properties().removeIf(entry -> entry.getKey().startsWith("$"));
        return result;
    }
}

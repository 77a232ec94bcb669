package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ManagedFields.FieldOwner;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What a write changes, as far as generations, versions and watchers are concerned. */
final class ObjectChanges {

    private ObjectChanges() {}

    /** Everything but metadata and status. */
    static boolean sameSpec(ObjectNode before, ObjectNode after) {
        return spec(before).equals(spec(after));
    }

    private static Map<String, JsonNode> spec(ObjectNode json) {
        Map<String, JsonNode> spec = new HashMap<>();
        json.forEachEntry(spec::put);
        spec.keySet().removeAll(Set.of("metadata", "status"));
        return spec;
    }

    /** Whether a write would change nothing that clients could see; when managers last wrote does not count. */
    static boolean sameContent(ApiObject old, ObjectNode next) {
        return content(old.json()).equals(content(next)) && fieldsByManager(old.json()).equals(fieldsByManager(next));
    }

    private static List<JsonNode> content(ObjectNode json) {
        ObjectNode metadata = Json.object();
        json.path("metadata").forEachEntry((name, value) -> {
            if (!name.equals("managedFields")) {
                metadata.set(name, value);
            }
        });
        ObjectNode rest = Json.object();
        json.forEachEntry((name, value) -> {
            if (!name.equals("metadata")) {
                rest.set(name, value);
            }
        });
        return List.of(metadata, rest);
    }

    private static Map<FieldOwner, FieldSet> fieldsByManager(ObjectNode json) {
        Map<FieldOwner, FieldSet> fields = new HashMap<>();
        ManagedFields.read(json.path("metadata").path("managedFields"))
                .owned()
                .forEach((manager, owned) -> fields.put(manager, owned.fields()));
        return fields;
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** What a schema does to a document before it is checked: drop what it does not know, fill in what it defaults. */
final class SchemaFields {

    private SchemaFields() {}

    /**
     * Removes fields that the schema does not know.
     *
     * @return their paths, e.g. {@code spec.engine.imgae}
     */
    static List<String> prune(ObjectNode document, Schema schema) {
        List<String> unknown = new ArrayList<>();
        prune(document, schema, "", unknown);
        return unknown;
    }

    private static void prune(JsonNode value, Schema schema, String path, List<String> unknown) {
        if (value instanceof ObjectNode object) {
            for (var fields = object.properties().iterator(); fields.hasNext();) {
                var entry = fields.next();
                String child = path.isEmpty() ? entry.getKey() : path + "." + entry.getKey();
                Schema known = schema.field(entry.getKey());
                if (known != null) {
                    prune(entry.getValue(), known, child, unknown);
                } else if (!schema.intOrString()) {
                    unknown.add(child);
                    fields.remove();
                }
            }
        } else if (value.isArray()) {
            for (int i = 0; i < value.size(); i++) {
                prune(value.get(i), schema.itemsOrAny(), path + "[" + i + "]", unknown);
            }
        }
    }

    /** Fills in defaults; a null where the schema has a default and does not allow null is a missing value. */
    static void applyDefaults(JsonNode value, Schema schema) {
        if (value instanceof ObjectNode object) {
            schema.properties().forEach((name, property) -> {
                JsonNode fallback = property.defaultValue();
                JsonNode given = object.get(name);
                if (fallback != null && (given == null || given.isNull() && !property.nullable())) {
                    object.set(name, fallback.deepCopy());
                }
            });
            object.forEachEntry((name, child) -> applyDefaults(child, schema.fieldOrAny(name)));
        } else if (value.isArray()) {
            value.forEach(item -> applyDefaults(item, schema.itemsOrAny()));
        }
    }
}

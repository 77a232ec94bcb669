package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A structural schema, as CustomResourceDefinitions carry it: the part that gives a document its shape. Value constraints
 * (bounds, patterns …) stay in {@code source} and are read by {@link SchemaValidation}.
 *
 * @param type {@code object}, {@code array}, {@code string} …; empty when any type is allowed
 * @param items of an array, null when it has no schema
 * @param additional of a map, null when fields must be named
 * @param listKeys of an array with list type {@code map}: the fields that identify an item
 */
record Schema(
        JsonNode source,
        String type,
        Map<String, Schema> properties,
        @Nullable Schema items,
        @Nullable Schema additional,
        boolean preservesUnknown,
        boolean intOrString,
        boolean nullable,
        ListType listType,
        List<String> listKeys,
        boolean atomicMap) {

    /** Allows everything, and says nothing about it. */
    static final Schema ANY = parse(Json.object().put("x-kubernetes-preserve-unknown-fields", true));

    enum ListType {
        ATOMIC, SET, MAP
    }

    static Schema parse(JsonNode source) {
        Map<String, Schema> properties = new HashMap<>();
        source.path("properties").forEachEntry((name, child) -> properties.put(name, parse(child)));
        JsonNode additional = source.path("additionalProperties");
        boolean embedded = source.path("x-kubernetes-embedded-resource").asBoolean();
        if (embedded) {
            withObjectFields(properties);
        }
        return new Schema(source, source.path("type").asText(), Map.copyOf(properties),
                source.has("items") ? parse(source.get("items")) : null,
                additional.isObject() ? parse(additional) : additional.asBoolean(false) ? ANY : null,
                source.path("x-kubernetes-preserve-unknown-fields").asBoolean(),
                source.path("x-kubernetes-int-or-string").asBoolean(), source.path("nullable").asBoolean(),
                switch (source.path("x-kubernetes-list-type").asText()) {
                    case "map" -> ListType.MAP;
                    case "set" -> ListType.SET;
                    default -> ListType.ATOMIC;
                }, Json.strings(source.path("x-kubernetes-list-map-keys")).toList(),
                source.path("x-kubernetes-map-type").asText().equals("atomic"));
    }

    /** The schema of a whole object: what every object has is added to what its own schema says. */
    static Schema ofObject(JsonNode source) {
        Schema parsed = parse(source);
        Map<String, Schema> properties = new HashMap<>(parsed.properties);
        withObjectFields(properties);
        return new Schema(source, "object", Map.copyOf(properties), null, parsed.additional, parsed.preservesUnknown,
                false, false, ListType.ATOMIC, List.of(), false);
    }

    /** @return the schema of a field, null when the schema does not know the field */
    @Nullable
    Schema field(String name) {
        Schema known = properties.get(name);
        if (known != null) {
            return known;
        }
        return additional != null ? additional : preservesUnknown ? ANY : null;
    }

    Schema fieldOrAny(String name) {
        Schema known = field(name);
        return known == null ? ANY : known;
    }

    Schema itemsOrAny() {
        return items == null ? ANY : items;
    }

    /** @return null when there is none */
    @Nullable
    JsonNode defaultValue() {
        return source.get("default");
    }

    private static void withObjectFields(Map<String, Schema> properties) {
        ObjectNode string = Json.object().put("type", "string");
        properties.put("apiVersion", parse(string));
        properties.put("kind", parse(string));
        properties.put("metadata", BuiltInSchemas.objectMeta());
    }
}

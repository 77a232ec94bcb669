package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Schema.ListType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A set of fields of an object, as {@code managedFields} records them. A path is the list of its elements in the wire form
 * of {@code FieldsV1}: {@code f:spec}, {@code k:{"name":"engine"}}, {@code v:"a"}.
 */
record FieldSet(Set<List<String>> paths) {

    /** What a list item contributes besides its fields: that it is there. */
    private static final JsonNode PRESENT = BooleanNode.TRUE;

    FieldSet {
        paths = Collections.unmodifiableSet(new LinkedHashSet<>(paths));
    }

    /** How one state of an object became another. */
    record Difference(FieldSet set, FieldSet removed) {}

    static FieldSet of(JsonNode object, Schema schema) {
        return new FieldSet(values(object, schema).keySet());
    }

    static Difference difference(@Nullable JsonNode before, JsonNode after, Schema schema) {
        Map<List<String>, JsonNode> old = before == null ? Map.of() : values(before, schema);
        Map<List<String>, JsonNode> now = values(after, schema);
        return new Difference(
                where(now.keySet(), path -> !now.getOrDefault(path, PRESENT).equals(old.get(path))),
                where(old.keySet(), path -> !now.containsKey(path)));
    }

    boolean isEmpty() {
        return paths.isEmpty();
    }

    FieldSet only(Predicate<List<String>> condition) {
        return where(paths, condition);
    }

    FieldSet plus(FieldSet other) {
        Set<List<String>> union = new LinkedHashSet<>(paths);
        union.addAll(other.paths);
        return new FieldSet(union);
    }

    FieldSet minus(FieldSet other) {
        return where(paths, path -> !other.paths.contains(path));
    }

    FieldSet and(FieldSet other) {
        return where(paths, other.paths::contains);
    }

    /** Whether a path, or one below it, is in the set. */
    boolean reaches(List<String> prefix) {
        return paths.stream()
                .anyMatch(
                        path -> path.size() >= prefix.size() && path.subList(0, prefix.size()).equals(prefix));
    }

    private static FieldSet where(Set<List<String>> paths, Predicate<List<String>> condition) {
        return new FieldSet(paths.stream().filter(condition).collect(Collectors.toCollection(LinkedHashSet::new)));
    }

    /** The fields of an object with their values: leaves, lists and maps that are one value, and the items of keyed lists. */
    private static Map<List<String>, JsonNode> values(JsonNode object, Schema schema) {
        Map<List<String>, JsonNode> found = new LinkedHashMap<>();
        collect(object, schema, List.of(), found);
        return found;
    }

    private static void collect(JsonNode value, Schema schema, List<String> path, Map<List<String>, JsonNode> found) {
        boolean keyed = value.isArray() && schema.listType() != ListType.ATOMIC;
        boolean granular = value.isObject() && !schema.atomicMap() || keyed;
        if (!granular || value.isEmpty()) {
            found.put(path, value);
        } else if (keyed) {
            for (JsonNode item : value) {
                List<String> itemPath = append(path, itemElement(item, schema));
                found.put(itemPath, PRESENT);
                if (schema.listType() == ListType.MAP) {
                    collectFields(item, schema.itemsOrAny(), itemPath, found);
                }
            }
        } else {
            collectFields(value, schema, path, found);
        }
    }

    private static void collectFields(JsonNode object, Schema schema, List<String> path,
            Map<List<String>, JsonNode> found) {
        object.forEachEntry(
                (name, child) -> collect(child, schema.fieldOrAny(name), append(path, "f:" + name), found));
    }

    /** The path element of a list item: {@code k:{...}} with the key fields in alphabetical order, or {@code v:...}. */
    static String itemElement(JsonNode item, Schema list) {
        if (list.listType() == ListType.SET) {
            return "v:" + item;
        }
        ObjectNode key = Json.object();
        for (String name : list.listKeys().stream().sorted().toList()) {
            JsonNode value = item.get(name);
            if (value == null) {
                value = list.itemsOrAny().fieldOrAny(name).defaultValue();
            }
            if (value != null) {
                key.set(name, value);
            }
        }
        if (key.isEmpty()) {
            throw ApiException.badRequest("an item of a list lacks all of its key fields " + list.listKeys());
        }
        return "k:" + key;
    }

    private static List<String> append(List<String> path, String element) {
        List<String> longer = new ArrayList<>(path.size() + 1);
        longer.addAll(path);
        longer.add(element);
        return List.copyOf(longer);
    }

    static FieldSet fromWire(JsonNode fieldsV1) {
        Set<List<String>> paths = new LinkedHashSet<>();
        read(fieldsV1, List.of(), paths);
        return new FieldSet(paths);
    }

    private static void read(JsonNode node, List<String> path, Set<List<String>> paths) {
        node.forEachEntry((element, child) -> {
            if (element.equals(".")) {
                paths.add(path);
            } else if (child.isEmpty()) {
                paths.add(append(path, element));
            } else {
                read(child, append(path, element), paths);
            }
        });
    }

    ObjectNode toWire() {
        ObjectNode root = Json.object();
        for (List<String> path : paths) {
            ObjectNode node = root;
            for (String element : path) {
                node = node.withObjectProperty(element);
            }
            node.putObject(".");
        }
        foldLeaves(root);
        return root;
    }

    /** A member without members below it is written as an empty object, not with a dot. */
    private static void foldLeaves(ObjectNode node) {
        node.forEach(child -> {
            if (child instanceof ObjectNode object) {
                if (object.size() == 1 && object.has(".")) {
                    object.removeAll();
                } else {
                    foldLeaves(object);
                }
            }
        });
    }

    /** How messages name a field: {@code .spec.containers[name="engine"].image}. */
    static String display(List<String> path) {
        StringBuilder text = new StringBuilder();
        for (String element : path) {
            String rest = element.substring(2);
            switch (element.charAt(0)) {
                case 'k' -> {
                    JsonNode key = Json.parse(rest.getBytes(java.nio.charset.StandardCharsets.UTF_8), false);
                    text.append(key.propertyStream()
                            .map(e -> e.getKey() + "=" + e.getValue())
                            .collect(Collectors.joining(",", "[", "]")));
                }
                case 'v' -> text.append("[=").append(rest).append(']');
                default -> text.append('.').append(rest);
            }
        }
        return text.toString();
    }

    /** @return the item of a keyed list that a path element means, -1 when there is none */
    static int indexOf(ArrayNode list, String element, Schema schema) {
        for (int i = 0; i < list.size(); i++) {
            if (itemElement(list.get(i), schema).equals(element)) {
                return i;
            }
        }
        return -1;
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import dev.dormouse.cluster.apiserver.ManagedFields.FieldOwner;
import dev.dormouse.cluster.apiserver.Schema.ListType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Server-side apply: merges what a manager wants into the live object, refuses to change what others own, and removes what
 * the manager wanted before, no longer wants, and nobody else owns. Pure; the rules are those of Kubernetes'
 * structured-merge-diff.
 */
final class ServerSideApply {
    private final ResourceType type;
    private final FieldOwner manager;
    private final boolean force;

    ServerSideApply(ResourceType type, FieldOwner manager, boolean force) {
        this.type = type;
        this.manager = manager;
        this.force = force;
    }

    /**
     * @param live null when the object does not exist yet
     * @param config what the manager wants, all of it
     * @return the merged object with its new managedFields
     * @throws ApiException 409 with one cause per field that another manager owns and {@code config} would change
     */
    ObjectNode apply(@Nullable ApiObject live, ObjectNode config, String now) {
        Schema schema = type.schema();
        ObjectNode wanted = scoped(config);
        FieldSet wantedFields = FieldSet.of(wanted, schema).only(ManagedFields.scope(type, manager.subresource()));
        if (live == null) {
            new ManagedFields(java.util.Map.of()).with(manager, wantedFields, wantedFields, now).writeTo(wanted);
            return wanted;
        }
        ObjectNode merged = (ObjectNode) merge(live.json(), wanted, schema);
        ManagedFields managed = ManagedFields.read(live.metadata().path("managedFields"));
        FieldSet changed = FieldSet.difference(live.json(), merged, schema).set();
        if (!force) {
            refuseConflicts(live.name(), managed, changed);
        }
        FieldSet kept = wantedFields.plus(managed.ofOthers(manager));
        remove(merged, managed.of(manager).minus(kept), kept, schema);
        managed.with(manager, wantedFields, changed, now).writeTo(merged);
        return merged;
    }

    /** An apply to the object cannot touch its status, and one to the status nothing else. */
    private ObjectNode scoped(ObjectNode config) {
        ObjectNode wanted = Json.object();
        boolean status = manager.subresource().equals("status");
        config.forEachEntry((name, value) -> {
            boolean identity = name.equals("apiVersion") || name.equals("kind");
            boolean isStatus = name.equals("status");
            if (identity || (status ? isStatus : !isStatus || !type.statusSubresource())) {
                wanted.set(name, withoutNulls(value));
            }
        });
        ObjectNode metadata = ApiObject.metadataOf(wanted);
        List.of("name", "namespace").forEach(field -> {
            if (config.path("metadata").has(field)) {
                metadata.set(field, config.path("metadata").get(field));
            }
        });
        return wanted;
    }

    private static JsonNode withoutNulls(JsonNode value) {
        JsonNode copy = value.deepCopy();
        if (copy instanceof ObjectNode object) {
            object.removeIf(JsonNode::isNull);
            object.properties().forEach(entry -> entry.setValue(withoutNulls(entry.getValue())));
        }
        return copy;
    }

    private void refuseConflicts(String name, ManagedFields managed, FieldSet changed) {
        List<Cause> causes = new ArrayList<>();
        List<String> owners = new ArrayList<>();
        managed.owned().forEach((other, entry) -> {
            FieldSet contested = entry.fields().and(changed);
            if (other.equals(manager) || contested.isEmpty()) {
                return;
            }
            String by = "conflict with \"" + other.name() + "\""
                    + (other.subresource().isEmpty() ? "" : " with subresource \"" + other.subresource() + "\"")
                    + (other.operation() == ManagedFields.Operation.Apply ? "" : " using " + other.apiVersion());
            List<String> fields = contested.paths().stream().map(FieldSet::display).toList();
            fields.forEach(field -> causes.add(new Cause("FieldManagerConflict", by, field)));
            owners.add(by + ": " + String.join(", ", fields));
        });
        if (!causes.isEmpty()) {
            throw ApiException.applyConflict(type, name, "Apply failed with " + causes.size() + " conflict"
                    + (causes.size() == 1 ? "" : "s") + ": " + String.join("; ", owners), causes);
        }
    }

    private static JsonNode merge(@Nullable JsonNode live, JsonNode wanted, Schema schema) {
        if (live instanceof ObjectNode object && wanted.isObject() && !schema.atomicMap()) {
            ObjectNode merged = object.deepCopy();
            wanted.forEachEntry((name, value) -> merged.set(name,
                    merge(object.get(name), value, schema.fieldOrAny(name))));
            return merged;
        }
        if (live instanceof ArrayNode list && wanted.isArray() && schema.listType() != ListType.ATOMIC) {
            ArrayNode merged = list.deepCopy();
            for (JsonNode item : wanted) {
                int at = FieldSet.indexOf(list, FieldSet.itemElement(item, schema), schema);
                if (at < 0) {
                    merged.add(item);
                } else if (schema.listType() == ListType.MAP) {
                    merged.set(at, merge(list.get(at), item, schema.itemsOrAny()));
                }
            }
            return merged;
        }
        return wanted.deepCopy();
    }

    /** Removes fields, list items before the fields in them; an item of which somebody keeps a field stays. */
    private static void remove(ObjectNode object, FieldSet dropped, FieldSet kept, Schema schema) {
        dropped.paths()
                .stream()
                .sorted(Comparator.comparingInt(List::size))
                .filter(path -> !kept.reaches(path))
                .forEach(path -> removeAt(object, path, kept, path, schema));
    }

    private static void removeAt(JsonNode node, List<String> rest, FieldSet kept, List<String> path, Schema schema) {
        String element = rest.getFirst();
        List<String> below = rest.subList(1, rest.size());
        if (node instanceof ObjectNode object && element.startsWith("f:")) {
            String name = element.substring(2);
            if (below.isEmpty()) {
                if (!isKeyOfItem(path, name)) {
                    object.remove(name);
                }
            } else if (object.get(name) instanceof JsonNode child) {
                removeAt(child, below, kept, path, schema.fieldOrAny(name));
                List<String> container = path.subList(0, path.size() - below.size());
                if (child.isContainerNode() && child.isEmpty() && !kept.reaches(container)) {
                    object.remove(name);
                }
            }
        } else if (node instanceof ArrayNode list) {
            int at = FieldSet.indexOf(list, element, schema);
            if (at >= 0 && below.isEmpty()) {
                list.remove(at);
            } else if (at >= 0) {
                removeAt(list.get(at), below, kept, path, schema.itemsOrAny());
            }
        }
    }

    /** Whether the last element of a path is a field that identifies the list item it is in. */
    private static boolean isKeyOfItem(List<String> path, String name) {
        String item = path.size() < 2 ? "" : path.get(path.size() - 2);
        return item.startsWith("k:") && item.contains("\"" + name + "\":");
    }
}

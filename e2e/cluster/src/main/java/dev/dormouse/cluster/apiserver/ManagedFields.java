package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Who owns which fields of an object.
 *
 * @param owned in the order in which the managers appeared
 */
record ManagedFields(Map<FieldOwner, Owned> owned) {
    /** Fields of the server, which nobody owns. */
    private static final Set<List<String>> UNOWNED = Set.of(List.of("f:apiVersion"), List.of("f:kind"),
            List.of("f:metadata"), metadata("name"), metadata("namespace"), metadata("creationTimestamp"),
            metadata("selfLink"), metadata("uid"), metadata("generation"), metadata("resourceVersion"),
            metadata("deletionTimestamp"), metadata("deletionGracePeriodSeconds"));

    enum Operation {
        Apply, Update
    }

    /** @param subresource empty for the object itself */
    record FieldOwner(String name, Operation operation, String apiVersion, String subresource) {}

    /** @param time when the manager last changed something, RFC 3339 */
    record Owned(FieldSet fields, String time) {}

    /** @param managedFields {@code metadata.managedFields}, may be missing */
    static ManagedFields read(JsonNode managedFields) {
        Map<FieldOwner, Owned> owned = new LinkedHashMap<>();
        for (JsonNode entry : managedFields) {
            if (entry.path("fieldsType").asText().equals("FieldsV1")) {
                Operation operation = entry.path("operation").asText().equals("Apply")
                        ? Operation.Apply
                        : Operation.Update;
                FieldOwner manager = new FieldOwner(entry.path("manager").asText(), operation,
                        entry.path("apiVersion").asText(), entry.path("subresource").asText());
                owned.put(manager,
                        new Owned(FieldSet.fromWire(entry.path("fieldsV1")), entry.path("time").asText()));
            }
        }
        return new ManagedFields(owned);
    }

    void writeTo(ObjectNode object) {
        if (owned.isEmpty()) {
            ApiObject.metadataOf(object).remove("managedFields");
            return;
        }
        ArrayNode list = ApiObject.metadataOf(object).putArray("managedFields");
        owned.forEach((manager, entry) -> {
            ObjectNode node = list.addObject()
                    .put("manager", manager.name())
                    .put("operation", manager.operation().name())
                    .put("apiVersion", manager.apiVersion())
                    .put("time", entry.time())
                    .put("fieldsType", "FieldsV1");
            node.set("fieldsV1", entry.fields().toWire());
            if (!manager.subresource().isEmpty()) {
                node.put("subresource", manager.subresource());
            }
        });
    }

    FieldSet of(FieldOwner manager) {
        Owned entry = owned.get(manager);
        return entry == null ? new FieldSet(Set.of()) : entry.fields();
    }

    /** Everything that managers other than this one own. */
    FieldSet ofOthers(FieldOwner manager) {
        FieldSet all = new FieldSet(Set.of());
        for (var entry : owned.entrySet()) {
            if (!entry.getKey().equals(manager)) {
                all = all.plus(entry.getValue().fields());
            }
        }
        return all;
    }

    /** The manager now owns exactly {@code mine}; nobody else owns {@code taken} any more. */
    ManagedFields with(FieldOwner manager, FieldSet mine, FieldSet taken, String now) {
        Map<FieldOwner, Owned> next = new LinkedHashMap<>();
        owned.forEach((other, entry) -> {
            FieldSet left = other.equals(manager) ? mine : entry.fields().minus(taken);
            if (!left.isEmpty()) {
                next.put(other, new Owned(left, left.equals(entry.fields()) ? entry.time() : now));
            }
        });
        if (!mine.isEmpty()) {
            next.putIfAbsent(manager, new Owned(mine, now));
        }
        return new ManagedFields(next);
    }

    /** What an ordinary write changed belongs to its writer, whoever owned it before. */
    ManagedFields afterUpdate(FieldOwner manager, @Nullable JsonNode before, JsonNode after, ResourceType type,
            String now) {
        var difference = FieldSet.difference(before, after, type.schema());
        Predicate<List<String>> inScope = scope(type, manager.subresource());
        FieldSet set = difference.set().only(inScope);
        FieldSet removed = difference.removed();
        return with(manager, of(manager).plus(set).minus(removed), set.plus(removed), now);
    }

    /** Which fields a write to the object, or to a subresource of it, can own. */
    static Predicate<List<String>> scope(ResourceType type, String subresource) {
        return path -> {
            boolean status = path.getFirst().equals("f:status");
            boolean metadataOfServer = UNOWNED.contains(path)
                    || path.size() > 1 && path.subList(0, 2).equals(metadata("managedFields"));
            return !metadataOfServer
                    && (subresource.equals("status") ? status : !status || !type.statusSubresource());
        };
    }

    private static List<String> metadata(String field) {
        return List.of("f:metadata", "f:" + field);
    }
}

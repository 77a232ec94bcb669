package dev.dormouse.operator.desired;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Lays one JSON tree over another: objects are merged, lists of named things are merged by name, other lists are
 * appended or replaced. The rules of kubectl's strategic merge, for the parts of a pod.
 */
final class PodOverlay {
    /** Lists whose entries have an identity, and the field that carries it. */
    private static final Map<String, String> KEYS = Map.of("containers", "name", "initContainers", "name", "volumes",
            "name", "env", "name", "imagePullSecrets", "name", "volumeMounts", "mountPath", "volumeDevices",
            "devicePath", "ports", "containerPort", "hostAliases", "ip", "resourceClaims", "name");
    /** Entries of these are alternatives of each other (an emptyDir or a claim, a value or a reference): never mixed. */
    private static final Set<String> WHOLE = Set.of("volumes", "env");
    private static final Set<String> APPENDED = Set.of("tolerations", "envFrom", "topologySpreadConstraints");

    private PodOverlay() {}

    /** Changes {@code base}. */
    static void apply(ObjectNode base, JsonNode overlay) {
        overlay.properties().forEach(field -> {
            JsonNode present = base.get(field.getKey());
            base.set(field.getKey(),
                    present == null ? field.getValue() : merged(field.getKey(), present, field.getValue()));
        });
    }

    private static JsonNode merged(String field, JsonNode present, JsonNode added) {
        if (present instanceof ObjectNode object && added.isObject()) {
            apply(object, added);
            return object;
        }
        if (present instanceof ArrayNode list && added.isArray()) {
            if (APPENDED.contains(field)) {
                added.forEach(list::add);
                return list;
            }
            String key = KEYS.get(field);
            if (key != null) {
                mergeByKey(field, key, list, added);
                return list;
            }
        }
        return added;
    }

    private static void mergeByKey(String field, String key, ArrayNode list, JsonNode added) {
        for (JsonNode entry : added) {
            Integer at = indexOf(list, key, entry.path(key).asText());
            if (at == null) {
                list.add(entry);
            } else if (WHOLE.contains(field)) {
                list.set(at, entry);
            } else if (list.get(at) instanceof ObjectNode object) {
                apply(object, entry);
            }
        }
    }

    private static @Nullable Integer indexOf(ArrayNode list, String key, String value) {
        for (int i = 0; i < list.size(); i++) {
            if (list.get(i).path(key).asText().equals(value)) {
                return i;
            }
        }
        return null;
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Objects;

/** The roles and bindings that every cluster begins with, as far as charts and people refer to them. */
final class DefaultRoles {
    private static final WriteOptions OPTIONS = WriteOptions.internal("dormouse-control-plane");

    private DefaultRoles() {}

    /** Creates what is missing; what somebody has changed stays changed. */
    static void create(ResourceTypes types, Store store, ObjectLifecycle objects) {
        JsonNode defaults = read();
        for (String resource : List.of("clusterroles", "clusterrolebindings")) {
            ResourceType type = types.get(resource + ".rbac.authorization.k8s.io");
            for (JsonNode each : defaults.path(resource)) {
                Store.Key key = new Store.Key("", each.at("/metadata/name").asText());
                if (store.get(type.groupResource(), key).isEmpty()) {
                    objects.create(type, "", (ObjectNode) each, OPTIONS);
                }
            }
        }
    }

    private static JsonNode read() {
        try (InputStream in = DefaultRoles.class.getResourceAsStream("default-roles.json")) {
            return Json.MAPPER.readTree(Objects.requireNonNull(in, "default-roles.json is not on the class path"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

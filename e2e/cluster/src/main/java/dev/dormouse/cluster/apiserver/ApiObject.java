package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * One API object. The tree of a stored object is shared by all readers and never changes again: writers work on
 * {@link #copy()}.
 */
record ApiObject(ObjectNode json) {

    String kind() {
        return json.path("kind").asText();
    }

    String name() {
        return metadata().path("name").asText();
    }

    /** Empty for cluster-scoped objects. */
    String namespace() {
        return metadata().path("namespace").asText();
    }

    String uid() {
        return metadata().path("uid").asText();
    }

    String resourceVersion() {
        return metadata().path("resourceVersion").asText();
    }

    JsonNode metadata() {
        return json.path("metadata");
    }

    JsonNode labels() {
        return metadata().path("labels");
    }

    boolean deleting() {
        return metadata().has("deletionTimestamp");
    }

    List<String> finalizers() {
        return Json.strings(metadata().path("finalizers")).toList();
    }

    Store.Key key() {
        return new Store.Key(namespace(), name());
    }

    ObjectNode copy() {
        return json.deepCopy();
    }

    /** The metadata of a tree that is being written, created when absent. */
    static ObjectNode metadataOf(ObjectNode json) {
        return json.get("metadata") instanceof ObjectNode metadata ? metadata : json.putObject("metadata");
    }
}

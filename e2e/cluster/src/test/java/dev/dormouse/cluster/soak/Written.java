package dev.dormouse.cluster.soak;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

/**
 * What the soak writes: config maps whose {@code data.step} counts the writes to that name, through deletions too, so that
 * a missing or repeated one shows. The label {@code turn} is the step's parity: every write takes the object into or out
 * of a selection.
 */
final class Written {
    static final ObjectMapper JSON = new ObjectMapper();
    static final String PATH = "/api/v1/namespaces/default/configmaps";
    /** Written when all else is: a watcher that has seen it has seen everything. */
    static final String LAST = "zzz-last";
    private static final String PADDING = "x".repeat(1_000);

    static String body(String name, long step) {
        return """
               {"metadata": {"name": "%s", "labels": {"soak": "yes", "turn": "%d"}},
                "data": {"step": "%d", "padding": "%s"}}""".formatted(name, step % 2, step, PADDING);
    }

    static String name(JsonNode object) {
        return object.at("/metadata/name").asText();
    }

    static long step(JsonNode object) {
        return object.at("/data/step").asLong();
    }

    static long version(JsonNode object) {
        return object.at("/metadata/resourceVersion").asLong();
    }

    private Written() {}
}

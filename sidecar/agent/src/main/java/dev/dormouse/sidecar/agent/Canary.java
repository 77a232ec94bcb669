package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.api.WarmupPlan;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Compares an engine's answer to a fixed probe with the one recorded when its snapshot was taken: a snapshot whose bytes
 * are intact may still belong to other code or other weights.
 */
final class Canary {
    /** Name of the file in a snapshot that holds the recorded answer; engines do not see it. */
    static final String FILE = "dormouse/canary";
    private static final int SHOWN = 80;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private Canary() {}

    /** @return what differs, for people; empty when the answers are the same */
    static Optional<String> difference(WarmupPlan.Canary probe, byte[] recorded, byte[] now) {
        JsonNode before = parse(recorded);
        JsonNode after = parse(now);
        if (before == null || after == null) {
            return Arrays.equals(recorded, now)
                    ? Optional.empty()
                    : Optional.of("the answer was " + shown(recorded) + " and is " + shown(now));
        }
        if (probe.pointer() != null) {
            JsonPointer pointer = JsonPointer.compile(probe.pointer());
            before = before.at(pointer);
            after = after.at(pointer);
        }
        return difference(probe.pointer() == null ? "" : probe.pointer(), before, after, probe.tolerance());
    }

    private static Optional<String> difference(String at, JsonNode before, JsonNode after, double tolerance) {
        if (before.isNumber() && after.isNumber()) {
            double a = before.doubleValue();
            double b = after.doubleValue();
            return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a)) ? Optional.empty() : told(at, before, after);
        }
        if (before.isArray() && after.isArray() && before.size() == after.size()) {
            for (int i = 0; i < before.size(); i++) {
                Optional<String> found = difference(at + "/" + i, before.get(i), after.get(i), tolerance);
                if (found.isPresent()) {
                    return found;
                }
            }
            return Optional.empty();
        }
        if (before.isObject() && after.isObject() && before.size() == after.size()) {
            for (Iterator<String> names = before.fieldNames(); names.hasNext();) {
                String name = names.next();
                Optional<String> found = difference(at + "/" + name, before.get(name), after.path(name), tolerance);
                if (found.isPresent()) {
                    return found;
                }
            }
            return Optional.empty();
        }
        return before.equals(after) ? Optional.empty() : told(at, before, after);
    }

    private static Optional<String> told(String at, JsonNode before, JsonNode after) {
        return Optional.of((at.isEmpty() ? "the answer" : at) + " was " + shown(before.toString().getBytes(UTF_8))
                + " and is " + shown(after.toString().getBytes(UTF_8)));
    }

    private static String shown(byte[] answer) {
        String text = new String(answer, UTF_8);
        return text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "…";
    }

    private static @Nullable JsonNode parse(byte[] answer) {
        try {
            JsonNode tree = JSON.readTree(new String(answer, UTF_8));
            return tree.isMissingNode() ? null : tree;
        } catch (JsonProcessingException e) {
            return null;
        }
    }
}

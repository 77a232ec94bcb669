package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.List;

/**
 * One column of a Table.
 *
 * @param priority 0 is always shown, more only with {@code -o wide}
 */
record Column(String name, String type, int priority, Cell cell) {
    static final Column NAME = new Column("Name", "string", 0, (object, _) -> object.metadata().path("name"));
    static final Column AGE = path("Age", "date", 0, ".metadata.creationTimestamp");

    /** Computes what one object shows; dates become ages seen from {@code now}. */
    interface Cell {
        JsonNode of(ApiObject object, Instant now);
    }

    static Column text(String name, int priority, java.util.function.Function<ApiObject, String> text) {
        return new Column(name, "string", priority, (object, _) -> TextNode.valueOf(text.apply(object)));
    }

    static Column path(String name, String type, int priority, String jsonPath) {
        JsonPath path = JsonPath.parse(jsonPath);
        return new Column(name, type, priority, (object, now) -> {
            List<JsonNode> found = path.find(object.json());
            if (found.isEmpty() || found.getFirst().isNull()) {
                return Json.MAPPER.nullNode();
            }
            JsonNode value = found.getFirst();
            return switch (type) {
                case "date" -> TextNode.valueOf(age(value.asText(), now));
                case "string" -> TextNode.valueOf(value.isContainerNode() ? value.toString() : value.asText());
                default -> value;
            };
        });
    }

    /** How long ago a timestamp is, as kubectl words it: {@code 12s}, {@code 3m40s}, {@code 5h}, {@code 8d}. */
    static String age(String timestamp, Instant now) {
        try {
            return shortly(Duration.between(OffsetDateTime.parse(timestamp).toInstant(), now));
        } catch (DateTimeParseException _) {
            return timestamp.isEmpty() ? "<unknown>" : "<invalid>"; // what kubectl prints for such values
        }
    }

    private static String shortly(Duration age) {
        long seconds = Math.max(0, age.toSeconds());
        long minutes = seconds / 60;
        long hours = minutes / 60;
        long days = hours / 24;
        if (seconds < 120) {
            return seconds + "s";
        } else if (minutes < 10) {
            return two(minutes, "m", seconds % 60, "s");
        } else if (minutes < 180) {
            return minutes + "m";
        } else if (hours < 8) {
            return two(hours, "h", minutes % 60, "m");
        } else if (hours < 48) {
            return hours + "h";
        } else if (days < 8) {
            return two(days, "d", hours % 24, "h");
        } else if (days < 730) {
            return days + "d";
        }
        return days < 2920 ? two(days / 365, "y", days % 365, "d") : days / 365 + "y";
    }

    private static String two(long big, String unit, long small, String smallUnit) {
        return small == 0 ? big + unit : big + unit + small + smallUnit;
    }
}

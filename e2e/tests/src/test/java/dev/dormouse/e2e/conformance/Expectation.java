package dev.dormouse.e2e.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * How a case file says what an answer must hold. Objects may have more fields than expected; lists have exactly the expected
 * elements in order, unless the field is written with a plus, {@code items+}: then each expected element is somewhere in the
 * list. A text is the value itself, {@code <absent>}, {@code <present>}, {@code <any>} (may be absent, for readers only) or,
 * after a tilde, a regular expression that is found in the value.
 */
final class Expectation {
    private Expectation() {}

    /** @return what differs, with its path; empty when the answer is as expected */
    static Optional<String> mismatch(JsonNode expected, JsonNode actual) {
        return mismatch("", expected, actual).findFirst();
    }

    private static Stream<String> mismatch(String path, JsonNode expected, JsonNode actual) {
        if (expected.isObject()) {
            return actual.isObject()
                    ? expected.propertyStream().flatMap(field -> field(path, field.getKey(), field.getValue(), actual))
                    : Stream.of(path + " should be an object, was " + actual);
        }
        if (expected.isArray()) {
            return actual.isArray() && actual.size() == expected.size()
                    ? IntStream.range(0, expected.size())
                            .boxed()
                            .flatMap(i -> mismatch(path + "/" + i, expected.get(i), actual.get(i)))
                    : Stream.of(path + " should be " + expected + ", was " + actual);
        }
        return value(expected.asText(), actual)
                ? Stream.of()
                : Stream.of("%s should be %s, was %s"
                        .formatted(path, expected, actual.isMissingNode() ? "absent" : actual));
    }

    private static Stream<String> field(String path, String name, JsonNode expected, JsonNode actual) {
        if (!name.endsWith("+")) {
            return mismatch(path + "/" + name, expected, actual.path(name));
        }
        JsonNode list = actual.path(name.substring(0, name.length() - 1));
        List<JsonNode> missing = expected.valueStream()
                .filter(element -> list.valueStream().noneMatch(each -> mismatch(element, each).isEmpty()))
                .toList();
        return missing.stream()
                .map(element -> "%s should contain %s, was %s".formatted(path + "/" + name, element, list));
    }

    private static boolean value(String expected, JsonNode actual) {
        return switch (expected) {
            case "<any>" -> true;
            case "<absent>" -> actual.isMissingNode();
            case "<present>" -> !actual.isMissingNode() && !actual.isNull() && !actual.asText("x").isEmpty();
            default -> actual.isValueNode() && (expected.startsWith("~")
                    ? Pattern.compile(expected.substring(1)).matcher(actual.asText()).find()
                    : expected.equals(actual.asText()));
        };
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The part of Kubernetes' JSONPath that CustomResourceDefinitions use: {@code .a.b}, {@code ['a.b']}, {@code [0]},
 * {@code [*]} and {@code [?(@.type=="Ready")]}.
 */
final class JsonPath {
    private static final Pattern STEP = Pattern
            .compile("\\.((?:[^.\\[\\\\]|\\\\.)+)|\\['([^']*)'\\]|\\[(\\d+)\\]|(\\[\\*\\])"
                    + "|\\[\\?\\(@\\.([A-Za-z0-9_]+)\\s*(==|!=)\\s*(?:\"([^\"]*)\"|'([^']*)')\\)\\]");

    private final List<Function<JsonNode, Stream<JsonNode>>> steps;
    private final List<String> fields;

    private JsonPath(List<Function<JsonNode, Stream<JsonNode>>> steps, List<String> fields) {
        this.steps = steps;
        this.fields = fields;
    }

    static JsonPath parse(String text) {
        List<Function<JsonNode, Stream<JsonNode>>> steps = new ArrayList<>();
        List<String> fields = new ArrayList<>();
        Matcher matcher = STEP.matcher(text);
        int end = 0;
        while (end < text.length() && matcher.find() && matcher.start() == end) {
            end = matcher.end();
            steps.add(step(matcher, fields));
        }
        if (end != text.length() || steps.isEmpty()) {
            throw ApiException.badRequest("unsupported JSON path: " + text);
        }
        return new JsonPath(steps, fields);
    }

    private static Function<JsonNode, Stream<JsonNode>> step(Matcher match, List<String> fields) {
        String field = match.group(1) != null ? match.group(1).replace("\\", "") : match.group(2);
        if (field != null) {
            fields.add(field);
            return node -> Stream.of(node.path(field));
        }
        if (match.group(3) != null) {
            int index = Integer.parseInt(match.group(3));
            return node -> Stream.of(node.path(index));
        }
        if (match.group(4) != null) {
            return JsonNode::valueStream;
        }
        String name = match.group(5);
        boolean equal = match.group(6).equals("==");
        String value = match.group(7) != null ? match.group(7) : match.group(8);
        return node -> node.valueStream().filter(item -> equal == item.path(name).asText().equals(value));
    }

    List<JsonNode> find(JsonNode document) {
        Stream<JsonNode> found = Stream.of(document);
        for (Function<JsonNode, Stream<JsonNode>> step : steps) {
            found = found.flatMap(step);
        }
        return found.filter(node -> !node.isMissingNode()).toList();
    }

    /** Sets the value at a path that consists of fields only, such as {@code .spec.replicas}. */
    void set(ObjectNode document, @Nullable JsonNode value) {
        ObjectNode parent = document;
        for (String field : fields.subList(0, fields.size() - 1)) {
            parent = parent.withObjectProperty(field);
        }
        parent.set(fields.getLast(), value);
    }
}

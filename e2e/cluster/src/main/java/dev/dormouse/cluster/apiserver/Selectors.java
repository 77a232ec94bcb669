package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Label and field selectors. What a selector asks that cannot be answered is a 400, never "all". */
final class Selectors {
    private static final Pattern SET_REQUIREMENT = Pattern.compile("(\\S+)\\s+(in|notin)\\s*\\(([^)]*)\\)");
    private static final Pattern EQUALITY = Pattern.compile("([^!=\\s]+)\\s*(!=|==|=)\\s*([^!=\\s]*)");
    private static final Pattern EXISTENCE = Pattern.compile("(!?)\\s*([^!=\\s]+)");
    /** Commas within parentheses separate values, not requirements. */
    private static final Pattern SEPARATOR = Pattern.compile(",(?![^(]*\\))");

    private static final Map<String, Set<String>> FIELDS = Map.of("pods",
            Set.of("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
                    "status.phase", "status.podIP", "status.nominatedNodeName"),
            "namespaces", Set.of("status.phase"), "nodes", Set.of("spec.unschedulable"), "secrets", Set.of("type"),
            "events", Set.of("involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
                    "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
                    "involvedObject.fieldPath", "reason", "reportingComponent", "type"));

    private Selectors() {}

    /** @param selector e.g. {@code app=a,tier in (x, y),!old}; empty selects everything */
    static Predicate<ApiObject> byLabels(String selector) {
        Predicate<ApiObject> all = _ -> true;
        for (String part : split(selector)) {
            Predicate<JsonNode> one = labelRequirement(part);
            all = all.and(object -> one.test(object.labels()));
        }
        return all;
    }

    /** @param selector a LabelSelector object; an empty one selects everything */
    static Predicate<ApiObject> byLabelSelector(JsonNode selector) {
        List<String> requirements = new ArrayList<>();
        selector.path("matchLabels").forEachEntry((key, value) -> requirements.add(key + "=" + value.asText()));
        for (JsonNode expression : selector.path("matchExpressions")) {
            String key = expression.path("key").asText();
            String values = Json.strings(expression.path("values")).collect(Collectors.joining(","));
            requirements.add(switch (expression.path("operator").asText()) {
                case "In" -> key + " in (" + values + ")";
                case "NotIn" -> key + " notin (" + values + ")";
                case "Exists" -> key;
                case "DoesNotExist" -> "!" + key;
                default -> throw ApiException.unprocessable("not a valid label selector operator: "
                        + expression.path("operator"));
            });
        }
        return byLabels(String.join(",", requirements));
    }

    private static Predicate<JsonNode> labelRequirement(String text) {
        Matcher set = SET_REQUIREMENT.matcher(text);
        if (set.matches()) {
            List<String> values = Arrays.stream(set.group(3).split(",")).map(String::strip).toList();
            boolean in = set.group(2).equals("in");
            String key = set.group(1);
            return labels -> in == (labels.has(key) && values.contains(labels.get(key).asText()));
        }
        Matcher equality = EQUALITY.matcher(text);
        if (equality.matches()) {
            boolean wanted = !equality.group(2).equals("!=");
            String key = equality.group(1);
            String value = equality.group(3);
            return labels -> wanted == (labels.has(key) && labels.get(key).asText().equals(value));
        }
        Matcher existence = EXISTENCE.matcher(text);
        if (existence.matches()) {
            boolean wanted = existence.group(1).isEmpty();
            return labels -> wanted == labels.has(existence.group(2));
        }
        throw ApiException.badRequest("unable to parse requirement of the label selector: \"" + text + "\"");
    }

    /** @param selector e.g. {@code spec.nodeName=local,status.phase!=Failed}; empty selects everything */
    static Predicate<ApiObject> byFields(String selector, ResourceType type) {
        Predicate<ApiObject> all = _ -> true;
        for (String part : split(selector)) {
            Matcher equality = EQUALITY.matcher(part);
            if (!equality.matches()) {
                throw ApiException
                        .badRequest("invalid field selector: \"" + part + "\"; use field=value or field!=value");
            }
            String field = equality.group(1);
            boolean supported = field.equals("metadata.name") || field.equals("metadata.namespace")
                    || FIELDS.getOrDefault(type.groupResource(), Set.of()).contains(field);
            if (!supported) {
                throw ApiException.badRequest("field label not supported: " + field);
            }
            String pointer = "/" + field.replace('.', '/');
            boolean wanted = !equality.group(2).equals("!=");
            String value = equality.group(3);
            all = all.and(object -> wanted == object.json().at(pointer).asText().equals(value));
        }
        return all;
    }

    private static List<String> split(String selector) {
        return SEPARATOR.splitAsStream(selector).map(String::strip).filter(part -> !part.isEmpty()).toList();
    }
}

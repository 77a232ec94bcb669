package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import dev.dormouse.cluster.apiserver.Schema.ListType;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Checks a document against a structural schema and words the failures as kube-apiserver does. */
final class SchemaValidation {
    private static final Map<String, Pattern> PATTERNS = new ConcurrentHashMap<>();

    private final List<Cause> causes = new ArrayList<>();

    private SchemaValidation() {}

    static List<Cause> validate(JsonNode document, Schema schema) {
        SchemaValidation validation = new SchemaValidation();
        validation.check(document, schema, "");
        return validation.causes;
    }

    private void check(JsonNode value, Schema schema, String path) {
        if (value.isNull()) {
            if (!schema.nullable() && !schema.type().isEmpty()) {
                refuseType(path, "null", path + " in body must be of type " + schema.type() + ": \"null\"");
            }
            return;
        }
        if (!hasType(value, schema)) {
            String expected = schema.intOrString() ? "integer,string" : schema.type();
            refuseType(path, "\"" + typeName(value) + "\"",
                    path + " in body must be of type " + expected + ": \"" + typeName(value) + "\"");
            return;
        }
        checkConstraints(value, schema.source(), path);
        if (value.isObject()) {
            value.forEachEntry(
                    (name, child) -> check(child, schema.fieldOrAny(name), path.isEmpty() ? name : path + "." + name));
        } else if (value.isArray()) {
            checkUniqueItems(value, schema, path);
            for (int i = 0; i < value.size(); i++) {
                check(value.get(i), schema.itemsOrAny(), path + "[" + i + "]");
            }
        }
    }

    private void refuseType(String path, String value, String message) {
        causes.add(new Cause("FieldValueTypeInvalid", "Invalid value: " + value + ": " + message, path));
    }

    private static boolean hasType(JsonNode value, Schema schema) {
        if (schema.intOrString()) {
            return value.isTextual() || isInteger(value);
        }
        return switch (schema.type()) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isTextual();
            case "boolean" -> value.isBoolean();
            case "integer" -> isInteger(value);
            case "number" -> value.isNumber();
            default -> true;
        };
    }

    private static boolean isInteger(JsonNode value) {
        return value.isIntegralNumber() || value.isNumber() && value.doubleValue() == Math.rint(value.doubleValue());
    }

    private static String typeName(JsonNode value) {
        return switch (value.getNodeType()) {
            case NUMBER -> isInteger(value) ? "integer" : "number";
            case POJO, BINARY, MISSING -> "string";
            case ARRAY, BOOLEAN, NULL, OBJECT, STRING -> value.getNodeType().name().toLowerCase(java.util.Locale.ROOT);
        };
    }

    private void checkConstraints(JsonNode value, JsonNode rules, String path) {
        for (JsonNode name : rules.path("required")) {
            if (!value.has(name.asText())) {
                causes.add(Cause.required(path.isEmpty() ? name.asText() : path + "." + name.asText()));
            }
        }
        if (rules.has("enum") && rules.get("enum").valueStream().noneMatch(value::equals)) {
            String allowed = rules.get("enum").valueStream().map(JsonNode::toString).collect(Collectors.joining(", "));
            causes.add(new Cause("FieldValueNotSupported",
                    "Unsupported value: " + value + ": supported values: " + allowed, path));
        }
        if (value.isNumber()) {
            checkNumber(value, rules, path);
        } else if (value.isTextual()) {
            checkString(value.asText(), rules, path);
        } else if (value.isContainerNode()) {
            String items = value.isArray() ? "Items" : "Properties";
            checkSize(value.size(), rules, items, value.isArray() ? "items" : "properties", path);
        }
        checkCombinations(value, rules, path);
    }

    private void checkNumber(JsonNode value, JsonNode rules, String path) {
        double number = value.doubleValue();
        if (rules.has("minimum")) {
            double minimum = rules.get("minimum").asDouble();
            boolean exclusive = rules.path("exclusiveMinimum").asBoolean();
            if (exclusive ? number <= minimum : number < minimum) {
                refuse(path, value.toString(), path + " in body should be greater than "
                        + (exclusive ? "" : "or equal to ") + plain(minimum));
            }
        }
        if (rules.has("maximum")) {
            double maximum = rules.get("maximum").asDouble();
            boolean exclusive = rules.path("exclusiveMaximum").asBoolean();
            if (exclusive ? number >= maximum : number > maximum) {
                refuse(path, value.toString(),
                        path + " in body should be less than " + (exclusive ? "" : "or equal to ") + plain(maximum));
            }
        }
        if (rules.has("multipleOf") && number % rules.get("multipleOf").asDouble() != 0) {
            refuse(path, value.toString(), path + " in body should be a multiple of " + rules.get("multipleOf"));
        }
    }

    private void checkString(String value, JsonNode rules, String path) {
        int length = value.codePointCount(0, value.length());
        if (length < rules.path("minLength").asInt(0)) {
            refuse(path, quoted(value), path + " in body should be at least " + rules.get("minLength") + " chars long");
        }
        if (length > rules.path("maxLength").asInt(Integer.MAX_VALUE)) {
            causes.add(new Cause("FieldValueTooLong",
                    "Too long: may not be more than " + rules.get("maxLength") + " bytes", path));
        }
        if (rules.has("pattern") && !PATTERNS.computeIfAbsent(rules.get("pattern").asText(), Pattern::compile)
                .matcher(value)
                .find()) {
            refuse(path, quoted(value), path + " in body should match '" + rules.get("pattern").asText() + "'");
        }
        if (rules.path("format").asText().equals("date-time") && !isDateTime(value)) {
            refuse(path, quoted(value), path + " in body must be of type date-time: " + quoted(value));
        }
    }

    private static boolean isDateTime(String value) {
        try {
            return OffsetDateTime.parse(value) != null;
        } catch (DateTimeParseException _) {
            return false; // the answer, not a failure
        }
    }

    private void checkSize(int size, JsonNode rules, String suffix, String noun, String path) {
        if (size < rules.path("min" + suffix).asInt(0)) {
            refuse(path, Integer.toString(size),
                    path + " in body should have at least " + rules.get("min" + suffix) + " " + noun);
        }
        if (size > rules.path("max" + suffix).asInt(Integer.MAX_VALUE)) {
            causes.add(new Cause("FieldValueTooMany",
                    "Too many: " + size + ": must have at most " + rules.get("max" + suffix) + " items", path));
        }
    }

    private void checkCombinations(JsonNode value, JsonNode rules, String path) {
        rules.path("allOf").forEach(branch -> check(value, Schema.parse(branch), path));
        if (rules.has("anyOf") && matching(value, rules.get("anyOf")) == 0) {
            refuse(path, quoted(typeName(value)), path + " in body must validate at least one schema (anyOf)");
        }
        if (rules.has("oneOf") && matching(value, rules.get("oneOf")) != 1) {
            refuse(path, quoted(typeName(value)), path + " in body must validate one and only one schema (oneOf)");
        }
        if (rules.has("not") && validate(value, Schema.parse(rules.get("not"))).isEmpty()) {
            refuse(path, quoted(typeName(value)), path + " in body must not validate the schema (not)");
        }
    }

    private static long matching(JsonNode value, JsonNode branches) {
        return branches.valueStream().filter(branch -> validate(value, Schema.parse(branch)).isEmpty()).count();
    }

    private void checkUniqueItems(JsonNode list, Schema schema, String path) {
        if (schema.listType() == ListType.ATOMIC && !schema.source().path("uniqueItems").asBoolean()) {
            return;
        }
        Set<Object> seen = new HashSet<>();
        for (int i = 0; i < list.size(); i++) {
            JsonNode item = list.get(i);
            Object identity = schema.listType() == ListType.MAP
                    ? schema.listKeys().stream().map(key -> item.path(key).toString()).toList()
                    : item;
            if (!seen.add(identity)) {
                causes.add(new Cause("FieldValueDuplicate", "Duplicate value: " + identity, path + "[" + i + "]"));
            }
        }
    }

    private void refuse(String path, String value, String message) {
        causes.add(Cause.invalid(path.isEmpty() ? "<nil>" : path, value, message));
    }

    private static String quoted(String value) {
        return "\"" + value + "\"";
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
    }
}

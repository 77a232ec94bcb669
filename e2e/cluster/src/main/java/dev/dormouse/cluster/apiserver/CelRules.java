package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import dev.cel.bundle.Cel;
import dev.cel.bundle.CelFactory;
import dev.cel.common.CelValidationException;
import dev.cel.common.types.SimpleType;
import dev.cel.common.values.NullValue;
import dev.cel.extensions.CelExtensions;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import dev.cel.runtime.CelRuntime;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Evaluates {@code x-kubernetes-validations}. {@code self} is untyped here: a rule that misuses a field fails when it is
 * evaluated, not when its CustomResourceDefinition is created, and Kubernetes' own functions (quantity, url, ip, regex) are
 * unknown. Either way the write is refused, never let through.
 */
final class CelRules {
    /** Loading CEL takes longer than starting the server, so it waits for the first rule. */
    private static final class Environment {
        static final Cel CEL = CelFactory.standardCelBuilder()
                .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
                .addVar("self", SimpleType.DYN)
                .addVar("oldSelf", SimpleType.DYN)
                .addCompilerLibraries(CelExtensions.strings())
                .addRuntimeLibraries(CelExtensions.strings())
                .build();
    }

    private static final Map<String, CelRuntime.Program> PROGRAMS = new ConcurrentHashMap<>();

    private final List<Cause> causes = new ArrayList<>();

    private CelRules() {}

    /** @param old the document before an update; transition rules (with {@code oldSelf}) apply only when there is one */
    static List<Cause> validate(JsonNode document, @Nullable JsonNode old, Schema schema) {
        CelRules rules = new CelRules();
        rules.check(document, old, schema, "");
        return rules.causes;
    }

    private void check(JsonNode value, @Nullable JsonNode old, Schema schema, String path) {
        for (JsonNode rule : schema.source().path("x-kubernetes-validations")) {
            evaluate(rule, value, old, path);
        }
        if (value.isObject()) {
            value.forEachEntry((name, child) -> check(child, old == null ? null : old.get(name),
                    schema.fieldOrAny(name), path.isEmpty() ? name : path + "." + name));
        } else if (value.isArray()) {
            for (int i = 0; i < value.size(); i++) {
                check(value.get(i), old == null ? null : oldItem(old, value.get(i), schema), schema.itemsOrAny(),
                        path + "[" + i + "]");
            }
        }
    }

    /** Only items of keyed lists can be told to be the same as before. */
    private static @Nullable JsonNode oldItem(JsonNode old, JsonNode item, Schema list) {
        if (list.listType() != Schema.ListType.MAP) {
            return null;
        }
        String identity = FieldSet.itemElement(item, list);
        return old.valueStream()
                .filter(each -> FieldSet.itemElement(each, list).equals(identity))
                .findFirst()
                .orElse(null);
    }

    private void evaluate(JsonNode rule, JsonNode self, @Nullable JsonNode old, String path) {
        String expression = rule.path("rule").asText();
        boolean transition = expression.contains("oldSelf");
        if (transition && old == null) {
            return;
        }
        Map<String, Object> variables = new HashMap<>();
        variables.put("self", toCel(self));
        if (transition && old != null) {
            variables.put("oldSelf", toCel(old));
        }
        try {
            if (!Boolean.TRUE.equals(program(expression).eval(variables))) {
                causes.add(new Cause(rule.path("reason").asText("FieldValueInvalid"),
                        "Invalid value: \"" + typeName(self) + "\": " + message(rule, variables),
                        rule.has("fieldPath") ? path + rule.get("fieldPath").asText() : path));
            }
        } catch (CelValidationException | CelEvaluationException e) {
            causes.add(Cause.invalid(path, "\"" + typeName(self) + "\"",
                    e.getMessage() + " evaluating rule: " + rule.path("message").asText(expression)));
        }
    }

    private static String message(JsonNode rule, Map<String, Object> variables)
            throws CelValidationException, CelEvaluationException {
        if (rule.has("messageExpression")) {
            return String.valueOf(program(rule.get("messageExpression").asText()).eval(variables));
        }
        return rule.path("message").asText("failed rule: " + rule.path("rule").asText());
    }

    private static CelRuntime.Program program(String expression) throws CelValidationException, CelEvaluationException {
        CelRuntime.Program program = PROGRAMS.get(expression);
        if (program == null) {
            program = Environment.CEL.createProgram(Environment.CEL.compile(expression).getAst());
            PROGRAMS.put(expression, program);
        }
        return program;
    }

    private static Object toCel(JsonNode node) {
        return switch (node.getNodeType()) {
            case OBJECT -> {
                Map<String, Object> map = new HashMap<>();
                node.forEachEntry((name, value) -> map.put(name, toCel(value)));
                yield map;
            }
            case ARRAY -> node.valueStream().map(CelRules::toCel).toList();
            case BOOLEAN -> node.asBoolean();
            case NUMBER -> node.isIntegralNumber() ? (Object) node.asLong() : (Object) node.asDouble();
            case STRING, BINARY, POJO -> node.asText();
            case NULL, MISSING -> NullValue.NULL_VALUE;
        };
    }

    private static String typeName(JsonNode node) {
        return node.isNumber() && node.isIntegralNumber()
                ? "integer"
                : node.getNodeType().name().toLowerCase(java.util.Locale.ROOT);
    }
}

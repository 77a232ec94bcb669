package dev.dormouse.operator.gitops;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.cel.common.CelValidationException;
import dev.cel.common.types.SimpleType;
import dev.cel.compiler.CelCompiler;
import dev.cel.compiler.CelCompilerFactory;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import dev.cel.runtime.CelRuntime;
import dev.cel.runtime.CelRuntimeFactory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Evaluates the health expressions that we ship for Flux, in its order: in progress, failed, current. */
final class FluxHealth {
    private static final Path EXPRESSIONS = Path.of("../../docs/gitops/flux-health.yaml");
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, CelRuntime.Program> programs;

    FluxHealth() throws IOException, CelValidationException, CelEvaluationException {
        JsonNode shipped = new YAMLMapper().readTree(EXPRESSIONS.toFile()).at("/healthCheckExprs/0");
        programs = Map.of("inProgress", program(shipped, "inProgress"), "failed", program(shipped, "failed"), "current",
                program(shipped, "current"));
    }

    private static CelRuntime.Program program(JsonNode shipped, String name)
            throws CelValidationException, CelEvaluationException {
        CelCompiler compiler = CelCompilerFactory.standardCelCompilerBuilder()
                .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
                .addVar("metadata", SimpleType.DYN)
                .addVar("status", SimpleType.DYN)
                .build();
        return CelRuntimeFactory.standardCelRuntimeBuilder()
                .build()
                .createProgram(compiler.compile(shipped.path(name).asText()).getAst());
    }

    /** @return {@code InProgress}, {@code Failed}, {@code Current}, or {@code Unknown} when no expression holds */
    String of(JsonNode object) throws CelEvaluationException {
        Map<?, ?> tree = (Map<?, ?>) longs(object);
        Map<String, Object> variables = Map.of("metadata", tree.get("metadata"), "status",
                tree.containsKey("status") ? tree.get("status") : Map.of());
        if (holds("inProgress", variables)) {
            return "InProgress";
        }
        if (holds("failed", variables)) {
            return "Failed";
        }
        return holds("current", variables) ? "Current" : "Unknown";
    }

    private boolean holds(String name, Map<String, Object> variables) throws CelEvaluationException {
        return Boolean.TRUE.equals(programs.get(name).eval(variables));
    }

    /** CEL's integers are 64 bits wide. */
    private static Object longs(JsonNode node) {
        if (node.isObject()) {
            Map<String, Object> map = new HashMap<>();
            node.properties().forEach(field -> map.put(field.getKey(), longs(field.getValue())));
            return map;
        }
        if (node.isArray()) {
            return node.valueStream().map(FluxHealth::longs).toList();
        }
        return node.isIntegralNumber() ? (Object) node.asLong() : JSON.convertValue(node, Object.class);
    }
}

package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.crdv2.generator.CRDGenerator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** The CRDs as YAML, from the types. */
final class CrdYaml {
    private static final String HEADER = "# Generated from dev.dormouse.api.v1alpha1; rewrite with: mvn test -pl crds -Dcrds.update\n";
    private static final YAMLMapper YAML = new YAMLMapper(new YAMLFactory()
            .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
            .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
            .disable(YAMLGenerator.Feature.SPLIT_LINES));

    private CrdYaml() {}

    /** Resource types by the name of their CRD. */
    static final Map<String, Class<? extends CustomResource<?, ?>>> TYPES = Map.of("inferencemodels.dormouse.dev",
            InferenceModel.class, "modelsnapshots.dormouse.dev", ModelSnapshot.class,
            "gpupools.dormouse.dev", GpuPool.class);

    static String generate(String name, Path scratch) throws IOException {
        Class<? extends CustomResource<?, ?>> type = Objects.requireNonNull(TYPES.get(name));
        new CRDGenerator().customResourceClasses(type).inOutputDir(scratch.toFile()).detailedGenerate();
        JsonNode crd = YAML.readTree(Files.readString(scratch.resolve(name + "-v1.yml")));
        for (JsonNode version : crd.at("/spec/versions")) {
            sortColumns(type, (ArrayNode) version.get("additionalPrinterColumns"));
            wholeNumbers(version.at("/schema"));
        }
        return HEADER + YAML.writeValueAsString(crd);
    }

    /** The generator sorts columns by path; users read them in the order in which the type declares them. */
    private static void sortColumns(Class<?> type, ArrayNode columns) {
        List<String> declared = Arrays.stream(type.getAnnotationsByType(AdditionalPrinterColumn.class))
                .map(AdditionalPrinterColumn::name)
                .toList();
        List<JsonNode> sorted = columns.valueStream()
                .sorted(Comparator.comparingInt(column -> declared.indexOf(column.get("name").asText())))
                .toList();
        columns.removeAll().addAll(sorted);
    }

    /** The generator writes bounds as doubles; {@code kubectl explain} reads better without the {@code .0}. */
    private static void wholeNumbers(JsonNode node) {
        if (node instanceof ObjectNode object) {
            for (String bound : List.of("minimum", "maximum")) {
                JsonNode value = object.get(bound);
                if (Objects.nonNull(value) && value.isDouble()) {
                    object.put(bound, value.longValue());
                }
            }
        }
        node.forEach(CrdYaml::wholeNumbers);
    }
}

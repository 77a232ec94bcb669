package dev.dormouse.api.v1alpha1;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.Compression;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.InitialStart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class InferenceModelSpecTest {
    private static final ObjectMapper YAML = new YAMLMapper()
            .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, true);
    private static final String MINIMAL = """
                                          model: {uri: "pvc://models/minilm"}
                                          engine: {image: example/engine}
                                          """;

    @Test
    @DisplayName("H1–H6, H59, W12, S2, S3, S6, L1: a minimal model gets every default")
    void minimalModelGetsEveryDefault() throws IOException {
        InferenceModelSpec spec = YAML.readValue(MINIMAL, InferenceModelSpec.class);

        assertThat(spec.replicas()).isZero();
        assertThat(spec.engine().port()).isEqualTo(8000);
        assertThat(spec.scaling()).isEqualTo(new InferenceModelSpec.Scaling(0, 1, 300, InitialStart.Once));
        assertThat(spec.requests()).isEqualTo(new InferenceModelSpec.Requests());
        assertThat(spec.warmup())
                .isEqualTo(new InferenceModelSpec.Warmup(100, 5000, true, true, true, 1, 2, 600));
        assertThat(spec.snapshot().compression()).isEqualTo(Compression.none);
        assertThat(spec.snapshot().compressionLevel()).isEqualTo(3);
        assertThat(spec.snapshot().verifyChecksum()).isTrue();
    }

    @Test
    @DisplayName("H8, S7: the spec survives a YAML and a JSON round trip")
    void specSurvivesRoundTrips() throws IOException {
        InferenceModelSpec spec = YAML.readValue(MINIMAL + "scaling: {maxReplicas: 4}\n", InferenceModelSpec.class);
        ObjectMapper json = new ObjectMapper();

        assertThat(YAML.readValue(YAML.writeValueAsString(spec), InferenceModelSpec.class)).isEqualTo(spec);
        assertThat(json.readValue(json.writeValueAsString(spec), InferenceModelSpec.class)).isEqualTo(spec);
    }

    @Test
    @DisplayName("The API server's defaults and the types' defaults are the same")
    void schemaDefaultsEqualTheTypesDefaults() throws IOException {
        JsonNode schema = YAML
                .readTree(Files.readString(Path.of("src/main/resources/crds/inferencemodels.dormouse.dev.yaml")))
                .at("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
        JsonNode typed = YAML.valueToTree(YAML.readValue(MINIMAL, InferenceModelSpec.class));

        for (String section : new String[]{"scaling", "requests", "loadBalancing", "cache", "warmup", "snapshot"}) {
            JsonNode properties = schema.at("/" + section + "/properties");
            properties.fields().forEachRemaining(field -> {
                JsonNode expected = field.getValue().get("default");
                assertThat(typed.at("/" + section + "/" + field.getKey()).asText())
                        .as("%s.%s", section, field.getKey())
                        .isEqualTo(expected == null ? "" : expected.asText());
            });
        }
    }
}

package dev.dormouse.cli.bench.run;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ModelCopyTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Test
    @DisplayName("R36, R37: a copy takes neither the name, the aliases, the canary nor the snapshots of the user's model")
    void copiesTouchNothingOfTheOriginal() throws Exception {
        GenericKubernetesResource original = JSON.readValue(
                """
                {"apiVersion": "dormouse.dev/v1alpha1", "kind": "InferenceModel",
                 "metadata": {"name": "chat", "uid": "u", "resourceVersion": "7", "labels": {"argo": "owns"}},
                 "spec": {"model": {"uri": "pvc://m/chat", "name": "chat", "aliases": ["gpt"]}, "replicas": 3,
                          "canary": {"model": "other", "percent": 5}, "engine": {"image": "e", "args": ["--x"]},
                          "snapshot": {"persistentVolumeClaim": "shared", "compression": "zstd"}}}
                """, GenericKubernetesResource.class);
        JsonNode before = JSON.valueToTree(original);

        JsonNode copy = JSON.valueToTree(ModelCopy.desired(original, "ns", "1", "r", 32));

        assertThat(copy.at("/metadata/name").asText()).isEqualTo("bench-1-r");
        assertThat(copy.at("/metadata").has("uid")).isFalse();
        assertThat(copy.at("/metadata/labels")).isEqualTo(JSON.readTree("{\"dormouse.dev/bench\": \"1\"}"));
        assertThat(copy.at("/spec/model/name").asText()).isEqualTo("bench-1-r");
        assertThat(copy.at("/spec/model").has("aliases")).isFalse();
        assertThat(copy.at("/spec").has("canary")).isFalse();
        assertThat(copy.at("/spec").has("replicas")).isFalse();
        assertThat(copy.at("/spec/snapshot").has("persistentVolumeClaim")).isFalse();
        assertThat(copy.at("/spec/snapshot/compression").asText()).isEqualTo("zstd");
        assertThat(copy.at("/spec/engine/args/0").asText()).isEqualTo("--x");
        assertThat(copy.at("/spec/requests/concurrencyLimit").asInt()).isEqualTo(32);
        assertThat(JSON.<JsonNode>valueToTree(original)).isEqualTo(before);
    }
}

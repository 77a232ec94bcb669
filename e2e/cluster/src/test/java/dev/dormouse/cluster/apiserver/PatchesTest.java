package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.Pod;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class PatchesTest {
    private static final Schema POD = BuiltInSchemas.of(Pod.class);

    @Test
    void nullRemovesInAMergePatch() {
        assertThat(Patches.merge(json("{a: {b: 1, c: 2}}"), json("{a: {b: null, d: 3}}")))
                .isEqualTo(json("{a: {c: 2, d: 3}}"));
        assertThat(Patches.merge(json("{a: [1, 2]}"), json("{a: [3]}"))).isEqualTo(json("{a: [3]}"));
        assertThat(Patches.merge(json("{a: 1}"), json("{a: {b: {c: null}}}"))).isEqualTo(json("{a: {b: {}}}"));
    }

    @Test
    void keyedListsAreMergedItemByItem() {
        JsonNode pod = json("{spec: {containers: [{name: a, image: x, args: [p, q]}, {name: b}]}}");

        assertThat(strategic(pod, "{spec: {containers: [{name: a, image: y}, {name: c}]}}"))
                .isEqualTo(json("{spec: {containers: [{name: a, image: y, args: [p, q]}, {name: b}, {name: c}]}}"));
        assertThat(strategic(pod, "{spec: {containers: [{name: a, args: [r]}]}}").at("/spec/containers/0/args"))
                .as("a list without a key is one value")
                .isEqualTo(json("[r]"));
    }

    @Test
    void directivesDeleteAndReplace() {
        JsonNode pod = json(
                "{metadata: {finalizers: [f, g]}, spec: {volumes: [{name: a}, {name: b}], nodeSelector: {x: '1'}}}");

        assertThat(strategic(pod, "{spec: {volumes: [{name: a, $patch: delete}]}}").at("/spec/volumes"))
                .isEqualTo(json("[{name: b}]"));
        assertThat(strategic(pod, "{spec: {volumes: [{$patch: replace}, {name: c}]}}").at("/spec/volumes"))
                .isEqualTo(json("[{name: c}]"));
        assertThat(strategic(pod, "{spec: {nodeSelector: {$patch: replace, y: '2'}}}").at("/spec/nodeSelector"))
                .isEqualTo(json("{y: '2'}"));
        assertThat(strategic(pod, "{metadata: {$deleteFromPrimitiveList/finalizers: [f], finalizers: [h]}}")
                .at("/metadata/finalizers")).isEqualTo(json("[g, h]"));
        assertThat(strategic(json("{spec: {volumes: [{name: a, emptyDir: {}}]}}"),
                "{spec: {volumes: [{name: a, $retainKeys: [name, configMap], configMap: {name: c}}]}}")
                .at("/spec/volumes/0"))
                .isEqualTo(json("{name: a, configMap: {name: c}}"));
        assertThat(strategic(pod, "{spec: {$setElementOrder/volumes: [{name: b}], volumes: null}}").at("/spec"))
                .isEqualTo(json("{nodeSelector: {x: '1'}}"));
    }

    @Test
    void anItemWithoutItsKeyIsRefused() {
        assertThatThrownBy(() -> strategic(json("{}"), "{spec: {containers: [{image: x}]}}"))
                .hasMessageContaining("merge key: name");
    }

    private static JsonNode strategic(JsonNode target, String patch) {
        return Patches.strategic(target, json(patch), POD);
    }

    private static JsonNode json(String yaml) {
        return Json.parse(yaml.getBytes(StandardCharsets.UTF_8), true);
    }
}

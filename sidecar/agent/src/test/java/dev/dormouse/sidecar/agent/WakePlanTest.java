package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class WakePlanTest {
    private static final Map<String, String> F32 = Map.of("engine", "onnx", "engine.version", "1", "dtype", "f32");
    private static final Map<String, String> BF16 = Map.of("engine", "onnx", "engine.version", "1", "dtype", "bf16");
    private static final EngineMessage.Hello HELLO = hello(Map.of("dtype", "f32"));

    @Test
    void withoutAVolumeTheSidecarKeepsNothing() {
        assertThat(WakePlan.decide(false, true, Memory.Host, null, HELLO))
                .isEqualTo(new WakePlan.Bypass("SnapshotsOff", null));
    }

    @Test
    @DisplayName("H3: weights that are not to be preloaded are the engine's business")
    void weightsThatAreNotPreloadedAreTheEnginesBusiness() {
        assertThat(WakePlan.decide(true, false, Memory.Host, F32, HELLO))
                .isEqualTo(new WakePlan.Bypass("PreloadWeightsOff", null));
    }

    @Test
    void memoryThatFitsIsAttached() {
        assertThat(WakePlan.decide(true, true, Memory.Host, F32, HELLO)).isEqualTo(new WakePlan.Attach());
    }

    @Test
    void withoutMemoryTheEngineLoadsFromTheSource() {
        assertThat(WakePlan.decide(true, true, Memory.Host, null, HELLO)).isEqualTo(new WakePlan.Create(null));
    }

    @Test
    void memoryThatDoesNotFitIsNamedWithEveryDifference() {
        assertThat(WakePlan.decide(true, true, Memory.Host, BF16, HELLO))
                .isEqualTo(new WakePlan.Create("dtype is bf16 in the snapshot and f32 in the engine"));
        assertThat(WakePlan.decide(true, true, Memory.Host, with("a", "1"), hello(Map.of("b", "2"))))
                .isEqualTo(new WakePlan.Create(
                        "a is 1 in the snapshot and nothing in the engine; b is nothing in the snapshot and 2 in the engine"));
    }

    @Test
    void theEnginesKindAndVersionBelongToWhatMustBeEqual() {
        assertThat(WakePlan.compatibility(HELLO)).isEqualTo(F32);
    }

    @Test
    @DisplayName("S64: an engine that cannot use this sidecar's memory loads by itself, and is told what to set")
    void anEngineThatCannotUseTheMemoryLoadsByItself() {
        assertThat(WakePlan.decide(true, true, Memory.Owned, F32, HELLO)).isEqualTo(new WakePlan.Bypass(
                "UnsupportedMemory",
                "the engine onnx cannot use memory of mode Owned, so it loads by itself: set snapshot.memory to one of [Host]"));
    }

    private static EngineMessage.Hello hello(Map<String, String> conditions) {
        return new EngineMessage.Hello(1, "onnx", "1", conditions);
    }

    private static Map<String, String> with(String key, String value) {
        return Map.of("engine", "onnx", "engine.version", "1", key, value);
    }
}

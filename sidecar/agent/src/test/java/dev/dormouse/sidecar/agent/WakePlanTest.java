package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.EngineMessage;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class WakePlanTest {
    private static final Map<String, String> F32 = Map.of("engine", "onnx", "engine.version", "1", "dtype", "f32");
    private static final Map<String, String> BF16 = Map.of("engine", "onnx", "engine.version", "1", "dtype", "bf16");

    @Test
    void withoutAVolumeTheSidecarKeepsNothing() {
        assertThat(WakePlan.decide(false, true, null, F32)).isEqualTo(new WakePlan.Bypass("SnapshotsOff"));
    }

    @Test
    @DisplayName("H3: weights that are not to be preloaded are the engine's business")
    void weightsThatAreNotPreloadedAreTheEnginesBusiness() {
        assertThat(WakePlan.decide(true, false, F32, F32)).isEqualTo(new WakePlan.Bypass("PreloadWeightsOff"));
    }

    @Test
    void memoryThatFitsIsAttached() {
        assertThat(WakePlan.decide(true, true, F32, F32)).isEqualTo(new WakePlan.Attach());
    }

    @Test
    void withoutMemoryTheEngineLoadsFromTheSource() {
        assertThat(WakePlan.decide(true, true, null, F32)).isEqualTo(new WakePlan.Create(null));
    }

    @Test
    void memoryThatDoesNotFitIsNamedWithEveryDifference() {
        assertThat(WakePlan.decide(true, true, BF16, F32))
                .isEqualTo(new WakePlan.Create("dtype is bf16 in the snapshot and f32 in the engine"));
        assertThat(WakePlan.decide(true, true, Map.of("a", "1"), Map.of("b", "2"))).isEqualTo(new WakePlan.Create(
                "a is 1 in the snapshot and nothing in the engine; b is nothing in the snapshot and 2 in the engine"));
    }

    @Test
    void theEnginesKindAndVersionBelongToWhatMustBeEqual() {
        var hello = new EngineMessage.Hello(1, "onnx", "1", Map.of("dtype", "f32"));

        assertThat(WakePlan.compatibility(hello)).isEqualTo(F32);
    }
}

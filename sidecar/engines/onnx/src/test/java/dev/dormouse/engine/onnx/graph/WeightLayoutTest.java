package dev.dormouse.engine.onnx.graph;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.onnx.graph.WeightLayout.Place;
import java.util.List;
import org.junit.jupiter.api.Test;

class WeightLayoutTest {

    @Test
    void weightsStandInOrderOnCacheLines() {
        WeightLayout layout = WeightLayout.pack(List.of(1030L, 64L, 2000L), 1 << 20);

        assertThat(layout.places()).containsExactly(new Place(0, 0), new Place(0, 1088), new Place(0, 1152));
        assertThat(layout.allocations()).containsExactly(3152L);
    }

    @Test
    void aFullAllocationIsFollowedByAnotherAndALongWeightHasItsOwn() {
        WeightLayout layout = WeightLayout.pack(List.of(600L, 400L, 5000L, 100L), 1_100);

        assertThat(layout.places()).containsExactly(new Place(0, 0), new Place(0, 640), new Place(1, 0),
                new Place(2, 0));
        assertThat(layout.allocations()).containsExactly(1040L, 5000L, 100L);
    }

    @Test
    void noWeightsNeedNoMemory() {
        assertThat(WeightLayout.pack(List.of(), 1_000)).isEqualTo(new WeightLayout(List.of(), List.of()));
    }
}

package dev.dormouse.engine.onnx.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BatchPlanTest {

    @Test
    void textsOfLikeLengthRunTogether() {
        assertThat(BatchPlan.of(List.of(500, 3, 480, 4, 5), 1_000))
                .containsExactly(List.of(1, 3, 4), List.of(2, 0));
    }

    @Test
    void everyInputRunsOnceAndNoBatchIsLargerThanAllowed() {
        Random random = new Random(7);
        for (int round = 0; round < 200; round++) {
            List<Integer> lengths = random.ints(random.nextInt(1, 100), 1, 600).boxed().toList();

            List<List<Integer>> batches = BatchPlan.of(lengths, 512);

            assertThat(batches.stream().flatMap(List::stream).sorted().toList())
                    .isEqualTo(IntStream.range(0, lengths.size()).boxed().toList());
            assertThat(batches).allSatisfy(batch -> {
                int longest = batch.stream().mapToInt(lengths::get).max().orElseThrow();
                assertThat(batch.size() == 1 || longest * batch.size() <= 512).isTrue();
            });
        }
    }
}

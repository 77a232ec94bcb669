package dev.dormouse.domain.warmup;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RankedQueueTest {

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void agreesWithATreeSetOverRandomSteps(long seed) {
        Random random = new Random(seed);
        RankedQueue<Integer> queue = new RankedQueue<>(Comparator.<Integer>naturalOrder());
        TreeSet<Integer> model = new TreeSet<>();
        for (int step = 0; step < 3_000; step++) {
            int value = random.nextInt(200);
            if (random.nextInt(5) < 3) {
                if (model.add(value)) {
                    queue.add(value);
                }
            } else {
                model.remove(value);
                queue.remove(value);
            }

            assertThat(queue.size()).isEqualTo(model.size());
            assertThat(queue.isEmpty()).isEqualTo(model.isEmpty());
            assertThat(queue.first()).isEqualTo(model.isEmpty() ? null : model.first());
            assertThat(queue.rank(value)).isEqualTo(model.headSet(value).size());
        }
        List<Integer> inOrder = new ArrayList<>();
        queue.forEach(inOrder::add);
        assertThat(inOrder).containsExactlyElementsOf(model);
    }
}

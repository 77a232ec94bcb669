package dev.dormouse.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cli.bench.Change.Verdict;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Real restores of one unchanged build, recorded on a machine that others used as well. However they are shared out between
 * two results, the comparison must not find a change: the build is the same.
 */
class UnchangedBuildTest {
    private static final int TRIES = 100;
    private static final int MOST = 5;
    private static BenchResult recorded;
    private static int starts;

    @BeforeAll
    static void read() throws Exception {
        recorded = ResultFolder.read(Path.of("src/test/resources/recorded-starts.json"));
        starts = Objects.requireNonNull(recorded.measurements().get("restore.total")).samples().size();
    }

    @ParameterizedTest(name = "{0} starts against {0}")
    @ValueSource(ints = {5, 10, 20, 50})
    @DisplayName("R39: of 100 resamplings of the recorded starts, at most five are called changed")
    void resampledStartsSeldomChange(int each) throws Exception {
        Random random = new Random(20261121);
        int changed = 0;
        for (int i = 0; i < TRIES; i++) {
            List<Integer> drawn = new ArrayList<>(IntStream.range(0, starts).boxed().toList());
            Collections.shuffle(drawn, random);
            changed += changed(drawn.subList(0, each), drawn.subList(each, 2 * each)) ? 1 : 0;
        }
        assertThat(changed).isLessThanOrEqualTo(MOST);
    }

    @ParameterizedTest(name = "{0} starts against {0}")
    @ValueSource(ints = {5, 10, 20})
    @DisplayName("R39: nor are starts taken in turn, A B A B, while the machine's load came and went")
    void startsInTurnSeldomChange(int each) throws Exception {
        Random random = new Random(20261121);
        int changed = 0;
        for (int i = 0; i < TRIES; i++) {
            int from = random.nextInt(starts - 2 * each + 1);
            changed += changed(from, each, start -> start % 2 == 0) ? 1 : 0;
        }
        assertThat(changed).isLessThanOrEqualTo(MOST);
    }

    private static boolean changed(int from, int each, IntPredicate left) throws Exception {
        return changed(IntStream.range(0, 2 * each).filter(left).map(i -> from + i).boxed().toList(),
                IntStream.range(0, 2 * each).filter(left.negate()).map(i -> from + i).boxed().toList());
    }

    private static boolean changed(List<Integer> left, List<Integer> right) throws Exception {
        return Comparison.of(of("left", left), of("right", right), Comparison.Rules.DEFAULT)
                .changes()
                .stream()
                .map(Change::verdict)
                .anyMatch(verdict -> verdict == Verdict.Better || verdict == Verdict.Worse);
    }

    /** Whole starts: what is measured of one start stays together. */
    private static BenchResult of(String run, List<Integer> which) {
        Map<String, Measurement> measured = recorded.measurements()
                .entrySet()
                .stream()
                .collect(Collectors.toMap(Map.Entry::getKey,
                        entry -> new Measurement(entry.getValue().unit(), entry.getValue().better(),
                                which.stream().map(start -> entry.getValue().samples().get(start)).toList(),
                                List.of())));
        return Results.of(run, measured);
    }
}

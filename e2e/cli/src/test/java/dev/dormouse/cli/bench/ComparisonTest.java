package dev.dormouse.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.dormouse.cli.bench.Change.Verdict;
import dev.dormouse.cli.figures.Figure.Better;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ComparisonTest {
    private static final Comparison.Rules RULES = Comparison.Rules.DEFAULT;

    @ParameterizedTest(name = "{0} -> {1}")
    @CsvSource({"285.64, 273.29, 12.35, 4.32", "376.33, 395.14, -18.81, -5.00", "378.61, 399.36, -20.75, -5.48"})
    @DisplayName("D6, R18: delta is baseline less candidate, in percent of the baseline")
    void deltasOfTheSource(double before, double after, double delta, double percent) {
        Change change = new Change("total", "ms", before, after, null, Verdict.Unclear);

        assertThat(change.delta()).isCloseTo(delta, within(0.005));
        assertThat(change.percent()).isCloseTo(percent, within(0.005));
    }

    @Test
    @DisplayName("D6, R19: counts 698 to 582 and 48 to 46")
    void countsOfTheSource() throws Exception {
        BenchResult before = Results.with(Results.of("a", Map.of()), Map.of(), Map.of("all", 698L, "own", 48L));
        BenchResult after = Results.with(Results.of("b", Map.of()), Map.of(), Map.of("all", 582L, "own", 46L));

        List<Change> counts = Comparison.of(before, after, RULES).counts();

        assertThat(counts).extracting(Change::delta).containsExactly(116.0, 2.0);
    }

    @Test
    @DisplayName("R35: a run is not compared with a copy of itself")
    void refusesOneRunTwice() {
        BenchResult run = Results.of("same", Map.of());

        assertThatThrownBy(() -> Comparison.of(run, run, RULES)).isInstanceOf(UnusableInputException.class)
                .hasMessageContaining("same");
    }

    @Test
    @DisplayName("R38: a tie is a tie")
    void equalIsTheSame() throws Exception {
        assertThat(verdict(Results.around(100, 1), Results.around(100, 1))).isEqualTo(Verdict.Same);
        assertThat(verdict(Results.millis(5, 5, 5, 5), Results.millis(5, 5, 5, 5))).isEqualTo(Verdict.Same);
    }

    @Test
    @DisplayName("R39: a median five percent off within wide jitter is no regression; the same off with little jitter is")
    void jitterIsNoRegression() throws Exception {
        Measurement wide = Results.millis(60, 80, 90, 100, 110, 120, 140, 160);
        Measurement moved = Results.millis(64, 84, 94, 105, 115, 126, 147, 130);

        assertThat(verdict(wide, moved)).isEqualTo(Verdict.Same);
        assertThat(verdict(Results.around(100, 1), Results.around(105, 2))).isEqualTo(Verdict.Worse);
        assertThat(verdict(Results.around(105, 1), Results.around(100, 2))).isEqualTo(Verdict.Better);
        assertThat(verdict(Results.around(100, 1), Results.around(102, 2))).isEqualTo(Verdict.Same);
    }

    @Test
    void moreIsBetterWhereTheMeasurementSaysSo() throws Exception {
        Measurement slow = rate(Results.around(100, 1));
        Measurement fast = rate(Results.around(150, 2));

        assertThat(verdict(slow, fast)).isEqualTo(Verdict.Better);
        assertThat(verdict(fast, slow)).isEqualTo(Verdict.Worse);
    }

    @Test
    void threeSamplesTellNothing() throws Exception {
        assertThat(verdict(Results.millis(1, 1, 1), Results.millis(9, 9, 9))).isEqualTo(Verdict.Unclear);
    }

    @Test
    @DisplayName("R40: the union of the keys, with n/a for what one lacks")
    void keepsEveryKey() throws Exception {
        BenchResult before = Results.of("a", Map.of("gone", Results.millis(1), "kept", Results.millis(2)));
        BenchResult after = Results.of("b", Map.of("kept", Results.millis(2), "new", Results.millis(3)));

        Comparison comparison = Comparison.of(before, after, RULES);

        assertThat(comparison.changes()).extracting(Change::key).containsExactly("gone", "kept", "new");
        assertThat(comparison.changes()).extracting(Change::verdict)
                .containsExactly(Verdict.OnlyBaseline, Verdict.Same, Verdict.OnlyCandidate);
        assertThat(ComparisonReport.text(comparison, Paint.Plain)).contains("n/a");
    }

    @Test
    @DisplayName("R44: another machine is warned about, another revision is what one compares")
    void warnsOfAnotherEnvironment() throws Exception {
        BenchResult before = Results.with(Results.of("a", Map.of()), Map.of("cores", "2", "revision", "x"), Map.of());
        BenchResult after = Results.with(Results.of("b", Map.of()), Map.of("cores", "64", "revision", "y"), Map.of());

        assertThat(Comparison.of(before, after, RULES).warnings()).containsExactly("different cores: 2 and 64");
    }

    @Test
    @DisplayName("R22: colours only when asked for; yellow for no change")
    void coloursAreAChoice() throws Exception {
        Comparison comparison = Comparison.of(Results.of("a", Map.of("total", Results.around(100, 1))),
                Results.of("b", Map.of("total", Results.around(100, 3))), RULES);

        assertThat(ComparisonReport.text(comparison, Paint.Plain)).doesNotContain("\u001b");
        assertThat(ComparisonReport.text(comparison, Paint.Ansi)).contains("\u001b[33m= same");
    }

    @Test
    @DisplayName("R8, R17, R20, R21: title, measurements, counts, lazy loading, summary, in this order")
    void reportsInTheOrderOfTheSource() throws Exception {
        BenchResult before = lazy("a", 100, Map.of("x", true, "y", false, "z", true));
        BenchResult after = lazy("b", 80, Map.of("x", false, "y", true, "z", true, "new", true));

        String text = ComparisonReport.text(Comparison.of(before, after, RULES), Paint.Plain);

        assertThat(text).containsSubsequence("COLD START BENCHMARK: ref-a -> ref-b", "MEASUREMENTS", "↓ better",
                "COUNTS",
                "LAZY LOADING", "SUMMARY");
        assertThat(text).containsPattern("x +loaded +now eager")
                .containsPattern("y +not loaded +now lazy")
                .containsPattern("z +not loaded +no change")
                .containsPattern("new +not loaded +n/a in the baseline")
                .containsPattern(
                        "total: 1\\d\\d?\\.\\d+ -> 8\\d\\.\\d+ ms, improved by \\d+\\.\\d+ ms \\(\\d+\\.\\d+ %\\)|total: 9\\d\\.\\d+ -> ");
        assertThat(ComparisonReport.markdown(Comparison.of(before, after, RULES))).contains("improved by");
    }

    private static BenchResult lazy(String run, double millis, Map<String, Boolean> lazy) {
        BenchResult result = Results.of(run, Map.of("total", Results.around(millis, 5)));
        return new BenchResult(result.schemaVersion(), result.runId(), result.timestamp(), result.ref(),
                result.command(), result.environment(), result.measurements(), Map.of("classes", 9L), lazy,
                List.of());
    }

    @Test
    @DisplayName("R39: of an unchanged build with twelve keys, at most five in a hundred comparisons find a change")
    void unchangedBuildsSeldomChange() throws Exception {
        Random random = new Random(20261121);
        double[] recorded = random.doubles(200).map(u -> 1000 * (1 + 0.3 * u * u)).toArray();
        int called = 0;
        for (int i = 0; i < 100; i++) {
            Comparison comparison = Comparison.of(resampled("a" + i, recorded, random),
                    resampled("b" + i, recorded, random), RULES);
            called += comparison.changes().stream().anyMatch(change -> change.verdict() != Verdict.Same) ? 1 : 0;
        }
        assertThat(called).isLessThanOrEqualTo(5);
    }

    private static BenchResult resampled(String run, double[] recorded, Random random) {
        return Results.of(run, IntStream.range(0, 12)
                .boxed()
                .collect(java.util.stream.Collectors.toMap(
                        key -> "key" + key,
                        key -> Results
                                .millis(random.ints(10, 0, recorded.length).mapToDouble(i -> recorded[i]).toArray()))));
    }

    private static Measurement rate(Measurement millis) {
        return new Measurement("GB/s", Better.Higher, millis.samples(), List.of());
    }

    private static Verdict verdict(Measurement before, Measurement after) throws Exception {
        return Comparison.of(Results.of("a", Map.of("total", before)), Results.of("b", Map.of("total", after)), RULES)
                .changes()
                .getFirst()
                .verdict();
    }
}

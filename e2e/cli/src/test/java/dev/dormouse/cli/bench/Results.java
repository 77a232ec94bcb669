package dev.dormouse.cli.bench;

import dev.dormouse.cli.figures.Figure.Better;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.DoubleStream;

/** Results as the tests need them. */
final class Results {
    private Results() {}

    static BenchResult of(String run, Map<String, Measurement> measurements) {
        return new BenchResult(BenchResult.SCHEMA, run, "2026-01-02T03:04:05Z", "ref-" + run, "dormouse bench run",
                Map.of("cores", "2", "revision", run), measurements, Map.of(), Map.of(), List.of());
    }

    static BenchResult with(BenchResult result, Map<String, String> environment, Map<String, Long> counts) {
        return new BenchResult(result.schemaVersion(), result.runId(), result.timestamp(), result.ref(),
                result.command(), environment, result.measurements(), counts, result.lazy(), result.notes());
    }

    static Measurement millis(double... samples) {
        return new Measurement("ms", Better.Lower, DoubleStream.of(samples).boxed().toList(), List.of());
    }

    /** Twenty samples around {@code centre} with a little jitter; the same for the same seed. */
    static Measurement around(double centre, long seed) {
        return millis(new Random(seed).doubles(20, -0.01, 0.01).map(jitter -> centre * (1 + jitter)).toArray());
    }
}

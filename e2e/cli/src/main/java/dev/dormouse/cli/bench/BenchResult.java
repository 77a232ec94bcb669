package dev.dormouse.cli.bench;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * One run of the bench. The published schema is {@code docs/bench-result.schema.json}.
 *
 * @param schemaVersion {@link #SCHEMA}; a file with another one is refused
 * @param runId unique per run: two files with the same one are the same run, and never compared (R35)
 * @param timestamp RFC 3339
 * @param ref what was measured: a revision, a branch, an image
 * @param command what to type to measure again
 * @param environment where it was measured
 * @param measurements key → samples
 * @param counts key → a number that does not vary from start to start: classes, buffers
 * @param lazy key → whether something stayed unloaded (R5)
 * @param notes what a reader must know to believe the figures
 */
public record BenchResult(int schemaVersion, String runId, String timestamp, String ref, String command,
        Map<String, String> environment, Map<String, Measurement> measurements, Map<String, Long> counts,
        Map<String, Boolean> lazy, List<String> notes) {

    public static final int SCHEMA = 1;

    public BenchResult {
        environment = sorted(environment);
        measurements = sorted(measurements);
        counts = sorted(counts);
        lazy = sorted(lazy);
        notes = List.copyOf(notes);
    }

    private static <T> Map<String, T> sorted(Map<String, T> map) {
        return Collections.unmodifiableMap(new TreeMap<>(map));
    }
}

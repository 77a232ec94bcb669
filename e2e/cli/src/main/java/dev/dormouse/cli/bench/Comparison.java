package dev.dormouse.cli.bench;

import dev.dormouse.cli.bench.Change.Verdict;
import dev.dormouse.cli.figures.Figure.Better;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.commons.statistics.inference.MannWhitneyUTest;
import org.jspecify.annotations.Nullable;

/**
 * Two results, key by key. A key has changed when its medians differ by more than the noise threshold <em>and</em> a
 * Mann–Whitney test, corrected for the number of keys, tells the samples apart: jitter is neither (R39).
 *
 * @param changes the union of both results' keys, sorted (R40)
 * @param counts the same for what does not vary; smaller is better
 * @param warnings differences of the environments (R44)
 */
public record Comparison(BenchResult baseline, BenchResult candidate, List<Change> changes, List<Change> counts,
        List<String> warnings) {

    /** What is meant to differ between two runs. */
    private static final Set<String> SUBJECT = Set.of("revision", "engine.image", "sidecar.image");
    /** Below four on each side no rank test can reach 5 %. */
    private static final int LEAST_SAMPLES = 4;

    public Comparison {
        changes = List.copyOf(changes);
        counts = List.copyOf(counts);
        warnings = List.copyOf(warnings);
    }

    /**
     * @param noisePercent medians closer than this are the same
     * @param alpha how often an unchanged build may be called changed, over all keys together
     */
    public record Rules(double noisePercent, double alpha) {
        public static final Rules DEFAULT = new Rules(3, 0.05);

        public Rules {
            if (!(noisePercent >= 0) || !(alpha > 0 && alpha < 1)) {
                throw new IllegalArgumentException("noise must not be negative, alpha must be between 0 and 1");
            }
        }
    }

    /** @throws UnusableInputException when both are one run: a file compared with its own copy says nothing (R35) */
    public static Comparison of(BenchResult baseline, BenchResult candidate, Rules rules)
            throws UnusableInputException {
        if (baseline.runId().equals(candidate.runId())) {
            throw new UnusableInputException("both results are run " + baseline.runId() + " (" + baseline.ref()
                    + "): a run says nothing about itself. Run the bench once more");
        }
        Map<String, Double> corrected = corrected(baseline, candidate);
        List<Change> changes = new ArrayList<>();
        for (String key : union(baseline.measurements(), candidate.measurements())) {
            changes.add(change(key, baseline.measurements().get(key), candidate.measurements().get(key),
                    corrected.get(key), rules));
        }
        List<Change> counts = new ArrayList<>();
        for (String key : union(baseline.counts(), candidate.counts())) {
            counts.add(count(key, baseline.counts().get(key), candidate.counts().get(key)));
        }
        return new Comparison(baseline, candidate, changes, counts, warnings(baseline, candidate));
    }

    public boolean regressed() {
        return changes.stream().anyMatch(change -> change.verdict() == Verdict.Worse);
    }

    private static <T> Set<String> union(Map<String, T> left, Map<String, T> right) {
        Set<String> keys = new TreeSet<>(left.keySet());
        keys.addAll(right.keySet());
        return keys;
    }

    private static Change change(String key, @Nullable Measurement before, @Nullable Measurement after,
            @Nullable Double p, Rules rules) {
        if (before == null || after == null) {
            return before == null
                    ? new Change(key, Objects.requireNonNull(after).unit(), null, after.summary().median(), null,
                            Verdict.OnlyCandidate)
                    : new Change(key, before.unit(), before.summary().median(), null, null, Verdict.OnlyBaseline);
        }
        double left = before.summary().median();
        double right = after.summary().median();
        return new Change(key, before.unit(), left, right, p, verdict(before.better(), left, right, p, rules));
    }

    private static Verdict verdict(Better better, double left, double right, @Nullable Double p, Rules rules) {
        boolean withinNoise = Math.abs(left - right) <= Math.abs(left) * rules.noisePercent() / 100;
        if (left == right || withinNoise) {
            return Verdict.Same;
        }
        if (p == null) {
            return Verdict.Unclear;
        }
        if (p >= rules.alpha()) {
            return Verdict.Same;
        }
        return (better == Better.Lower) == (right < left) ? Verdict.Better : Verdict.Worse;
    }

    private static Change count(String key, @Nullable Long before, @Nullable Long after) {
        Verdict verdict = before == null
                ? Verdict.OnlyCandidate
                : after == null ? Verdict.OnlyBaseline : switch (Long.signum(after - before)) {
                    case -1 -> Verdict.Better;
                    case 1 -> Verdict.Worse;
                    default -> Verdict.Same;
                };
        return new Change(key, "", before == null ? null : before.doubleValue(),
                after == null ? null : after.doubleValue(), null, verdict);
    }

    /** Holm: the smallest p times the number of keys, the next times one less …, never falling. */
    private static Map<String, Double> corrected(BenchResult baseline, BenchResult candidate) {
        Map<String, Double> raw = new TreeMap<>();
        baseline.measurements().forEach((key, before) -> {
            Measurement after = candidate.measurements().get(key);
            if (after != null && before.samples().size() >= LEAST_SAMPLES && after.samples().size() >= LEAST_SAMPLES) {
                raw.put(key, pValue(before.samples(), after.samples()));
            }
        });
        List<Map.Entry<String, Double>> ascending = raw.entrySet()
                .stream()
                .sorted(Comparator.comparingDouble(Map.Entry::getValue))
                .toList();
        Map<String, Double> corrected = new TreeMap<>();
        double floor = 0;
        for (int i = 0; i < ascending.size(); i++) {
            floor = Math.max(floor, Math.min(1, ascending.get(i).getValue() * (ascending.size() - i)));
            corrected.put(ascending.get(i).getKey(), floor);
        }
        return corrected;
    }

    private static double pValue(List<Double> left, List<Double> right) {
        boolean constant = Stream.concat(left.stream(), right.stream()).distinct().count() == 1;
        return constant ? 1 : MannWhitneyUTest.withDefaults().test(array(left), array(right)).getPValue();
    }

    private static double[] array(List<Double> samples) {
        return samples.stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static List<String> warnings(BenchResult baseline, BenchResult candidate) {
        List<String> warnings = new ArrayList<>();
        for (String key : union(baseline.environment(), candidate.environment())) {
            String before = baseline.environment().getOrDefault(key, "n/a");
            String after = candidate.environment().getOrDefault(key, "n/a");
            if (!SUBJECT.contains(key) && !before.equals(after)) {
                warnings.add("different " + key + ": " + before + " and " + after);
            }
        }
        return warnings;
    }
}

package dev.dormouse.cli.bench;

import java.util.Arrays;
import java.util.List;

/**
 * What a list of samples says, in the samples' own unit. Percentiles are samples that were really measured: nearest rank,
 * index {@code ceil(p·n) − 1}.
 *
 * @param stddev of a sample (n − 1); 0 for one sample
 */
public record Summary(int n, double min, double max, double mean, double median, double stddev, double p50, double p90,
        double p95, double p99) {

    /** @throws IllegalArgumentException when there are no samples: nothing can be said about nothing */
    public static Summary of(List<Double> samples) {
        if (samples.isEmpty()) {
            throw new IllegalArgumentException("no samples");
        }
        double[] sorted = samples.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int n = sorted.length;
        double mean = Arrays.stream(sorted).average().orElseThrow();
        double squares = Arrays.stream(sorted).map(sample -> (sample - mean) * (sample - mean)).sum();
        double median = n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
        return new Summary(n, sorted[0], sorted[n - 1], mean, median, n == 1 ? 0 : Math.sqrt(squares / (n - 1)),
                percentile(sorted, 50), percentile(sorted, 90), percentile(sorted, 95), percentile(sorted, 99));
    }

    /** In whole percents: 0.95 · 20 is not 19 in floating point, and the index must not depend on that. */
    private static double percentile(double[] sorted, int percent) {
        int rank = Math.ceilDiv(percent * sorted.length, 100);
        return sorted[Math.max(rank, 1) - 1];
    }

    /** Standard deviation over mean; 0 where the mean is 0. */
    public double variation() {
        return mean == 0 ? 0 : stddev / Math.abs(mean);
    }
}

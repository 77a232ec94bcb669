package dev.dormouse.domain.pattern;

import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.LongPredicate;
import java.util.function.Predicate;

/**
 * What the requests of one model say together. Shares are between 0 and 1.
 *
 * @param requests on which this is based
 * @param batch share of requests with more than 32 inputs
 * @param urgent share of requests whose client waits less than 100 ms
 * @param stream share of streamed answers
 * @param mixed share of requests that are not of the most frequent kind of input, or of several kinds at once
 * @param together share of requests whose purpose asked other models as well
 * @param concurrency requests at once on average: rate times time (Little)
 * @param burstiness of arrivals: standard deviation of the gaps over their mean; 1 for independent arrivals, 0 for a clock
 * @param usual half of the answers took no longer
 */
public record TrafficSignals(int requests, double batch, double urgent, double stream, double mixed, double together,
        double concurrency, double burstiness, Duration usual, Shape shape) {

    /**
     * What the model's resource says.
     *
     * @param trial share of the requests that another revision is given; absent when there is none
     */
    public record Shape(OptionalDouble trial, int minReplicas, int maxReplicas) {
        public static final Shape FIXED = new Shape(OptionalDouble.empty(), 1, 1);
    }

    /**
     * @param samples in the order of their ends
     * @param shared whether a purpose asked several models
     */
    public static TrafficSignals of(List<RequestSample> samples, LongPredicate shared, Shape shape) {
        int n = samples.size();
        if (n == 0) {
            return new TrafficSignals(0, 0, 0, 0, 0, 0, 0, 0, Duration.ZERO, shape);
        }
        Instant[] arrivals = samples.stream().map(RequestSample::at).sorted().toArray(Instant[]::new);
        double seconds = seconds(Duration.between(arrivals[0], arrivals[n - 1]));
        double busy = samples.stream().mapToDouble(sample -> seconds(sample.took())).sum();
        return new TrafficSignals(n, share(samples, sample -> sample.traits().isBatch()),
                share(samples, sample -> sample.traits().isUrgent()),
                share(samples, sample -> sample.traits().stream()), mixed(samples),
                share(samples,
                        sample -> sample.traits().purpose() != 0 && shared.test(sample.traits().purpose())),
                seconds == 0 ? 0 : busy / seconds, burstiness(arrivals),
                samples.stream().map(RequestSample::took).sorted().skip((n - 1) / 2).findFirst().orElseThrow(),
                shape);
    }

    private static double share(List<RequestSample> samples, Predicate<RequestSample> which) {
        return (double) samples.stream().filter(which).count() / samples.size();
    }

    private static double mixed(List<RequestSample> samples) {
        int[] pure = new int[Modality.values().length];
        for (RequestSample sample : samples) {
            if (sample.traits().modalities().size() == 1) {
                pure[sample.traits().modalities().iterator().next().ordinal()]++;
            }
        }
        return (double) (samples.size() - Arrays.stream(pure).max().orElse(0)) / samples.size();
    }

    private static double burstiness(Instant[] arrivals) {
        int gaps = arrivals.length - 1;
        double mean = gaps == 0 ? 0 : seconds(Duration.between(arrivals[0], arrivals[gaps])) / gaps;
        if (mean == 0) {
            return 0;
        }
        double squares = 0;
        for (int i = 0; i < gaps; i++) {
            double off = seconds(Duration.between(arrivals[i], arrivals[i + 1])) - mean;
            squares += off * off;
        }
        return Math.sqrt(squares / gaps) / mean;
    }

    private static double seconds(Duration time) {
        return time.toNanos() / 1e9;
    }
}

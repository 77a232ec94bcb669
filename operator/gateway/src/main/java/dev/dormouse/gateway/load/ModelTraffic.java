package dev.dormouse.gateway.load;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.pattern.PatternRule;
import java.time.Duration;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * What is known of one model's traffic.
 *
 * @param requests answered by an engine or refused, since the start
 * @param cached answered from memory, since the start
 * @param failed of {@code requests}, with a status of 500 or more
 * @param perSecond arrivals, over the last minute
 * @param latency from arrival to the end of the answer, of the requests that are remembered
 * @param firstByte from arrival to the first byte of the answer's body, likewise
 */
public record ModelTraffic(ModelKey model, PatternRule.Finding pattern, long requests, long cached, long failed,
        double perSecond, Times latency, Times firstByte, long inputTokens, long outputTokens) {

    /** All zero when there is none. Percentiles by nearest rank. */
    public record Times(int count, Duration mean, Duration p50, Duration p95, Duration p99) {

        static Times of(Stream<Duration> times) {
            long[] nanos = times.mapToLong(Duration::toNanos).sorted().toArray();
            if (nanos.length == 0) {
                return new Times(0, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO);
            }
            return new Times(nanos.length, Duration.ofNanos(Arrays.stream(nanos).sum() / nanos.length),
                    at(nanos, 0.5), at(nanos, 0.95), at(nanos, 0.99));
        }

        private static Duration at(long[] sorted, double quantile) {
            return Duration.ofNanos(sorted[(int) Math.ceil(quantile * sorted.length) - 1]);
        }
    }
}

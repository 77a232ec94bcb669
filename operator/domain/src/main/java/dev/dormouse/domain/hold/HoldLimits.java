package dev.dormouse.domain.hold;

import java.time.Duration;

/**
 * @param perModel most requests one model may have waiting
 * @param inAll most requests that may wait
 * @param bytesInAll most bytes that waiting requests may keep in memory
 * @param pace most waiting requests let go per model between the first two ticks of a release, so that a replica that has
 *        just woken is not run over; a quarter more in each round that follows, while more wait
 * @param ageing waiting this long is worth one point of priority, so that nobody starves (L49)
 */
public record HoldLimits(int perModel, int inAll, long bytesInAll, int pace, Duration ageing) {
    private static final long HALF_A_GIBIBYTE = 512L << 20;
    private static final int DEFAULT_PACE = 100;
    private static final Duration DEFAULT_AGEING = Duration.ofSeconds(10);

    public HoldLimits {
        if (perModel < 1 || inAll < 1 || bytesInAll < 1 || pace < 1 || !ageing.isPositive()) {
            throw new IllegalArgumentException("limits must be positive: %d requests per model, %d in all, %d bytes, "
                    .formatted(perModel, inAll, bytesInAll) + pace + " per tick, ageing " + ageing);
        }
    }

    /** These counts, and the defaults for the rest. */
    public static HoldLimits ofRequests(int perModel, int inAll) {
        return new HoldLimits(perModel, inAll, HALF_A_GIBIBYTE, DEFAULT_PACE, DEFAULT_AGEING);
    }

    public HoldLimits withBytes(long bytes) {
        return new HoldLimits(perModel, inAll, bytes, pace, ageing);
    }
}

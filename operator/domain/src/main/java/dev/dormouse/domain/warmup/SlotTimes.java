package dev.dormouse.domain.warmup;

import java.time.Duration;
import java.util.Optional;

/** How long warmup slots are held, as a moving average in which the newest one counts a fifth. Not thread-safe. */
final class SlotTimes {
    private static final double NEWEST = 0.2;

    private double averageMillis = -1;

    void held(Duration time) {
        double millis = Math.max(0, time.toMillis());
        averageMillis = averageMillis < 0 ? millis : averageMillis + NEWEST * (millis - averageMillis);
    }

    /** Until so many slots have come free, of which {@code slots} are held side by side. */
    Optional<Duration> until(int position, int slots) {
        return averageMillis < 0
                ? Optional.empty()
                : Optional.of(Duration.ofMillis(Math.round(averageMillis * Math.ceilDiv(position, slots))));
    }
}

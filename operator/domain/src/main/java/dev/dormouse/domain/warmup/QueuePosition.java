package dev.dormouse.domain.warmup;

import java.time.Duration;
import java.util.Optional;

/**
 * Where a replica stands in the queue, and why it waits.
 *
 * @param position 1 is next
 * @param eta until its turn, from how long slots were held lately; absent before the first was given back
 */
public record QueuePosition(int position, String reason, Optional<Duration> eta) {

    /** Without an estimate. */
    public QueuePosition(int position, String reason) {
        this(position, reason, Optional.empty());
    }
}

package dev.dormouse.domain.hold;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;

/**
 * @param id unique within the gateway: requests are told apart by nothing else (L55)
 * @param priority higher first (X1)
 * @param deadline when waiting becomes a timeout; does not bound serving
 * @param bytes kept in memory while it waits
 * @param mayWait whether it may be held for a wake; if not, it is turned away and the model is woken nevertheless
 * @param affinity equal for requests that begin alike, and so best go to one replica; 0 for one that is like no other
 */
public record HeldRequest(long id, ModelKey model, int priority, Instant arrivedAt, Instant deadline, int bytes,
        boolean mayWait, long affinity) {

    /**
     * Its place among those that wait, the earliest first. Everybody ages at the same pace, so the order never changes:
     * a request overtakes those of one point less that came up to one ageing step before it, and none that came earlier.
     */
    Instant rank(Duration ageing) {
        return arrivedAt.minus(ageing.multipliedBy(priority));
    }
}

package dev.dormouse.domain.hold;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * Failed wakes in a row of one model. After each, requests are turned away for a while that doubles, so that a queue
 * cannot keep a failing model failing (L52).
 */
final class WakeRow {
    private static final Duration FIRST = Duration.ofSeconds(1);
    private static final Duration LONGEST = Duration.ofSeconds(32);
    private static final int DOUBLINGS = 5;

    private @Nullable Wake newest;
    private int failures;
    private Instant retryAt = Instant.MIN;

    /** Whether this failure is news; if so, nobody is to wait until {@link #retryAt}. */
    boolean failed(Wake wake, Instant now) {
        if (newest != null && wake.compareTo(newest) <= 0) {
            return false;
        }
        newest = wake;
        Duration pause = FIRST.multipliedBy(1L << Math.min(failures, DOUBLINGS));
        retryAt = now.plus(pause.compareTo(LONGEST) < 0 ? pause : LONGEST);
        failures++;
        return true;
    }

    /** Nothing that is still said of this wake or an older one counts. */
    void forgetUpTo(Wake wake) {
        if (newest == null || wake.compareTo(newest) > 0) {
            newest = wake;
        }
    }

    /** A replica answers: the row has ended. */
    void succeeded() {
        failures = 0;
        retryAt = Instant.MIN;
    }

    boolean pausing(Instant now) {
        return now.isBefore(retryAt);
    }

    /** {@link Instant#MIN} while the model may be woken. */
    Instant retryAt() {
        return retryAt;
    }
}

package dev.dormouse.domain.scaling;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.OptionalInt;

/**
 * The highest number of requests within a sliding window: replicas are added at once and taken away only when a whole
 * window needed fewer. Not thread-safe.
 *
 * <p>INVARIANT: samples are in order of time with falling requests, so the first one is the peak.
 */
public final class LoadWindow {
    private record Sample(Instant at, int requests) {}

    private Duration width = Duration.ZERO;
    private final Deque<Sample> falling = new ArrayDeque<>();
    private Instant watchedSince = Instant.MAX;

    /** @param delay how far back the window reaches; a change of the spec may change it */
    public void record(Load load, Duration delay, Instant now) {
        if (delay.compareTo(width) > 0) {
            // What a longer window would need was dropped already.
            forget();
        }
        width = delay;
        if (!(load instanceof Load.Known)) {
            // What happened meanwhile is not known: the window begins again.
            forget();
            return;
        }
        if (watchedSince.isAfter(now)) {
            watchedSince = now;
        }
        int requests = load.requests();
        while (!falling.isEmpty() && falling.getLast().requests() <= requests) {
            falling.removeLast();
        }
        falling.addLast(new Sample(now, requests));
        // The last sample before the window still speaks for its beginning.
        while (falling.size() > 1 && !falling.getFirst().at().isAfter(now.minus(width))) {
            falling.removeFirst();
        }
    }

    private void forget() {
        falling.clear();
        watchedSince = Instant.MAX;
    }

    /** The peak, once a full window has been watched. */
    public OptionalInt peak(Instant now) {
        if (falling.isEmpty() || watchedSince.isAfter(now.minus(width))) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(falling.getFirst().requests());
    }
}

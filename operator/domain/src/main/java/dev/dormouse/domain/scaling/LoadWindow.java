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

    private final Duration width;
    private final Deque<Sample> falling = new ArrayDeque<>();
    private Instant watchedSince = Instant.MAX;

    public LoadWindow(Duration width) {
        this.width = width;
    }

    public void record(Load load, Instant now) {
        if (!(load instanceof Load.Known)) {
            // What happened meanwhile is not known: the window begins again.
            falling.clear();
            watchedSince = Instant.MAX;
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

    /** The peak, once a full window has been watched. */
    public OptionalInt peak(Instant now) {
        if (falling.isEmpty() || watchedSince.isAfter(now.minus(width))) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(falling.getFirst().requests());
    }
}

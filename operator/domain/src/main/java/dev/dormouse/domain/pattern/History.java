package dev.dormouse.domain.pattern;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * The newest entries of something that goes on for ever: at most so many, and none older than so long (W49, W73). When
 * there is one too many, the older half goes, so that trimming costs nothing on average.
 */
public final class History<T> {
    private record Entry<T>(Instant at, T what) {}

    private final int most;
    private final Duration longest;
    private final Deque<Entry<T>> entries = new ArrayDeque<>();

    /** @param most at least 2 */
    public History(int most, Duration longest) {
        if (most < 2) {
            throw new IllegalArgumentException("a history of " + most + " entries; at least 2");
        }
        this.most = most;
        this.longest = longest;
    }

    public void add(Instant at, T what) {
        entries.addLast(new Entry<>(at, what));
        if (entries.size() > most) {
            while (entries.size() > most / 2) {
                entries.removeFirst();
            }
        }
        trim(at);
    }

    /** Forgets what is too old. */
    public void trim(Instant now) {
        Instant cutoff = now.minus(longest);
        while (!entries.isEmpty() && !entries.getFirst().at.isAfter(cutoff)) {
            entries.removeFirst();
        }
    }

    public int size() {
        return entries.size();
    }

    /** Oldest first. */
    public List<T> all() {
        List<T> all = new ArrayList<>(entries.size());
        entries.forEach(entry -> all.add(entry.what));
        return all;
    }
}

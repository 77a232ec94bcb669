package dev.dormouse.cli.bench.run;

import java.time.Duration;
import java.util.Set;

/**
 * How much is measured.
 *
 * @param starts fresh starts per kind that count
 * @param warmups starts before them that do not: the first is often slower (R24)
 * @param clients that wake the model together, for {@link Kind#Load}
 * @param requests to the woken model, each way, for {@link Kind#Gateway}
 * @param wakes of sleeping models, for {@link Kind#Scheduler}
 * @param pageCache what happens to the files of the model and of its snapshot before each start
 * @param timeout of one start; a start that takes longer is no sample but an error (BR1)
 */
public record BenchPlan(Set<Kind> kinds, int starts, int warmups, int clients, int requests, int wakes,
        PageCache pageCache, Duration timeout) {

    /** What a start finds in the page cache, which decides what a restore reads from (R29). */
    public enum PageCache {
        /** What the starts before it left there. */
        Keep,
        /** Nothing: the files are written back and dropped. Only on this machine. */
        Drop
    }

    public BenchPlan {
        kinds = Set.copyOf(kinds);
        if (kinds.isEmpty() || starts < 1 || warmups < 0 || clients < 1 || requests < 1 || wakes < 1
                || !timeout.isPositive()) {
            throw new IllegalArgumentException(
                    "a plan needs a kind, at least one start, client, request and wake, and time for them");
        }
    }

    boolean has(Kind kind) {
        return kinds.contains(kind);
    }

    /** Whether a copy with a snapshot is needed. */
    boolean restores() {
        return has(Kind.Restore) || has(Kind.Bare) || has(Kind.Load) || has(Kind.Gateway);
    }

    /** Warm-ups and what counts. */
    int rounds() {
        return warmups + starts;
    }
}

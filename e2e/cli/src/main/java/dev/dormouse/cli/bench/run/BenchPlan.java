package dev.dormouse.cli.bench.run;

import java.util.Set;

/**
 * How much is measured.
 *
 * @param starts fresh starts per kind that count
 * @param warmups starts before them that do not: the first is often slower (R24)
 * @param clients that wake the model together, for {@link Kind#Load}
 * @param requests to the woken model, each way, for {@link Kind#Gateway}
 */
public record BenchPlan(Set<Kind> kinds, int starts, int warmups, int clients, int requests) {

    public BenchPlan {
        kinds = Set.copyOf(kinds);
        if (kinds.isEmpty() || starts < 1 || warmups < 0 || clients < 1 || requests < 1) {
            throw new IllegalArgumentException("a plan needs a kind, at least one start, client and request");
        }
    }
}

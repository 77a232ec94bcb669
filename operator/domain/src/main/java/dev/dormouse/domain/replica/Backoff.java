package dev.dormouse.domain.replica;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Problem.Blame;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Failures in a row of a model's replicas. The pause before the next attempt doubles from {@link #FIRST} to
 * {@link #LONGEST}; a ready replica or a changed template ends the row.
 *
 * @param template the template that failed
 * @param counted UIDs of the failed pods that are counted already
 * @param retryAt before this no new attempt is made
 */
public record Backoff(String template, int failures, Set<String> counted, Instant retryAt) {
    public static final Duration FIRST = Duration.ofSeconds(5);
    public static final Duration LONGEST = Duration.ofMinutes(5);

    public Backoff {
        counted = Set.copyOf(counted);
    }

    public static Backoff none(String template) {
        return new Backoff(template, 0, Set.of(), Instant.MIN);
    }

    /** The row after looking at the live replicas once more. */
    public Backoff observe(List<Replica> replicas, String currentTemplate, Instant now) {
        Backoff row = currentTemplate.equals(template) ? this : none(currentTemplate);
        if (replicas.stream().anyMatch(r -> r.phase() == Replica.Phase.Ready)) {
            return none(currentTemplate);
        }
        for (Replica replica : replicas) {
            if (failedByItself(replica) && replica.template().equals(currentTemplate)
                    && !row.counted.contains(replica.uid())) {
                row = row.plus(replica.uid(), now);
            }
        }
        return row;
    }

    public static Duration pause(int failures) {
        // 5 s · 2^6 exceeds the longest pause already.
        Duration pause = FIRST.multipliedBy(1L << Math.min(failures - 1, 6));
        return pause.compareTo(LONGEST) > 0 ? LONGEST : pause;
    }

    private static boolean failedByItself(Replica replica) {
        return replica.phase() == Replica.Phase.Failed
                && (replica.problem() == null || replica.problem().blame() == Blame.Replica);
    }

    private Backoff plus(String uid, Instant now) {
        Set<String> uids = new HashSet<>(counted);
        uids.add(uid);
        return new Backoff(template, failures + 1, uids, now.plus(pause(failures + 1)));
    }
}

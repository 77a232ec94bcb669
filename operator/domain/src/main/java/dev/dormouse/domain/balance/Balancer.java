package dev.dormouse.domain.balance;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Chooses replicas of one model, one after the other, and remembers whose turn it is. */
public final class Balancer {
    private final Strategy strategy;
    /** {@link Strategy.Weighted}: how far ahead of its share each replica is behind. */
    private final Map<String, Integer> credit = new HashMap<>();
    /** The replica chosen last. */
    private String last = "";

    public Balancer(Strategy strategy) {
        this.strategy = strategy;
    }

    public Strategy strategy() {
        return strategy;
    }

    /**
     * @param candidates in an order that stays
     * @param capacity requests one replica may carry
     * @param affinity equal for requests that begin alike; 0 for one that is like no other
     * @return absent only if no candidate has room
     */
    public @Nullable String choose(List<Candidate> candidates, int capacity, long affinity) {
        List<Candidate> roomy = candidates.stream().filter(candidate -> candidate.load() < capacity).toList();
        if (roomy.isEmpty()) {
            return null;
        }
        last = switch (strategy) {
            case Strategy.LeastLoad() -> leastLoaded(roomy);
            case Strategy.RoundRobin() -> behindLast(roomy);
            case Strategy.Weighted() -> byWeight(roomy);
            case Strategy.PrefixHash(int boundPercent) -> affinity == 0
                    ? leastLoaded(roomy)
                    : byPrefix(roomy, candidates, boundPercent, affinity);
        };
        return last;
    }

    private String leastLoaded(List<Candidate> roomy) {
        int fewest = roomy.stream().mapToInt(Candidate::load).min().orElse(0);
        return behindLast(roomy.stream().filter(candidate -> candidate.load() == fewest).toList());
    }

    /** The first behind the one chosen last, by name, so that coming and going replicas disturb no turns. */
    private String behindLast(List<Candidate> roomy) {
        String next = null;
        String first = roomy.getFirst().pod();
        for (Candidate candidate : roomy) {
            String pod = candidate.pod();
            if (pod.compareTo(last) > 0 && (next == null || pod.compareTo(next) < 0)) {
                next = pod;
            }
            if (pod.compareTo(first) < 0) {
                first = pod;
            }
        }
        return next == null ? first : next;
    }

    /** Smooth weighted round robin, as nginx does it. */
    private String byWeight(List<Candidate> roomy) {
        Set<String> here = roomy.stream().map(Candidate::pod).collect(Collectors.toSet());
        credit.keySet().retainAll(here);
        int whole = roomy.stream().mapToInt(Candidate::weight).sum();
        roomy.forEach(candidate -> credit.merge(candidate.pod(), candidate.weight(), Integer::sum));
        String best = best(roomy, candidate -> credit.getOrDefault(candidate.pod(), 0));
        credit.merge(best, -whole, Integer::sum);
        return best;
    }

    /** Rendezvous hashing: a replica that comes or goes moves only its own share. */
    private static String byPrefix(List<Candidate> roomy, List<Candidate> all, int boundPercent, long affinity) {
        long carried = all.stream().mapToLong(Candidate::load).sum() + 1;
        long bound = (carried * boundPercent + 100L * all.size() - 1) / (100L * all.size());
        List<Candidate> allowed = roomy.stream().filter(candidate -> candidate.load() < bound).toList();
        return best(allowed.isEmpty() ? roomy : allowed, candidate -> mix(affinity ^ mix(candidate.pod().hashCode())));
    }

    private static String best(List<Candidate> among, ToLongFunction<Candidate> score) {
        Candidate best = among.getFirst();
        long highest = score.applyAsLong(best);
        for (Candidate candidate : among) {
            long own = score.applyAsLong(candidate);
            if (own > highest) {
                best = candidate;
                highest = own;
            }
        }
        return best.pod();
    }

    /** The finalizer of SplitMix64: every bit of the input moves every bit of the output. */
    private static long mix(long value) {
        long mixed = (value ^ (value >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }
}

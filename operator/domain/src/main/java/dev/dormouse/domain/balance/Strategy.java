package dev.dormouse.domain.balance;

/** How requests are spread over a model's replicas (W37, W38). Whatever the strategy, one with room is never passed by. */
public sealed interface Strategy {
    Strategy DEFAULT = new LeastLoad();

    /** The replica with the fewest requests; equals take turns. */
    record LeastLoad() implements Strategy {}

    /** In turns. */
    record RoundRobin() implements Strategy {}

    /** In turns, in proportion to the replicas' weights, evenly mixed. */
    record Weighted() implements Strategy {}

    /**
     * Requests that begin alike go to the same replica, whose caches know the beginning, while it carries no more than
     * {@code boundPercent} of the average.
     *
     * @param boundPercent above 100
     */
    record PrefixHash(int boundPercent) implements Strategy {
        public PrefixHash {
            if (boundPercent <= 100) {
                throw new IllegalArgumentException("a bound of " + boundPercent + " % leaves no room; above 100");
            }
        }
    }
}

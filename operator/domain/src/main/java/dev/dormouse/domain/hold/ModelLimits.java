package dev.dormouse.domain.hold;

/**
 * @param concurrency requests per ready replica, waiting ones included unless {@code queues}; at least 1
 * @param queues whether requests over the limit wait for room instead of being turned away (L27)
 * @param maxQueued most requests of this model that may wait; at least 1
 */
public record ModelLimits(int concurrency, boolean queues, int maxQueued) {
    public ModelLimits {
        if (concurrency < 1 || maxQueued < 1) {
            throw new IllegalArgumentException(
                    "a limit of %d requests, %d waiting; at least 1 each (L6)".formatted(concurrency, maxQueued));
        }
    }

    /** Over this limit requests are turned away; how many wait is bounded by the gateway alone. */
    public static ModelLimits ofConcurrency(int concurrency) {
        return new ModelLimits(concurrency, false, Integer.MAX_VALUE);
    }
}

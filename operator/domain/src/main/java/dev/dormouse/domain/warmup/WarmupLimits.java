package dev.dormouse.domain.warmup;

import java.time.Duration;

/**
 * @param maxConcurrent most replicas that warm up at once, at least 1 (H51)
 * @param maxConcurrentPerNode most of them on one node; 0: as many as fit
 * @param ageingStep waiting this long is worth one point of priority (H71)
 * @param preWarmPatience a pre-warming replica that waited this long counts as if a client waited for it: a steady
 *        stream of demand cannot starve it
 */
public record WarmupLimits(int maxConcurrent, int maxConcurrentPerNode, Duration ageingStep,
        Duration preWarmPatience) {

    /** Without a limit per node. */
    public WarmupLimits(int maxConcurrent, Duration ageingStep, Duration preWarmPatience) {
        this(maxConcurrent, 0, ageingStep, preWarmPatience);
    }

    public WarmupLimits {
        if (maxConcurrent < 1) {
            throw new IllegalArgumentException(
                    "at least one replica must be allowed to warm up at a time, not " + maxConcurrent);
        }
        if (maxConcurrentPerNode < 0) {
            throw new IllegalArgumentException("a limit per node is at least 1, or 0 for none, not "
                    + maxConcurrentPerNode);
        }
        if (!ageingStep.isPositive()) {
            throw new IllegalArgumentException("the ageing step must be positive, not " + ageingStep);
        }
        if (!preWarmPatience.isPositive()) {
            throw new IllegalArgumentException("the patience of pre-warming must be positive, not " + preWarmPatience);
        }
    }

    public static WarmupLimits ofConcurrent(int maxConcurrent) {
        return ofConcurrent(maxConcurrent, 0);
    }

    public static WarmupLimits ofConcurrent(int maxConcurrent, int maxConcurrentPerNode) {
        return new WarmupLimits(maxConcurrent, maxConcurrentPerNode, Duration.ofSeconds(10), Duration.ofMinutes(5));
    }
}

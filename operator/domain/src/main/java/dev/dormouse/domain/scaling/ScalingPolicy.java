package dev.dormouse.domain.scaling;

import java.time.Duration;

/**
 * What a user asked for.
 *
 * @param replicas 0: automatic; n > 0: exactly n
 * @param concurrencyLimit requests one replica takes at a time
 * @param idle how long a model stays awake without requests
 */
public record ScalingPolicy(int replicas, int minReplicas, int maxReplicas, int concurrencyLimit, Duration idle) {

    public ScalingPolicy {
        if (replicas < 0 || minReplicas < 0 || maxReplicas < Math.max(1, minReplicas) || concurrencyLimit < 1) {
            throw new IllegalArgumentException("impossible bounds: replicas %d, min %d, max %d, concurrency limit %d"
                    .formatted(replicas, minReplicas, maxReplicas, concurrencyLimit));
        }
        if (idle.isNegative()) {
            throw new IllegalArgumentException("the idle time must not be negative, not " + idle);
        }
    }

    /** Whether it may sleep at all. */
    public boolean maySleep() {
        return replicas == 0 && minReplicas == 0;
    }

    /** Replicas for so many requests, given that the model is awake: at least one. */
    public int replicasFor(int requests) {
        if (replicas > 0) {
            return replicas;
        }
        int needed = Math.ceilDiv(requests, concurrencyLimit);
        return Math.clamp(needed, Math.max(1, minReplicas), maxReplicas);
    }
}

package dev.dormouse.domain.scaling;

import java.time.Duration;

/**
 * What a user asked for.
 *
 * @param replicas 0: automatic; n > 0: exactly n
 * @param standby warm replicas beyond what requests need; with one or more the model never sleeps
 * @param targetConcurrency requests at a time per replica that scaling aims at
 * @param idle how long a model stays awake without requests
 */
public record ScalingPolicy(int replicas, int minReplicas, int maxReplicas, int standby, int targetConcurrency,
        Duration idle) {

    /** Without standby. */
    public ScalingPolicy(int replicas, int minReplicas, int maxReplicas, int targetConcurrency, Duration idle) {
        this(replicas, minReplicas, maxReplicas, 0, targetConcurrency, idle);
    }

    public ScalingPolicy {
        if (standby < 0 || replicas < 0 || minReplicas < 0 || maxReplicas < Math.max(1, minReplicas)
                || targetConcurrency < 1) {
            throw new IllegalArgumentException(
                    "impossible bounds: replicas %d, min %d, max %d, standby %d, target concurrency %d"
                            .formatted(replicas, minReplicas, maxReplicas, standby, targetConcurrency));
        }
        if (idle.isNegative()) {
            throw new IllegalArgumentException("the idle time must not be negative, not " + idle);
        }
    }

    /** Whether it may sleep at all. */
    public boolean maySleep() {
        return replicas == 0 && minReplicas == 0 && standby == 0;
    }

    /** Replicas for so many requests, given that the model is awake: at least one. */
    public int replicasFor(int requests) {
        return within(Math.ceilDiv(requests, targetConcurrency));
    }

    /** What the load asks for, plus standby, within the user's bounds; at least one. */
    public int within(int needed) {
        return replicas > 0 ? replicas : Math.clamp((long) needed + standby, Math.max(1, minReplicas), maxReplicas);
    }
}

package dev.dormouse.domain.warmup;

import dev.dormouse.domain.fleet.ReplicaId;
import java.time.Duration;

/**
 * One replica that wants to warm up.
 *
 * @param priority higher first (X1)
 * @param lease how long it may hold a slot; a slot held longer is given to the next
 * @param gpus that it takes on one node
 */
public record WarmupRequest(ReplicaId replica, Urgency urgency, int priority, Duration lease, int gpus) {

    /** For a replica whose GPUs nobody counts. */
    public WarmupRequest(ReplicaId replica, Urgency urgency, int priority, Duration lease) {
        this(replica, urgency, priority, lease, 0);
    }

    public WarmupRequest {
        if (gpus < 0) {
            throw new IllegalArgumentException(replica + " cannot take " + gpus + " GPUs");
        }
        if (!lease.isPositive()) {
            throw new IllegalArgumentException("the lease of " + replica + " must be positive, not " + lease);
        }
    }

    WarmupRequest as(Urgency other) {
        return new WarmupRequest(replica, other, priority, lease, gpus);
    }

    public enum Urgency {
        /** A client waits. */
        Demand,
        /** Nobody waits yet: a first start, a lower bound of replicas. */
        PreWarm
    }
}

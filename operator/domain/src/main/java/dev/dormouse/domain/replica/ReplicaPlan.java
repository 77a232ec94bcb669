package dev.dormouse.domain.replica;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What is to happen to a model's pods.
 *
 * @param desired replicas wanted now
 * @param recheckAt when the plan may change without any event
 */
public record ReplicaPlan(int desired, List<ReplicaAction> actions, Optional<Instant> recheckAt) {
    public ReplicaPlan {
        actions = List.copyOf(actions);
    }

    public Stream<ReplicaAction.Create> creations() {
        return actions.stream().filter(ReplicaAction.Create.class::isInstance).map(ReplicaAction.Create.class::cast);
    }
}

package dev.dormouse.domain.replica;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;

/**
 * The life of a replica as two tables without a hole: {@link #next}, how its phase moves by what is seen of its pod, and
 * {@link #step}, what is done to it. Kubernetes shows states, not events, and may show them late or twice; so an event
 * is "it is seen as", and what must never be taken back (a failure, an end) is kept here against an older view.
 */
public final class ReplicaLifecycle {

    /** What is done to one pod. */
    public enum Step {
        /** It stays as it is. */
        Keep,
        /** Gateways are told to send it nothing new. */
        Drain,
        /** It is deleted: nobody's request is at it. */
        Delete,
        /** Something else must happen first: gateways let go of it, its processes end. */
        Await
    }

    private ReplicaLifecycle() {}

    /**
     * The phase after a look at the pod. A ready replica may fall back (its engine restarts in place); a failed one does
     * not count as a new start just because its container is between two crashes, but is taken back when it serves after
     * all, as after a node's return; a pod that is being deleted never comes back.
     */
    public static Phase next(Phase known, Phase seen) {
        return switch (known) {
            case Pending, Warming, Ready -> seen;
            case Failed -> switch (seen) {
                case Pending, Warming, Failed -> Phase.Failed;
                case Ready -> Phase.Ready;
                case Terminating -> Phase.Terminating;
            };
            case Terminating -> Phase.Terminating;
        };
    }

    /**
     * @param wanted whether it has a place in the plan
     * @param released whether every gateway has seen it draining and carries nothing for it
     */
    public static Step step(Replica replica, boolean wanted, boolean released) {
        return switch (replica.phase()) {
            case Pending, Failed -> wanted && !replica.draining() ? Step.Keep : Step.Delete;
            case Warming, Ready -> {
                if (replica.draining()) {
                    // A mark is never taken back: some gateway has acted on it already.
                    yield released ? Step.Delete : Step.Await;
                }
                yield wanted ? Step.Keep : Step.Drain;
            }
            case Terminating -> Step.Await;
        };
    }
}

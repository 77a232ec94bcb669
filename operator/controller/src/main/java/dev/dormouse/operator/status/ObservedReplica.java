package dev.dormouse.operator.status;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A live pod as decisions see it, with the report behind it.
 *
 * @param resourceVersion of the pod as it was seen
 */
public record ObservedReplica(Replica replica, Optional<SidecarStatus> report, String resourceVersion,
        PodPlace place) {

    /**
     * @param pool of the model when the pod was made; empty without one
     * @param gpus of the pool that it has
     * @param node absent until the pod is bound
     */
    public record PodPlace(String pool, int gpus, @Nullable String node) {
        public static final PodPlace UNKNOWN = new PodPlace("", 0, null);
    }

    /** One that belongs to no pool. */
    public ObservedReplica(Replica replica, Optional<SidecarStatus> report, String resourceVersion) {
        this(replica, report, resourceVersion, PodPlace.UNKNOWN);
    }

    /** The same pod with more known about its replica. */
    public ObservedReplica with(Replica known) {
        return known.equals(replica) ? this : new ObservedReplica(known, report, resourceVersion, place);
    }
}

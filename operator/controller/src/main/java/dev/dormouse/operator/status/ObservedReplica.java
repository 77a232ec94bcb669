package dev.dormouse.operator.status;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.util.Optional;

/**
 * A live pod as decisions see it, with the report behind it.
 *
 * @param resourceVersion of the pod as it was seen
 */
public record ObservedReplica(Replica replica, Optional<SidecarStatus> report, String resourceVersion) {

    /** The same pod with more known about its replica. */
    public ObservedReplica with(Replica known) {
        return known.equals(replica) ? this : new ObservedReplica(known, report, resourceVersion);
    }
}

package dev.dormouse.operator.status;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.util.Optional;

/** A live pod as decisions see it, with the report behind it. */
public record ObservedReplica(Replica replica, Optional<SidecarStatus> report) {}

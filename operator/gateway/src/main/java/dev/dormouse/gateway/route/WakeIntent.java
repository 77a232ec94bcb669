package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;
import java.util.concurrent.CompletionStage;

/** Says in the cluster that a model is wanted. */
@FunctionalInterface
public interface WakeIntent {
    /** Completes when the cluster has it; fails when it could not be written. */
    CompletionStage<Void> demand(ModelKey model, Instant requestedAt);
}

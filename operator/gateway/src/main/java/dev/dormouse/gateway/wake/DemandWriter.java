package dev.dormouse.gateway.wake;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;
import java.util.concurrent.CompletionStage;

/** Tells the operator that a model is wanted awake. */
@FunctionalInterface
public interface DemandWriter {
    /**
     * Does not block.
     *
     * @param requestedAt microseconds are kept
     * @return completes when the cluster has it, or with the failure, on any thread
     */
    CompletionStage<?> write(ModelKey model, Instant requestedAt);
}

package dev.dormouse.gateway.wake;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CompletionStage;

/** Tells the operator that a model is wanted awake. */
@FunctionalInterface
public interface DemandWriter {
    /**
     * Does not block.
     *
     * @param requestedAt microseconds are kept
     * @param traceparent where the wake belongs in the trace of a request that waits for it (W3C)
     * @return completes when the cluster has it, or with the failure, on any thread
     */
    CompletionStage<?> write(ModelKey model, Instant requestedAt, Optional<String> traceparent);
}

package dev.dormouse.gateway.wake;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletionStage;

/** Tells the operator, and every gateway, that a model shall sleep. */
@FunctionalInterface
public interface SleepWriter {
    /**
     * Does not block.
     *
     * @param at microseconds are kept
     * @param grace what runs has so long to finish, in whole seconds
     * @return completes when the cluster has it, or with the failure, on any thread
     */
    CompletionStage<?> write(ModelKey model, Instant at, Duration grace);
}

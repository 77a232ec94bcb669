package dev.dormouse.gateway.trace;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/**
 * How a wake went, as operator and sidecar tell it. Their clocks are theirs.
 *
 * @param decidedAt when the operator decided to wake the model
 * @param sidecarAt when the sidecar's process began
 * @param readyAt when the replica could take traffic
 * @param rung where the wake started from
 * @param phases time in each warmup phase that was not skipped
 */
public record WakeSteps(Optional<Instant> decidedAt, Instant sidecarAt, Instant readyAt, String rung,
        Map<String, Duration> phases) {
    public WakeSteps {
        phases = Map.copyOf(phases);
    }
}

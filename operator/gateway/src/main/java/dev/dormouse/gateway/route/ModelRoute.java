package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * What the gateway needs to know of one model.
 *
 * @param clientName what clients put into {@code "model"}
 * @param queueTimeout longest time a request is held
 * @param problem why the model is not Ready, if it is not
 * @param activation the present period of being awake or the last one
 * @param lastWakeRung the rung its last wake started from
 */
public record ModelRoute(ModelKey key, String clientName, int concurrencyLimit, Duration queueTimeout, int priority,
        Instant createdAt, Optional<Problem> problem, Optional<Activation> activation, Optional<String> lastWakeRung) {

    /** Condition Ready is False. */
    public record Problem(String reason, String message) {}

    /** @param endedAt absent while the model is awake */
    public record Activation(Instant startedAt, Optional<Instant> endedAt) {

        /** Whether the operator has already done what a demand of that time asks for. */
        public boolean answers(Instant demandedAt) {
            return endedAt.isEmpty() && !startedAt.isBefore(demandedAt);
        }
    }
}

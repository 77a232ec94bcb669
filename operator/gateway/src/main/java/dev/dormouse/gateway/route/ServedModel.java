package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * One model, as far as the gateway cares.
 *
 * @param clientName what clients put into {@code model}
 * @param awakeSince start of the activation that runs now; empty when the model sleeps
 * @param trouble why it is not well, for clients whose waiting ends without an answer
 */
public record ServedModel(ModelKey key, String clientName, int concurrencyLimit, Duration queueTimeout, int priority,
        Instant createdAt, Optional<Instant> awakeSince, Optional<String> trouble) {}

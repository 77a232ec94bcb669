package dev.dormouse.domain.hold;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;

/**
 * @param id unique within the gateway: requests are told apart by nothing else (L55)
 * @param priority higher first (X1)
 * @param deadline when waiting becomes a timeout; does not bound serving
 */
public record HeldRequest(long id, ModelKey model, int priority, Instant arrivedAt, Instant deadline) {}

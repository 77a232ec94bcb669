package dev.dormouse.cluster.kubelet;

import java.time.Instant;
import java.util.Optional;

/**
 * A container cannot be started as it is described, or not yet.
 */
final class NotRunnable extends Exception {
    static final String CONFIG = "CreateContainerConfigError";

    private final String reason;
    private final String event;
    private final transient Optional<Instant> retryAt;

    /** @param reason what its waiting state, and the event, show */
    NotRunnable(String reason, String message) {
        this(reason, "Failed", message, Optional.empty());
    }

    private NotRunnable(String reason, String event, String message, Optional<Instant> retryAt) {
        super(message);
        this.reason = reason;
        this.event = event;
        this.retryAt = retryAt;
    }

    static NotRunnable config(String message, Object... args) {
        return new NotRunnable(CONFIG, message.formatted(args));
    }

    /** Something outside the container is not ready; the container looks as if it were being created. */
    static NotRunnable notYet(String event, String message, Instant retryAt) {
        return new NotRunnable("ContainerCreating", event, message, Optional.of(retryAt));
    }

    String reason() {
        return reason;
    }

    /** The reason of the event that tells people. */
    String event() {
        return event;
    }

    String explanation() {
        return String.valueOf(getMessage());
    }

    /** When to try again; empty for the usual back-off. */
    Optional<Instant> retryAt() {
        return retryAt;
    }
}

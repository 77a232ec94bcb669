package dev.dormouse.cluster.kubelet;

/** A container cannot be started as it is described; {@code reason} is what its waiting state shows. */
final class NotRunnable extends Exception {
    static final String CONFIG = "CreateContainerConfigError";

    private final String reason;

    NotRunnable(String reason, String message) {
        super(message);
        this.reason = reason;
    }

    static NotRunnable config(String message, Object... args) {
        return new NotRunnable(CONFIG, message.formatted(args));
    }

    String reason() {
        return reason;
    }

    String explanation() {
        return String.valueOf(getMessage());
    }
}

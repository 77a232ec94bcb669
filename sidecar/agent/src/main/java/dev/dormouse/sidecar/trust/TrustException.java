package dev.dormouse.sidecar.trust;

import dev.dormouse.sidecar.format.Fault;

/** A snapshot is not trusted, or cannot be read with the keys at hand. The message says what to do. */
public final class TrustException extends Exception {
    private static final long serialVersionUID = 1L;
    private final Fault fault;

    public TrustException(Fault fault, String message) {
        super(message);
        this.fault = fault;
    }

    public TrustException(Fault fault, String message, Throwable cause) {
        super(message, cause);
        this.fault = fault;
    }

    public Fault fault() {
        return fault;
    }
}

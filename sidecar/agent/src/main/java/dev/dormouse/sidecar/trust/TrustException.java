package dev.dormouse.sidecar.trust;

/** A snapshot is not trusted, or cannot be read with the keys at hand. The message says what to do. */
public final class TrustException extends Exception {
    private static final long serialVersionUID = 1L;

    public TrustException(String message) {
        super(message);
    }

    public TrustException(String message, Throwable cause) {
        super(message, cause);
    }
}

package dev.dormouse.sidecar.pipeline;

import java.io.IOException;

/** A restore ended without all of its bytes. */
public final class RestoreException extends IOException {
    private static final long serialVersionUID = 1;
    private final String code;

    RestoreException(String code, String message) {
        super(message);
        this.code = code;
    }

    RestoreException(String code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    /** CamelCase: {@code ChecksumMismatch}, {@code Truncated}, {@code ReadFailed}, {@code Cancelled} … */
    public String code() {
        return code;
    }

    /** Whether the snapshot itself is to blame, so that trying it again cannot help. */
    public boolean damaged() {
        return !code.equals("Cancelled") && !code.equals("ReadFailed");
    }
}

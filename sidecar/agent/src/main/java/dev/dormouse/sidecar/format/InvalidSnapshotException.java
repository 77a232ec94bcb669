package dev.dormouse.sidecar.format;

import java.io.IOException;

/** A snapshot's file is damaged, hostile or of an unknown version. The message names the file and the field. */
public final class InvalidSnapshotException extends IOException {
    private static final long serialVersionUID = 1;

    /** Why, as a word for conditions and metrics. */
    public enum Code {
        ChecksumMismatch, Truncated, UnknownVersion, Malformed, Incompatible
    }

    private final Code code;

    public InvalidSnapshotException(Code code, String message) {
        super(message);
        this.code = code;
    }

    public InvalidSnapshotException(Code code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    public Code code() {
        return code;
    }
}

package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;

/** A restore did not bring back what was saved. {@link Fault#damage} tells whether the snapshot itself is to blame. */
public final class RestoreException extends Exception {
    private static final long serialVersionUID = 1L;
    private final Fault fault;

    public RestoreException(Fault fault, String message) {
        super(message);
        this.fault = fault;
    }

    public RestoreException(Fault fault, String message, Throwable cause) {
        super(message, cause);
        this.fault = fault;
    }

    public static RestoreException of(InvalidSnapshotException e) {
        return new RestoreException(e.fault(), String.valueOf(e.getMessage()), e);
    }

    public Fault fault() {
        return fault;
    }

    /** The fault's name, as engines and status see it. */
    public String code() {
        return fault.name();
    }
}

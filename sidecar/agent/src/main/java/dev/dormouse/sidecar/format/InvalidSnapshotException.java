package dev.dormouse.sidecar.format;

/** A snapshot, or a request for one, breaks a rule of the format. The message names file and field. */
public final class InvalidSnapshotException extends Exception {
    private static final long serialVersionUID = 1L;
    private final Fault fault;

    public InvalidSnapshotException(Fault fault, String message) {
        super(message);
        this.fault = fault;
    }

    public InvalidSnapshotException(Fault fault, String message, Throwable cause) {
        super(message, cause);
        this.fault = fault;
    }

    public Fault fault() {
        return fault;
    }
}

package dev.dormouse.sidecar.device;

/** Memory that an engine held is gone with the engine, or nobody wants its contents any more. */
public final class AllocationLostException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public AllocationLostException(String message) {
        super(message);
    }

    public AllocationLostException(String message, Throwable cause) {
        super(message, cause);
    }
}

package dev.dormouse.sidecar.cuda;

/** There is no driver, or no device, that this process can use. The message is one line that says what to do. */
public final class CudaUnavailableException extends Exception {
    private static final long serialVersionUID = 1L;

    public CudaUnavailableException(String message) {
        super(message);
    }

    CudaUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}

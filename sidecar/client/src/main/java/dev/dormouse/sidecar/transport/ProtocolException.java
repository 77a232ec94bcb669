package dev.dormouse.sidecar.transport;

import java.io.IOException;

/** The peer sent something that the protocol does not allow. The connection cannot be used any further. */
public final class ProtocolException extends IOException {
    private static final long serialVersionUID = 1;

    public ProtocolException(String message) {
        super(message);
    }

    public ProtocolException(String message, Throwable cause) {
        super(message, cause);
    }
}

package dev.dormouse.sidecar.transport;

import java.io.IOException;

/**
 * The peer sent something that is not a frame of the protocol. Nothing after it can be trusted, so the connection must
 * be closed; descriptors that came with it are closed already.
 */
public final class ProtocolException extends IOException {
    public ProtocolException(String message) {
        super(message);
    }

    ProtocolException(String message, Throwable cause) {
        super(message, cause);
    }
}

package dev.dormouse.sidecar.safetensors;

import java.io.IOException;

/** A file is not what it says it is. The message names file and place. */
public final class InvalidSafetensorsException extends IOException {
    private static final long serialVersionUID = 1L;

    InvalidSafetensorsException(String message) {
        super(message);
    }

    InvalidSafetensorsException(String message, Throwable cause) {
        super(message, cause);
    }
}

package dev.dormouse.sidecar.device;

import java.io.IOException;

/** The device cannot hold another allocation of this size. */
public final class OutOfDeviceMemoryException extends IOException {
    private static final long serialVersionUID = 1;

    public OutOfDeviceMemoryException(long requested, long available) {
        super("an allocation of " + requested + " bytes does not fit: " + available + " bytes are left");
    }
}

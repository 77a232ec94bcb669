package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.trust.TrustException;
import java.io.IOException;

/** A save that cannot be signed or encrypted as it must be: nothing is written then. */
public final class TrustFailedException extends IOException {
    private static final long serialVersionUID = 1L;
    private final Fault fault;

    TrustFailedException(Fault fault, TrustException cause) {
        super(cause.getMessage(), cause);
        this.fault = fault;
    }

    public Fault fault() {
        return fault;
    }
}

package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.EngineMessage;
import java.io.IOException;

/** The sidecar refused a request; during a restore: the snapshot is not usable, connect again and load from the source. */
public final class SnapshotRefusedException extends IOException {
    private static final long serialVersionUID = 1;
    private final String code;

    SnapshotRefusedException(EngineMessage.Failed failed) {
        super(failed.code() + ": " + failed.message());
        this.code = failed.code();
    }

    /** CamelCase, stable. */
    public String code() {
        return code;
    }
}

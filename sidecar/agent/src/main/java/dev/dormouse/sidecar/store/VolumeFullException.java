package dev.dormouse.sidecar.store;

import java.io.IOException;

/** The volume has no room for a snapshot. What was there before is intact. */
public final class VolumeFullException extends IOException {
    private static final long serialVersionUID = 1;

    VolumeFullException(long needed, long usable) {
        super("the snapshot needs up to " + needed + " bytes and the volume has " + usable
                + " left: enlarge the claim or delete old snapshots");
    }

    VolumeFullException(IOException cause) {
        super("the volume ran full while the snapshot was written: enlarge the claim or delete old snapshots", cause);
    }
}

package dev.dormouse.sidecar.store;

import java.io.IOException;

/** The volume has no room for a snapshot; those it holds are intact. */
public final class VolumeFullException extends IOException {
    private static final long serialVersionUID = 1L;
    private final long neededBytes;
    private final long usableBytes;

    public VolumeFullException(long neededBytes, long usableBytes) {
        super("the snapshot needs " + neededBytes + " bytes, the volume has " + usableBytes
                + " left; enlarge the claim or delete old snapshots");
        this.neededBytes = neededBytes;
        this.usableBytes = usableBytes;
    }

    public long neededBytes() {
        return neededBytes;
    }

    public long usableBytes() {
        return usableBytes;
    }
}

package dev.dormouse.sidecar.api;

/** Where a replica stands, as its sidecar sees it. The operator adds {@code Queued}, {@code Draining} and {@code Gone}. */
public enum ReplicaPhase {
    /** The sidecar is up and has not decided how to wake the engine. */
    Starting,
    /** Buffers are being restored from a snapshot. */
    Restoring,
    /** The engine loads its weights from the source. */
    Loading,
    /** The engine answers; warmup requests run, a first snapshot is taken. */
    Warming,
    /** The replica may take traffic. */
    Ready,
    /** A warmup phase failed; the replica never takes traffic. */
    Failed;

    /** Whether no further change is expected. */
    public boolean terminal() {
        return this == Ready || this == Failed;
    }
}

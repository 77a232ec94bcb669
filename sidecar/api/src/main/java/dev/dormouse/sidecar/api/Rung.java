package dev.dormouse.sidecar.api;

/**
 * How awake a model is, coldest first. A wake climbs from the best rung at hand; a failed restore falls one rung.
 */
public enum Rung {
    /** Weights exist only at the source: a wake loads and converts them. */
    Cold,
    /** A verified snapshot lies on the volume. */
    Volume,
    /** The snapshot's bytes are in the node's memory or local disk. */
    NodeCache,
    /** Weights are in device memory. */
    Resident
}

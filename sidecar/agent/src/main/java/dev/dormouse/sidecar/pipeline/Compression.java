package dev.dormouse.sidecar.pipeline;

/** How chunks that are not zero are stored (S2). */
public enum Compression {
    /** As they are. */
    None,
    /** Numbers of 2 and 4 bytes by plane ({@link dev.dormouse.sidecar.format.ShuffleCodec}), all else as zstd frames. */
    Zstd,
    /** One of the two, by how fast the volume's past restores were. */
    Auto
}

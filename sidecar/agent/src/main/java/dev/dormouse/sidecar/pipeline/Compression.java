package dev.dormouse.sidecar.pipeline;

/** How chunks that are not zero are stored (S2). */
public enum Compression {
    None, Zstd
}

package dev.dormouse.sidecar.pipeline;

/** What a restore compares of each chunk. Manifest, table and pack frames are always checked; so are encrypted chunks. */
public enum Verification {
    None,
    /** The stored bytes with their checksum: finds accidents. */
    Crc,
    /** The raw bytes with their identity too: finds forgeries, when the manifest is signed. */
    Digest
}

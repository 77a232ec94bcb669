package dev.dormouse.sidecar.format;

/** Why a snapshot cannot be used. The names go to engines, status and metrics as they are. */
public enum Fault {
    /** The manifest is not what was written, or contradicts itself. */
    InvalidManifest(true),
    /** Two buffers or files share a name. */
    DuplicateName(true),
    /** The chunk table is not what was written, or points outside. */
    InvalidChunkTable(true),
    /** A pack is missing, cut short, or not what the manifest means. */
    InvalidPack(true),
    /** A chunk's stored bytes are not what was written. */
    ChecksumMismatch(true),
    /** A chunk passed its checksum and still does not decode to its length. */
    UndecodableChunk(true),
    /** An encrypted chunk is not what was encrypted for this place on this volume. */
    AuthenticationFailed(true),
    /** Signatures are required and the snapshot has none. */
    SignatureMissing(false),
    /** The signature does not cover this manifest on this volume: changed, or another tenant's. */
    SignatureInvalid(false),
    /** Signed with a key that is not trusted here. */
    UntrustedKey(false),
    /** Encryption is required and the snapshot is not encrypted. */
    NotEncrypted(false),
    /** Encrypted with a key that is not at hand. */
    KeyMissing(false),
    /** The wrapping key at hand does not open the volume's key. */
    WrongKey(false),
    /** Written by another version of the format: for other readers it may be good. */
    UnknownVersion(false),
    /** Made for another engine, model or architecture. */
    Incompatible(false),
    /** The volume failed to read; the bytes on it may be good. */
    ReadFailed(false),
    /** The device has no room for it. */
    OutOfMemory(false),
    /** Somebody asked for a buffer or file which the snapshot has not. */
    UnknownName(false),
    /** The restore was cancelled. */
    Cancelled(false),
    /** A defect of ours. */
    Internal(false);

    private final boolean damage;

    Fault(boolean damage) {
        this.damage = damage;
    }

    /** Whether the snapshot itself is bad and belongs into quarantine; otherwise it may be tried again. */
    public boolean damage() {
        return damage;
    }
}

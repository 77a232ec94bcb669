package dev.dormouse.sidecar.format;

import java.util.regex.Pattern;

/** Versions, sizes, names and limits of format version 2. A reader refuses whatever lies outside. */
public final class SnapshotFormat {
    public static final String NAME = "dormouse-snapshot";
    /** Version 1 existed during development only: SHA-256 identities, no encryption. It is refused like any other. */
    public static final int VERSION = 2;

    /** Start of every chunk in a pack, so that direct I/O and page-sized mappings stay possible. */
    public static final int ALIGNMENT = 4096;
    public static final int DEFAULT_CHUNK_BYTES = 4 << 20;
    public static final int MIN_CHUNK_BYTES = ALIGNMENT;
    public static final int MAX_CHUNK_BYTES = 64 << 20;
    public static final long MAX_PACK_BYTES = 4L << 30;

    /** What an encrypted chunk is longer than its encoding: nonce and tag of AES-GCM. */
    public static final int ENCRYPTION_BYTES = 12 + 16;

    public static final int MAX_MANIFEST_BYTES = 64 << 20;
    public static final int MAX_CHUNKS = 1 << 22;
    public static final int MAX_PACKS = 1 << 12;
    public static final int MAX_ALLOCATIONS = 1 << 16;
    public static final int MAX_BUFFERS = 1 << 18;
    public static final int MAX_FILES = 1 << 12;
    public static final int MAX_DIMENSIONS = 32;
    public static final int MAX_NAME_CHARS = 1024;
    public static final int MAX_COMPATIBILITY_ENTRIES = 256;
    public static final int MAX_COMPATIBILITY_CHARS = 4096;

    /** What {@link SnapshotId} writes; nothing in it can leave a folder. */
    static final Pattern ID = Pattern.compile("[0-9]{8}t[0-9]{9}z-[0-9a-f]{16}");
    static final Pattern PACK_ID = Pattern.compile(ID.pattern() + "-[0-9]{4}");
    static final Pattern DATA_KEY = Pattern.compile("none|[0-9a-f]{16}");
    static final Pattern KEY = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,127}");

    private SnapshotFormat() {}

    /** The next multiple of {@link #ALIGNMENT} at or after {@code position}. */
    public static long aligned(long position) {
        return (position + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}

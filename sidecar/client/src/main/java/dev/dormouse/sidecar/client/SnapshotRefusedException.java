package dev.dormouse.sidecar.client;

/**
 * The sidecar refused a request. For a restore this means that the snapshot was damaged or does not fit: none of its
 * memory may be used, and the engine closes its client, connects again and is told to load from the source.
 */
public final class SnapshotRefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String code;

    public SnapshotRefusedException(String code, String message) {
        super(code + ": " + message);
        this.code = code;
    }

    /** One CamelCase word: {@code ChecksumMismatch}, {@code OutOfMemory}, {@code DuplicateName}, … */
    public String code() {
        return code;
    }
}

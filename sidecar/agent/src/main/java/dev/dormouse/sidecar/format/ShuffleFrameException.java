package dev.dormouse.sidecar.format;

/** A shuffled chunk contradicts itself or its expected length. The message says what. */
public final class ShuffleFrameException extends Exception {
    private static final long serialVersionUID = 1L;

    public ShuffleFrameException(String message) {
        super(message);
    }
}

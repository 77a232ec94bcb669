package dev.dormouse.sidecar.format;

import org.jspecify.annotations.Nullable;

/** How a chunk's bytes are stored. */
public enum Codec {
    /** All bytes are zero; nothing is stored. */
    Zero(0),
    /** As they are. */
    Raw(1),
    /** One zstd frame. */
    Zstd(2),
    /** Byte planes, each as it is or one zstd frame: {@link ShuffleCodec}. */
    Shuffle(3);

    private final int code;

    Codec(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }

    static @Nullable Codec of(int code) {
        return switch (code) {
            case 0 -> Zero;
            case 1 -> Raw;
            case 2 -> Zstd;
            case 3 -> Shuffle;
            default -> null;
        };
    }
}

package dev.dormouse.sidecar.format;

/** How a chunk is stored. The number is the one in the file. */
public enum Codec {
    /** All zero: nothing is stored. */
    Zero(0),
    /** As it is in memory. */
    Raw(1),
    /** One zstd frame. */
    Zstd(2);

    private final int number;

    Codec(int number) {
        this.number = number;
    }

    public int number() {
        return number;
    }

    static Codec of(int number, String where) throws InvalidSnapshotException {
        for (Codec codec : values()) {
            if (codec.number == number) {
                return codec;
            }
        }
        throw new InvalidSnapshotException(InvalidSnapshotException.Code.Malformed,
                where + ": unknown codec " + number);
    }
}

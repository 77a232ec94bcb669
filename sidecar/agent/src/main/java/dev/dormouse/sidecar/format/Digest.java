package dev.dormouse.sidecar.format;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;

/** 32 bytes of BLAKE3 that identify content. A value: equal digests are equal objects. */
public record Digest(long a, long b, long c, long d) {
    public static final int BYTES = Blake3.DIGEST_BYTES;
    /** How manifests call the algorithm. */
    public static final String LABEL = "blake3";
    /** How the chunk table calls it. */
    static final int CODE = 2;

    public static Digest of(byte[] bytes) {
        return read(ByteBuffer.wrap(bytes));
    }

    static Digest read(ByteBuffer from) {
        var order = from.order();
        from.order(ByteOrder.BIG_ENDIAN);
        var digest = new Digest(from.getLong(), from.getLong(), from.getLong(), from.getLong());
        from.order(order);
        return digest;
    }

    void write(ByteBuffer to) {
        var order = to.order();
        to.order(ByteOrder.BIG_ENDIAN).putLong(a).putLong(b).putLong(c).putLong(d).order(order);
    }

    public byte[] bytes() {
        var bytes = new byte[BYTES];
        write(ByteBuffer.wrap(bytes));
        return bytes;
    }

    /** {@code blake3:…}, as manifests write it. */
    public String labelled() {
        return LABEL + ":" + HexFormat.of().formatHex(bytes());
    }
}

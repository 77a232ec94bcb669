package dev.dormouse.sidecar.format;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** 32 bytes that identify content. A value: equal digests are equal objects. */
public record Digest(long a, long b, long c, long d) {
    public static final int BYTES = 32;
    public static final Digest NONE = new Digest(0, 0, 0, 0);

    /** How a digest was made; the code stands in the chunk table. */
    public enum Algorithm {
        Sha256(1, "sha-256");

        private final int code;
        private final String label;

        Algorithm(int code, String label) {
            this.code = code;
            this.label = label;
        }

        public int code() {
            return code;
        }

        public String label() {
            return label;
        }

        /** A fresh, empty computation. */
        public MessageDigest start() {
            try {
                return MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every JDK has SHA-256", e);
            }
        }
    }

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

    /** {@code sha-256:…}, as manifests write it. */
    public String labelled(Algorithm algorithm) {
        return algorithm.label() + ":" + HexFormat.of().formatHex(bytes());
    }
}

package dev.dormouse.sidecar.format;

import dev.dormouse.sidecar.format.InvalidSnapshotException.Code;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Header and footer of a pack file. */
public final class Pack {
    /** Alignment of everything in a pack. */
    public static final int BLOCK = 4096;
    /** Raw bytes of a chunk, but for the last of an allocation. */
    public static final int CHUNK = 4 << 20;
    /** Packs are closed before they grow past this. */
    public static final long LARGEST = 4L << 30;

    private static final int VERSION = 1;
    private static final byte[] HEADER = "DORMOUSE-PACK\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] FOOTER = "DORMOUSE-PEND\n".getBytes(StandardCharsets.US_ASCII);
    private static final int NUMBER_AT = 16;
    private static final int CRC_AT = BLOCK - 4;

    private Pack() {}

    public static ByteBuffer header() {
        ByteBuffer block = block(HEADER);
        block.putInt(NUMBER_AT, VERSION);
        return sealed(block);
    }

    /** @param length of the whole file, footer included */
    public static ByteBuffer footer(long length) {
        ByteBuffer block = block(FOOTER);
        block.putLong(NUMBER_AT, length);
        return sealed(block);
    }

    public static void checkHeader(String file, ByteBuffer block) throws InvalidSnapshotException {
        ByteBuffer header = checked(file, "header", HEADER, block);
        int version = header.getInt(NUMBER_AT);
        if (version != VERSION) {
            throw new InvalidSnapshotException(Code.UnknownVersion,
                    file + ": version " + version + "; this sidecar reads " + VERSION);
        }
    }

    /** @param length what the file system says */
    public static void checkFooter(String file, ByteBuffer block, long length) throws InvalidSnapshotException {
        long written = checked(file, "footer", FOOTER, block).getLong(NUMBER_AT);
        if (written != length) {
            throw new InvalidSnapshotException(Code.Truncated,
                    file + ": " + length + " bytes, written were " + written);
        }
    }

    /** The next multiple of {@link #BLOCK}. */
    public static long aligned(long offset) {
        return (offset + BLOCK - 1) / BLOCK * BLOCK;
    }

    private static ByteBuffer block(byte[] magic) {
        return ByteBuffer.allocate(BLOCK).order(ByteOrder.LITTLE_ENDIAN).put(0, magic);
    }

    private static ByteBuffer sealed(ByteBuffer block) {
        return block.putInt(CRC_AT, Checksums.crc32c(block.slice(0, CRC_AT)));
    }

    private static ByteBuffer checked(String file, String part, byte[] magic, ByteBuffer block)
            throws InvalidSnapshotException {
        ByteBuffer bytes = block.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.remaining() != BLOCK) {
            throw new InvalidSnapshotException(Code.Truncated, file + ": no room for its " + part);
        }
        if (!bytes.slice(0, magic.length).equals(ByteBuffer.wrap(magic))) {
            throw new InvalidSnapshotException(Code.Malformed, file + ": not a pack: wrong magic in its " + part);
        }
        if (bytes.getInt(CRC_AT) != Checksums.crc32c(bytes.slice(0, CRC_AT))) {
            throw new InvalidSnapshotException(Code.ChecksumMismatch, file + ": its " + part + " is damaged");
        }
        return bytes;
    }
}

package dev.dormouse.sidecar.format;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.format.Manifest.PackEntry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32C;

/**
 * The first and the last block of a pack, 4096 bytes each. Little-endian; reserved bytes are zero.
 *
 * <pre>
 *    0   8  magic
 *    8  24  "dormouse-pack" | "dormouse-pack-end"
 *   32   4  version
 *   36   4  alignment of chunks, 4096
 *   40  64  pack id
 *  104   8  number of chunks          (footer; 0 in the header)
 *  112   8  offset of the footer      (footer; 0 in the header)
 *  120   8  bytes of chunks that a rewriting kept, each rounded up to the alignment; 0: all   (footer; 0 in the header)
 *  128   …  reserved
 * 4092   4  CRC32C of the 4092 bytes before
 * </pre>
 * Both together prove that the file is the pack which the manifest means and that its end was written.
 */
public final class PackFrame {
    private static final byte[] MAGIC = {(byte) 0x89, 'D', 'M', 'P', '\r', '\n', 0x1a, '\n'};
    private static final String HEADER = "dormouse-pack";
    private static final String FOOTER = "dormouse-pack-end";
    private static final int NAME_AT = 8;
    private static final int NAME_BYTES = 24;
    private static final int VERSION_AT = 32;
    private static final int ID_BYTES = 64;
    private static final int KEPT_AT = 120;
    private static final int CRC_AT = ALIGNMENT - 4;

    private PackFrame() {}

    public static ByteBuffer header(String packId) {
        return block(HEADER, packId, 0, 0, 0);
    }

    public static ByteBuffer footer(PackEntry pack) {
        return footer(pack, 0);
    }

    /** @param keptBytes of a pack that was rewritten without the chunks that nobody needs: holes are in their place */
    public static ByteBuffer footer(PackEntry pack, long keptBytes) {
        return block(FOOTER, pack.id(), pack.chunks(), pack.bytes() - ALIGNMENT, keptBytes);
    }

    /**
     * Bytes of chunks that the file holds, each rounded up to the alignment.
     *
     * @param footer that was checked
     */
    public static long keptBytes(ByteBuffer footer) {
        ByteBuffer in = footer.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        long kept = in.getLong(KEPT_AT);
        return kept == 0 ? in.getLong(KEPT_AT - Long.BYTES) - ALIGNMENT : kept;
    }

    /** @param file how messages call the pack */
    public static void checkHeader(String file, ByteBuffer block, PackEntry pack) throws InvalidSnapshotException {
        check(file + ": header", block, header(pack.id()));
    }

    /** @param file how messages call the pack */
    public static void checkFooter(String file, ByteBuffer block, PackEntry pack) throws InvalidSnapshotException {
        long kept = block.remaining() == ALIGNMENT
                ? block.duplicate().order(ByteOrder.LITTLE_ENDIAN).getLong(KEPT_AT)
                : 0;
        boolean possible = kept >= 0 && kept % ALIGNMENT == 0 && kept <= pack.bytes() - 2L * ALIGNMENT;
        check(file + ": footer", block, footer(pack, possible ? kept : 0));
    }

    private static ByteBuffer block(String name, String packId, long chunks, long footerOffset,
            long keptBytes) {
        ByteBuffer block = ByteBuffer.allocate(ALIGNMENT).order(ByteOrder.LITTLE_ENDIAN);
        putName(block.put(MAGIC), name, NAME_BYTES).putInt(SnapshotFormat.VERSION).putInt(ALIGNMENT);
        putName(block, packId, ID_BYTES).putLong(chunks).putLong(footerOffset).putLong(keptBytes);
        return block.putInt(CRC_AT, crc(block)).clear();
    }

    /** Every byte of a block but one number follows from the manifest, so it is enough to compare; the rest is for the message. */
    private static void check(String what, ByteBuffer block, ByteBuffer expected) throws InvalidSnapshotException {
        if (block.equals(expected)) {
            return;
        }
        ByteBuffer in = block.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        boolean intact = in.remaining() == ALIGNMENT && in.getInt(CRC_AT) == crc(in)
                && in.slice(0, NAME_AT + NAME_BYTES).equals(expected.slice(0, NAME_AT + NAME_BYTES));
        if (intact && in.getInt(VERSION_AT) != SnapshotFormat.VERSION) {
            throw new InvalidSnapshotException(Fault.UnknownVersion, what + ": version " + in.getInt(VERSION_AT)
                    + "; this sidecar reads version " + SnapshotFormat.VERSION);
        }
        throw new InvalidSnapshotException(Fault.InvalidPack,
                what + (intact ? ": belongs to another pack than the manifest says" : ": damaged, or this is no pack"));
    }

    private static int crc(ByteBuffer block) {
        var crc = new CRC32C();
        crc.update(block.slice(0, CRC_AT));
        return (int) crc.getValue();
    }

    static ByteBuffer putName(ByteBuffer to, String name, int bytes) {
        int end = to.position() + bytes;
        return to.put(name.getBytes(StandardCharsets.US_ASCII)).position(end);
    }
}

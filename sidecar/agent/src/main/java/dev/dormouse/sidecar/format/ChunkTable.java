package dev.dormouse.sidecar.format;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.Manifest.TableEntry;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * {@code chunks.tbl}: where each chunk lies and how to check it. Little-endian; reserved bytes are zero.
 *
 * <pre>
 * header                                   record
 *  0   8  magic                             0   4  pack index, 0xffffffff: none
 *  8  16  "dormouse-chunks"                 4   1  codec: 0 zero, 1 raw, 2 zstd, 3 shuffle
 * 24   4  version                           5   1  digest: 2 BLAKE3
 * 28   4  record length, 64                 6   1  1: encrypted; else 0
 *                                           7   1  reserved
 * 32   4  number of records                 8   8  offset in the pack
 * 36  28  reserved                         16   4  stored length
 *                                          20   4  raw length
 *                                          24   4  CRC32C of the stored bytes
 *                                          28   4  reserved
 *                                          32  32  digest of the raw bytes
 * </pre>
 * The bytes stay as they were read; a chunk becomes an object only while it is looked at.
 */
public final class ChunkTable {
    private static final byte[] MAGIC = {(byte) 0x89, 'D', 'M', 'C', '\r', '\n', 0x1a, '\n'};
    private static final String NAME = "dormouse-chunks";
    private static final int HEADER = 64;
    private static final int RECORD = 64;
    private static final int NAME_AT = 8;
    private static final int VERSION_AT = 24;
    private static final int RECORD_LENGTH_AT = 28;
    private static final int COUNT_AT = 32;
    private static final int ENCRYPTED = 1;

    private final ByteBuffer bytes;
    private final int size;

    private ChunkTable(ByteBuffer bytes, int size) {
        this.bytes = bytes;
        this.size = size;
    }

    public static ChunkTable of(List<Chunk> chunks) {
        ByteBuffer out = header(chunks.size());
        for (Chunk chunk : chunks) {
            out.putInt(chunk.pack())
                    .put((byte) chunk.codec().code())
                    .put((byte) Digest.CODE)
                    .put((byte) (chunk.encrypted() ? ENCRYPTED : 0))
                    .put((byte) 0)
                    .putLong(chunk.offset())
                    .putInt(chunk.storedLength())
                    .putInt(chunk.rawLength())
                    .putInt(chunk.crc32c())
                    .putInt(0);
            chunk.digest().write(out);
        }
        return new ChunkTable(out.flip(), chunks.size());
    }

    private static ByteBuffer header(int count) {
        ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(bytesFor(count))).order(ByteOrder.LITTLE_ENDIAN);
        PackFrame.putName(out.put(MAGIC), NAME, 16);
        return out.putInt(SnapshotFormat.VERSION).putInt(RECORD).putInt(count).position(HEADER);
    }

    static long bytesFor(int chunks) {
        return HEADER + (long) chunks * RECORD;
    }

    /**
     * The CRC finds every accident. The digest is compared only on demand, since it proves nothing unless the manifest
     * itself is proven, and costs a restore some of its first milliseconds.
     *
     * @param file how messages call the bytes
     * @param digest whether to compare the digest too
     * @throws InvalidSnapshotException when the bytes are not those which the manifest names, or point outside its packs
     */
    public static ChunkTable read(String file, byte[] bytes, Manifest manifest, boolean digest)
            throws InvalidSnapshotException {
        try {
            TableEntry entry = manifest.chunkTable();
            require(bytes.length == entry.bytes(), "length", "%d bytes, the manifest says %d", bytes.length,
                    entry.bytes());
            require(crc(bytes).equals(entry.crc32c()) && (!digest || digest(bytes).equals(entry.digest())), "check",
                    "the bytes are not those that were written");
            ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            require(Arrays.equals(bytes, 0, NAME_AT, MAGIC, 0, NAME_AT), "magic", "this is no chunk table");
            if (in.getInt(VERSION_AT) != SnapshotFormat.VERSION) {
                throw new InvalidSnapshotException(Fault.UnknownVersion, "version: " + in.getInt(VERSION_AT)
                        + "; this sidecar reads version " + SnapshotFormat.VERSION);
            }
            require(in.getInt(RECORD_LENGTH_AT) == RECORD, "record length", "is %d, not %d",
                    in.getInt(RECORD_LENGTH_AT), RECORD);
            require(in.getInt(COUNT_AT) == entry.chunks(), "count", "is %d, the manifest says %d", in.getInt(COUNT_AT),
                    entry.chunks());
            var table = new ChunkTable(in, entry.chunks());
            table.check(manifest);
            return table;
        } catch (InvalidSnapshotException e) {
            throw new InvalidSnapshotException(e.fault(), file + ": " + e.getMessage(), e);
        }
    }

    public int size() {
        return size;
    }

    /** A copy of the file's bytes. */
    public byte[] bytes() {
        return Arrays.copyOf(bytes.array(), Math.toIntExact(bytesFor(size)));
    }

    /** How the manifest names this table. */
    public TableEntry entry() {
        return new TableEntry(bytes.array().length, size, crc(bytes.array()), digest(bytes.array()));
    }

    private static String crc(byte[] bytes) {
        var crc = new CRC32C();
        crc.update(bytes);
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    private static String digest(byte[] bytes) {
        return Digest.of(new Blake3().hash(MemorySegment.ofArray(bytes))).labelled();
    }

    public Chunk chunk(int index) {
        int at = HEADER + index * RECORD;
        Codec codec = Codec.of(bytes.get(at + 4));
        if (codec == null) {
            throw new IllegalStateException("records are checked before they are used");
        }
        return new Chunk(bytes.getInt(at), bytes.getLong(at + 8), bytes.getInt(at + 16), bytes.getInt(at + 20), codec,
                bytes.get(at + 6) == ENCRYPTED, bytes.getInt(at + 24), digest(at));
    }

    private Digest digest(int at) {
        return Digest.read(bytes.duplicate().position(at + 32));
    }

    private void check(Manifest manifest) throws InvalidSnapshotException {
        ChunkLayout layout = manifest.layout();
        long stored = 0;
        for (int i = 0; i < size; i++) {
            int at = HEADER + i * RECORD;
            String field = "chunks[" + i + "]";
            require(Codec.of(bytes.get(at + 4)) != null, field + ".codec", "%d is unknown", bytes.get(at + 4));
            require(bytes.get(at + 5) == Digest.CODE, field + ".digest", "kind %d is unknown",
                    bytes.get(at + 5));
            require(bytes.get(at + 6) == 0 || bytes.get(at + 6) == ENCRYPTED, field + ".encrypted", "%d is unknown",
                    bytes.get(at + 6));
            require(bytes.get(at + 7) == 0 && bytes.getInt(at + 28) == 0, field, "reserved bytes are not zero");
            checkChunk(field, chunk(i), layout.piece(i), manifest.packs());
            // All or none: a plain chunk among encrypted ones would be a way around the key.
            require(chunk(i).codec() == Codec.Zero || chunk(i).encrypted() == manifest.encrypted(),
                    field + ".encrypted", "is %s, the manifest's data key is '%s'", chunk(i).encrypted(),
                    manifest.dataKey());
            stored += chunk(i).storedLength();
        }
        require(stored == manifest.storedBytes(), "stored lengths", "add up to %d, the manifest says %d", stored,
                manifest.storedBytes());
        checkOverlaps();
    }

    private static void checkChunk(String field, Chunk chunk, ChunkLayout.Piece piece, List<PackEntry> packs)
            throws InvalidSnapshotException {
        require(chunk.rawLength() == piece.length(), field + ".rawLength", "is %d, not %d", chunk.rawLength(),
                piece.length());
        switch (chunk.codec()) {
            case Zero -> {
                require(chunk.equals(Chunk.zero(chunk.rawLength(), chunk.digest())), field,
                        "a zero chunk stores nothing");
                return;
            }
            case Raw -> require(chunk.storedLength() > 0 && chunk.encodedLength() == chunk.rawLength(),
                    field + ".storedLength", "is %d for %d raw bytes", chunk.storedLength(), chunk.rawLength());
            case Zstd, Shuffle -> require(chunk.storedLength() > 0 && chunk.encodedLength() > 0
                    && chunk.encodedLength() < chunk.rawLength(), field + ".storedLength",
                    "%d is none for %d compressed bytes", chunk.storedLength(), chunk.rawLength());
        }
        require(chunk.pack() >= 0 && chunk.pack() < packs.size(), field + ".pack", "there is no pack %d", chunk.pack());
        long end = packs.get(chunk.pack()).bytes() - ALIGNMENT;
        require(chunk.offset() >= ALIGNMENT && chunk.offset() % ALIGNMENT == 0 && chunk.offset() <= end
                && chunk.storedLength() <= end - chunk.offset(), field + ".offset",
                "%d bytes at %d lie outside pack %s or are not aligned", chunk.storedLength(), chunk.offset(),
                packs.get(chunk.pack()).id());
    }

    /** Two chunks may be the same stored bytes; they may not share a part of them. */
    private void checkOverlaps() throws InvalidSnapshotException {
        // pack (12 bits), offset in blocks (20), index (22): sorted as plain numbers, without an object per chunk.
        long[] order = new long[size];
        for (int i = 0; i < size; i++) {
            Chunk chunk = chunk(i);
            order[i] = (chunk.codec() == Codec.Zero ? 0L : (long) chunk.pack() << 42 | chunk.offset() / ALIGNMENT << 22)
                    | i;
        }
        Arrays.sort(order);
        Chunk before = null;
        for (long entry : order) {
            int index = (int) (entry & (1 << 22) - 1);
            Chunk chunk = chunk(index);
            if (chunk.codec() == Codec.Zero) {
                continue;
            }
            require(before == null || before.pack() != chunk.pack() || before.equals(chunk)
                    || before.offset() + before.storedLength() <= chunk.offset(), "chunks[" + index + "].offset",
                    "overlaps another chunk in pack %d at %d", chunk.pack(), chunk.offset());
            before = chunk;
        }
    }

    private static void require(boolean holds, String field, String message, Object... values)
            throws InvalidSnapshotException {
        if (!holds) {
            throw new InvalidSnapshotException(Fault.InvalidChunkTable, field + ": " + message.formatted(values));
        }
    }
}

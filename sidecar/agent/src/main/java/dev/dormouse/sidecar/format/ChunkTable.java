package dev.dormouse.sidecar.format;

import dev.dormouse.sidecar.format.InvalidSnapshotException.Code;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** The binary chunk table: a JSON one of a 16 GB snapshot alone costs 130 ms to read. */
public final class ChunkTable {
    /** A table of more would be 256 TiB of memory. */
    public static final int LARGEST_COUNT = 1 << 26;

    private static final int VERSION = 1;
    private static final byte[] MAGIC = "DORMOUSE-CHUNKS\n".getBytes(StandardCharsets.US_ASCII);
    private static final int HEADER = 32;
    private static final int RECORD = 64;
    private static final int DIGEST = 32;
    private static final int TRAILER = 4;

    private ChunkTable() {}

    public static ByteBuffer encode(List<Chunk> chunks) {
        ByteBuffer table = ByteBuffer
                .allocate(Math.addExact(HEADER + TRAILER, Math.multiplyExact(RECORD, chunks.size())))
                .order(ByteOrder.LITTLE_ENDIAN);
        table.put(0, MAGIC).putInt(16, VERSION).putInt(20, chunks.size()).position(HEADER);
        for (Chunk chunk : chunks) {
            table.putInt(chunk.pack())
                    .putInt(chunk.codec().number())
                    .putLong(chunk.offset())
                    .putInt(chunk.storedLength())
                    .putInt(chunk.rawLength())
                    .putInt(chunk.crc32c())
                    .putInt(0)
                    .put(HexFormat.of().parseHex(chunk.digest()));
        }
        return table.putInt(Checksums.crc32c(table.slice(0, table.position()))).flip();
    }

    /** @throws InvalidSnapshotException when anything does not add up */
    public static List<Chunk> decode(String file, ByteBuffer bytes) throws InvalidSnapshotException {
        ByteBuffer table = bytes.slice().order(ByteOrder.LITTLE_ENDIAN);
        if (table.capacity() < HEADER + TRAILER) {
            throw new InvalidSnapshotException(Code.Truncated, file + ": " + table.capacity() + " bytes");
        }
        if (!table.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC))) {
            throw new InvalidSnapshotException(Code.Malformed, file + ": not a chunk table");
        }
        if (table.getInt(16) != VERSION) {
            throw new InvalidSnapshotException(Code.UnknownVersion,
                    file + ": version " + table.getInt(16) + "; this sidecar reads " + VERSION);
        }
        int count = table.getInt(20);
        if (count < 0 || count > LARGEST_COUNT || HEADER + (long) RECORD * count + TRAILER != table.capacity()) {
            throw new InvalidSnapshotException(Code.Truncated,
                    file + ": " + count + " chunks do not make " + table.capacity() + " bytes");
        }
        if (table.getInt(table.capacity() - TRAILER) != Checksums.crc32c(table.slice(0, table.capacity() - TRAILER))) {
            throw new InvalidSnapshotException(Code.ChecksumMismatch, file + " is damaged");
        }
        List<Chunk> chunks = new ArrayList<>(count);
        byte[] digest = new byte[DIGEST];
        for (int i = 0; i < count; i++) {
            int at = HEADER + RECORD * i;
            table.get(at + 32, digest);
            chunks.add(checked(file + ": chunk " + i,
                    new Chunk(table.getInt(at), Codec.of(table.getInt(at + 4), file + ": chunk " + i),
                            table.getLong(at + 8), table.getInt(at + 16), table.getInt(at + 20), table.getInt(at + 24),
                            HexFormat.of().formatHex(digest))));
        }
        return chunks;
    }

    private static Chunk checked(String where, Chunk chunk) throws InvalidSnapshotException {
        boolean stored = switch (chunk.codec()) {
            case Zero -> chunk.storedLength() == 0;
            case Raw -> chunk.storedLength() == chunk.rawLength();
            case Zstd -> chunk.storedLength() > 0 && chunk.storedLength() <= chunk.rawLength();
        };
        if (!stored || chunk.rawLength() <= 0 || chunk.rawLength() > Pack.CHUNK || chunk.pack() < 0
                || chunk.offset() < 0 || chunk.offset() % Pack.BLOCK != 0) {
            throw new InvalidSnapshotException(Code.Malformed, where + ": impossible " + chunk);
        }
        return chunk;
    }
}

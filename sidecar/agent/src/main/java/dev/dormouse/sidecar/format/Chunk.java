package dev.dormouse.sidecar.format;

/**
 * One piece of a snapshot as it is stored.
 *
 * @param pack index into the manifest's packs; {@link #NO_PACK} for {@link Codec#Zero}
 * @param offset where the stored bytes begin in the pack; a multiple of {@link SnapshotFormat#ALIGNMENT}
 * @param storedLength bytes in the pack
 * @param rawLength bytes after decoding
 * @param encrypted whether the stored bytes are sealed with the manifest's data key, after encoding
 * @param crc32c of the stored bytes
 * @param digest BLAKE3 of the raw bytes: the chunk's identity
 */
public record Chunk(int pack, long offset, int storedLength, int rawLength, Codec codec, boolean encrypted, int crc32c,
        Digest digest) {
    public static final int NO_PACK = -1;

    /** Not encrypted. */
    public Chunk(int pack, long offset, int storedLength, int rawLength, Codec codec, int crc32c, Digest digest) {
        this(pack, offset, storedLength, rawLength, codec, false, crc32c, digest);
    }

    /** The same stored bytes, where the pack has another index. */
    public Chunk inPack(int index) {
        return new Chunk(index, offset, storedLength, rawLength, codec, encrypted, crc32c, digest);
    }

    /** Nothing is stored, so there is nothing to encrypt either. */
    public static Chunk zero(int rawLength, Digest digest) {
        return new Chunk(NO_PACK, 0, 0, rawLength, Codec.Zero, 0, digest);
    }

    /** Length of the encoded bytes, before they were encrypted. */
    public int encodedLength() {
        return encrypted ? storedLength - SnapshotFormat.ENCRYPTION_BYTES : storedLength;
    }
}

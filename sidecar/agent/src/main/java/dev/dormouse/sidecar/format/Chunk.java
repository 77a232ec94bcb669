package dev.dormouse.sidecar.format;

/**
 * One chunk of a snapshot, as its table says.
 *
 * @param pack which of the manifest's packs
 * @param offset in the pack, a multiple of {@link Pack#BLOCK}; 0 for {@code Zero}
 * @param storedLength bytes in the pack; 0 for {@code Zero}
 * @param rawLength bytes in memory, at most {@link Pack#CHUNK}
 * @param crc32c of the stored bytes
 * @param digest SHA-256 of the raw bytes, hex: the chunk's identity
 */
public record Chunk(int pack, Codec codec, long offset, int storedLength, int rawLength, int crc32c, String digest) {}

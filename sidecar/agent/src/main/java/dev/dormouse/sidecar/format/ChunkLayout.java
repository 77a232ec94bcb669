package dev.dormouse.sidecar.format;

import java.util.Arrays;

/**
 * Which bytes of which extent each chunk of a snapshot holds. Extents are numbered from 0, files before allocations;
 * chunks are numbered in extent order. Pure arithmetic, so that writer, reader and waiters cannot disagree.
 */
public final class ChunkLayout {
    /** @param length in bytes, at most {@code chunkBytes}, never 0 */
    public record Piece(int extent, long offset, int length) {}

    private final int chunkBytes;
    private final long[] extents;
    /** First chunk of each extent, then the number of all chunks. */
    private final int[] first;
    private final long totalBytes;

    /**
     * @param extents lengths in bytes, each ≥ 0
     * @throws ArithmeticException when they need more chunks or bytes than can be counted
     */
    public ChunkLayout(int chunkBytes, long... extents) {
        this.chunkBytes = chunkBytes;
        this.extents = extents.clone();
        this.first = new int[extents.length + 1];
        long total = 0;
        for (int i = 0; i < extents.length; i++) {
            first[i + 1] = Math.addExact(first[i], Math.toIntExact(Math.ceilDiv(extents[i], chunkBytes)));
            total = Math.addExact(total, extents[i]);
        }
        this.totalBytes = total;
    }

    public int chunks() {
        return first[extents.length];
    }

    public long totalBytes() {
        return totalBytes;
    }

    public Piece piece(int chunk) {
        int found = Arrays.binarySearch(first, chunk);
        int extent = found >= 0 ? found : -found - 2;
        // Empty extents share their first chunk with the next one, which is the one that holds it.
        while (first[extent + 1] <= chunk) {
            extent++;
        }
        long offset = (long) (chunk - first[extent]) * chunkBytes;
        return new Piece(extent, offset, (int) Math.min(chunkBytes, extents[extent] - offset));
    }

    /** The first chunk that holds bytes of the range; with {@code length} 0 the range is empty and so is [first, end). */
    public int firstChunk(int extent, long offset) {
        return first[extent] + (int) (offset / chunkBytes);
    }

    /** One past the last chunk that holds bytes of {@code [offset, offset + length)}. */
    public int endChunk(int extent, long offset, long length) {
        return length == 0
                ? firstChunk(extent, offset)
                : first[extent] + (int) Math.ceilDiv(offset + length, (long) chunkBytes);
    }
}

package dev.dormouse.sidecar.format;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.OptionalInt;

/**
 * Stores numbers of 2 or 4 bytes by plane: all first bytes, all second bytes, … Exponents of weights repeat and compress,
 * mantissas do not; apart from each other each plane is stored the cheaper way: zstd level 1, or as it is when zstd saves
 * less than 3 %. Little-endian:
 *
 * <pre>
 * 0    4     element width, 2 or 4
 * 4    4     raw length in bytes
 * 8    4×w   stored length of each plane, lowest byte first; equal to elements = as it is, less = one zstd frame
 * …          the planes
 * …          raw length mod width bytes that are no whole element, as they are
 * </pre>
 * Belongs to one thread; keeps scratch memory of one chunk.
 */
public final class ShuffleCodec implements AutoCloseable {
    private static final int LEVEL = 1;
    private static final int WORTH_PERCENT = 97;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Confined: owned by the worker's thread. */
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment planes;
    private final ZstdCompressCtx compressor = new ZstdCompressCtx().setLevel(LEVEL);
    private final ZstdDecompressCtx decompressor = new ZstdDecompressCtx();

    /** @param chunkBytes the longest raw chunk */
    public ShuffleCodec(int chunkBytes) {
        this.planes = arena.allocate(Math.max(1, chunkBytes), 64);
    }

    /**
     * @param raw off the heap, not longer than a chunk
     * @param width 2 or 4 bytes per element
     * @param into off the heap; receives the frame
     * @return the frame's length, or nothing when it would not fit into {@code into}
     */
    public OptionalInt encode(MemorySegment raw, int width, MemorySegment into) {
        requireWidth(width);
        int length = Math.toIntExact(raw.byteSize());
        int elements = length / width;
        int tail = length % width;
        int at = headerBytes(width);
        if (at > into.byteSize()) {
            return OptionalInt.empty();
        }
        split(raw, width, elements);
        into.set(INT, 0, width);
        into.set(INT, 4, length);
        for (int plane = 0; plane < width; plane++) {
            MemorySegment bytes = planes.asSlice((long) plane * elements, elements);
            int stored = storePlane(bytes, into.asSlice(at));
            if (stored < 0) {
                return OptionalInt.empty();
            }
            into.set(INT, 8 + 4L * plane, stored);
            at += stored;
        }
        if (tail > into.byteSize() - at) {
            return OptionalInt.empty();
        }
        MemorySegment.copy(raw, (long) elements * width, into, at, tail);
        return OptionalInt.of(at + tail);
    }

    /** @return the stored length, or -1 when there is no room */
    private int storePlane(MemorySegment plane, MemorySegment into) {
        int elements = (int) plane.byteSize();
        int limit = (int) Math.min(into.byteSize(), (long) elements * WORTH_PERCENT / 100);
        try {
            if (limit > 0) {
                return compressor.compressDirectByteBuffer(into.asByteBuffer(), 0, limit, plane.asByteBuffer(), 0,
                        elements);
            }
        } catch (ZstdException e) {
            if (e.getErrorCode() != Zstd.errDstSizeTooSmall()) {
                throw e;
            }
        }
        if (elements > into.byteSize()) {
            return -1;
        }
        into.copyFrom(plane);
        return elements;
    }

    /**
     * Decodes a frame straight to where its bytes belong.
     *
     * @param stored off the heap, exactly one frame
     * @param raw off the heap, exactly as long as the chunk; undefined after a failure
     */
    public void decode(MemorySegment stored, MemorySegment raw) throws ShuffleFrameException {
        require(stored.byteSize() >= 8, "%d bytes are no frame", stored.byteSize());
        int width = stored.get(INT, 0);
        require(width == 2 || width == 4, "element width %d is neither 2 nor 4", width);
        require(stored.byteSize() >= headerBytes(width), "%d bytes are no frame", stored.byteSize());
        require(stored.get(INT, 4) == raw.byteSize(), "it holds %d bytes, the chunk table says %d", stored.get(INT, 4),
                raw.byteSize());
        require(raw.byteSize() <= planes.byteSize(), "%d bytes are more than a chunk of %d", raw.byteSize(),
                planes.byteSize());
        int elements = (int) (raw.byteSize() / width);
        long end = headerBytes(width);
        for (int plane = 0; plane < width; plane++) {
            int length = stored.get(INT, 8 + 4L * plane);
            require(length >= 0 && length <= elements, "plane %d of %d bytes is longer than %d elements", plane, length,
                    elements);
            end += length;
        }
        long tail = raw.byteSize() % width;
        require(end + tail == stored.byteSize(), "its parts add up to %d bytes, not %d", end + tail, stored.byteSize());
        join(loadPlanes(stored, width, elements), raw, elements);
        MemorySegment.copy(stored, end, raw, (long) elements * width, tail);
    }

    private MemorySegment[] loadPlanes(MemorySegment stored, int width, int elements) throws ShuffleFrameException {
        var loaded = new MemorySegment[width];
        long at = headerBytes(width);
        for (int plane = 0; plane < width; plane++) {
            int length = stored.get(INT, 8 + 4L * plane);
            MemorySegment bytes = stored.asSlice(at, length);
            loaded[plane] = length == elements ? bytes : decompress(plane, bytes, elements);
            at += length;
        }
        return loaded;
    }

    private MemorySegment decompress(int plane, MemorySegment bytes, int elements) throws ShuffleFrameException {
        MemorySegment to = planes.asSlice((long) plane * elements, elements);
        try {
            int length = decompressor.decompressDirectByteBuffer(to.asByteBuffer(), 0, elements, bytes.asByteBuffer(),
                    0,
                    (int) bytes.byteSize());
            require(length == elements, "plane %d decodes to %d bytes, not %d", plane, length, elements);
            return to;
        } catch (ZstdException e) {
            throw new ShuffleFrameException("plane " + plane + " does not decode: " + e.getMessage());
        }
    }

    private void split(MemorySegment raw, int width, int elements) {
        int perLong = 8 / width;
        long mask = width == 2 ? 0x00FF00FF00FF00FFL : 0x000000FF000000FFL;
        int whole = elements / 8 * 8;
        for (int plane = 0; plane < width; plane++) {
            long base = (long) plane * elements;
            long select = mask << (8 * plane);
            for (int i = 0; i < whole; i += 8) {
                long eight = 0;
                for (int part = 0; part < width; part++) {
                    long four = Long.compress(raw.get(LONG, (long) i * width + part * 8L), select);
                    eight |= four << (8 * perLong * part);
                }
                planes.set(LONG, base + i, eight);
            }
            for (int i = whole; i < elements; i++) {
                planes.set(ValueLayout.JAVA_BYTE, base + i, raw.get(ValueLayout.JAVA_BYTE, (long) i * width + plane));
            }
        }
    }

    private static void join(MemorySegment[] from, MemorySegment raw, int elements) {
        int whole = elements / 8 * 8;
        if (from.length == 2) {
            join2(from[0], from[1], raw, whole);
        } else {
            join4(from[0], from[1], from[2], from[3], raw, whole);
        }
        for (int i = whole; i < elements; i++) {
            for (int plane = 0; plane < from.length; plane++) {
                raw.set(ValueLayout.JAVA_BYTE, (long) i * from.length + plane,
                        from[plane].get(ValueLayout.JAVA_BYTE, i));
            }
        }
    }

    private static void join2(MemorySegment low, MemorySegment high, MemorySegment raw, int whole) {
        long mask = 0x00FF00FF00FF00FFL;
        for (int i = 0; i < whole; i += 8) {
            long l = low.get(LONG, i);
            long h = high.get(LONG, i);
            raw.set(LONG, 2L * i, Long.expand(l, mask) | Long.expand(h, mask << 8));
            raw.set(LONG, 2L * i + 8, Long.expand(l >>> 32, mask) | Long.expand(h >>> 32, mask << 8));
        }
    }

    private static void join4(MemorySegment p0, MemorySegment p1, MemorySegment p2, MemorySegment p3, MemorySegment raw,
            int whole) {
        long mask = 0x000000FF000000FFL;
        for (int i = 0; i < whole; i += 8) {
            long a = p0.get(LONG, i);
            long b = p1.get(LONG, i);
            long c = p2.get(LONG, i);
            long d = p3.get(LONG, i);
            for (int part = 0; part < 4; part++) {
                int shift = 16 * part;
                raw.set(LONG, 4L * i + 8 * part, Long.expand(a >>> shift, mask) | Long.expand(b >>> shift, mask << 8)
                        | Long.expand(c >>> shift, mask << 16) | Long.expand(d >>> shift, mask << 24));
            }
        }
    }

    private static int headerBytes(int width) {
        return 8 + 4 * width;
    }

    private static void requireWidth(int width) {
        if (width != 2 && width != 4) {
            throw new IllegalArgumentException("element width " + width + " is neither 2 nor 4");
        }
    }

    private static void require(boolean holds, String message, Object... values) throws ShuffleFrameException {
        if (!holds) {
            throw new ShuffleFrameException(message.formatted(values));
        }
    }

    @Override
    public void close() {
        compressor.close();
        decompressor.close();
        arena.close();
    }
}

package dev.dormouse.sidecar.format;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The compression function of BLAKE3 on up to {@link #LANES} independent inputs at once. Belongs to one thread.
 *
 * <p>One array holds rows of one int per lane. Four quarter rounds are one plain loop, because the rows they take as a, b, c
 * and d lie side by side; all offsets in it are constants of one array, and that is the point: only then does C2 know that
 * they do not overlap and turns the loop into vector instructions, without the incubating Vector API. For the diagonals the
 * rows of b, c and d are read one, two and three rows further on, wrapped rows being copied to the end (of d: the front).
 */
final class Blake3Lanes {
    /** Enough to make loop ends cheap, few enough for the rows to stay in the first cache. */
    static final int LANES = 128;
    static final int BLOCK_BYTES = 64;
    /** Bytes of one leaf of the tree. */
    static final int LEAF_BYTES = 1024;
    /** Ints of a chaining value. */
    static final int CV = 8;

    private static final int CHUNK_START = 1;
    private static final int CHUNK_END = 2;
    private static final int PARENT = 4;
    private static final int ROOT = 8;

    /** The first words of the fractions of the square roots of the first eight primes, as in SHA-256. */
    static final int[] IV = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB,
            0x5BE0CD19};
    static final int ROUNDS = 7;
    /** Which word of a block comes where in the next round. */
    static final int[] PERMUTATION = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    /** Fewer than these are cheaper one by one. */
    private static final int FEW = 12;
    private static final ValueLayout.OfInt WORD = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int W = LANES;
    private static final int A = 0;
    private static final int B = 4 * W;
    private static final int C = 9 * W;
    private static final int D = 16 * W;
    /** What the columns add first and second, then the diagonals: four rows each. */
    private static final int SCHEDULE = 20 * W;
    private static final int ROWS = 36;
    private static final int[][] ORDER = order();

    private final int[] rows = new int[ROWS * W];
    /** 16 words of a block in 16 rows. */
    private final int[] message = new int[16 * W];
    /** One block of each lane, as it lies in memory. */
    private final int[] blocks = new int[16 * LANES];
    private final Blake3Block one = new Blake3Block();
    private final byte[] lastBlock = new byte[BLOCK_BYTES];

    /**
     * Chaining values of {@code count} whole leaves.
     *
     * @param leaf number of the first leaf in the input; a multiple of {@link #LANES}
     * @param to receives {@link #CV} ints per leaf
     */
    void leaves(MemorySegment data, int count, long leaf, int[] to) {
        int first = 0;
        for (; count - first >= FEW; first += LANES) {
            leaves(data, (long) first * LEAF_BYTES, Math.min(LANES, count - first), leaf + first, to, first * CV);
        }
        for (; first < count; first++) {
            leaf(data.asSlice((long) first * LEAF_BYTES, LEAF_BYTES), leaf + first, false, to, first * CV);
        }
    }

    private void leaves(MemorySegment data, long from, int count, long leaf, int[] to, int at) {
        startChain(count);
        for (int block = 0; block < LEAF_BYTES / BLOCK_BYTES; block++) {
            int flags = (block == 0 ? CHUNK_START : 0) | (block == LEAF_BYTES / BLOCK_BYTES - 1 ? CHUNK_END : 0);
            loadBlocks(data, from + (long) block * BLOCK_BYTES, count);
            compress(count, leaf, 1, BLOCK_BYTES, flags);
        }
        store(count, to, at);
    }

    /**
     * The chaining value of one leaf of any length.
     *
     * @param data 0 to {@link #LEAF_BYTES} bytes
     * @param root whether it is the only leaf of the input
     */
    void leaf(MemorySegment data, long leaf, boolean root, int[] to, int at) {
        System.arraycopy(IV, 0, to, at, CV);
        int length = (int) data.byteSize();
        int last = Math.max(0, (length - 1) / BLOCK_BYTES);
        for (int block = 0; block <= last; block++) {
            int bytes = Math.min(BLOCK_BYTES, length - block * BLOCK_BYTES);
            int flags = (block == 0 ? CHUNK_START : 0) | (block == last ? CHUNK_END | (root ? ROOT : 0) : 0);
            loadBlock(data, (long) block * BLOCK_BYTES, bytes);
            one.compress(to, at, leaf, bytes, flags);
        }
    }

    private void loadBlock(MemorySegment data, long from, int bytes) {
        if (bytes == BLOCK_BYTES) {
            MemorySegment.copy(data, WORD, from, one.message, 0, one.message.length);
            return;
        }
        Arrays.fill(lastBlock, (byte) 0);
        MemorySegment padded = MemorySegment.ofArray(lastBlock);
        MemorySegment.copy(data, from, padded, 0, bytes);
        MemorySegment.copy(padded, WORD, 0, one.message, 0, one.message.length);
    }

    /**
     * Replaces {@code 2 × pairs} chaining values by those of their {@code pairs} parents, in place.
     *
     * @param root whether this is the topmost parent; then {@code pairs} is 1
     */
    void parents(int[] values, int pairs, boolean root) {
        int flags = PARENT | (root ? ROOT : 0);
        int first = 0;
        for (; pairs - first >= FEW; first += LANES) {
            int count = Math.min(LANES, pairs - first);
            for (int lane = 0; lane < count; lane++) {
                int at = (first + lane) * 2 * CV;
                for (int word = 0; word < 2 * CV; word++) {
                    message[word * W + lane] = values[at + word];
                }
            }
            startChain(count);
            compress(count, 0, 0, BLOCK_BYTES, flags);
            store(count, values, first * CV);
        }
        for (; first < pairs; first++) {
            System.arraycopy(values, first * 2 * CV, one.message, 0, 2 * CV);
            // Its place is one that has been read.
            System.arraycopy(IV, 0, values, first * CV, CV);
            one.compress(values, first * CV, 0, BLOCK_BYTES, flags);
        }
    }

    private void startChain(int count) {
        for (int word = 0; word < CV; word++) {
            Arrays.fill(rows, word * W, word * W + count, IV[word]);
        }
    }

    private void store(int count, int[] to, int at) {
        for (int lane = 0; lane < count; lane++) {
            for (int word = 0; word < CV; word++) {
                to[at + lane * CV + word] = rows[word * W + lane];
            }
        }
    }

    /** Turns lanes into rows; through an array, because elements of a segment are checked one by one. */
    private void loadBlocks(MemorySegment data, long from, int count) {
        for (int lane = 0; lane < count; lane++) {
            MemorySegment.copy(data, WORD, from + (long) lane * LEAF_BYTES, blocks, lane * 16, 16);
        }
        for (int word = 0; word < 16; word++) {
            for (int lane = 0; lane < count; lane++) {
                message[word * W + lane] = blocks[lane * 16 + word];
            }
        }
    }

    /**
     * @param count lanes that matter; the others compute what nobody reads
     * @param step what the counter grows by from lane to lane
     */
    private void compress(int count, long counter, int step, int blockBytes, int flags) {
        int[] s = rows;
        for (int word = 0; word < 4; word++) {
            Arrays.fill(s, C + word * W, C + word * W + count, IV[word]);
        }
        // The low half cannot carry within a call: each begins at a multiple of LANES.
        int low = (int) counter;
        for (int lane = 0; lane < count; lane++) {
            s[D + lane] = low + lane * step;
        }
        Arrays.fill(s, D + W, D + W + count, (int) (counter >>> 32));
        Arrays.fill(s, D + 2 * W, D + 2 * W + count, blockBytes);
        Arrays.fill(s, D + 3 * W, D + 3 * W + count, flags);
        for (int[] order : ORDER) {
            for (int row = 0; row < 16; row++) {
                System.arraycopy(message, order[row] * W, s, SCHEDULE + row * W, count);
            }
            columns(s);
            System.arraycopy(s, B, s, B + 4 * W, count);
            System.arraycopy(s, C, s, C + 4 * W, 2 * W);
            System.arraycopy(s, D + 3 * W, s, D - W, count);
            diagonals(s);
            System.arraycopy(s, B + 4 * W, s, B, count);
            System.arraycopy(s, C + 4 * W, s, C, 2 * W);
            System.arraycopy(s, D - W, s, D + 3 * W, count);
        }
        for (int i = 0; i < 4 * W; i++) {
            s[A + i] ^= s[C + i];
            s[B + i] ^= s[D + i];
        }
    }

    private static void columns(int[] s) {
        for (int i = 0; i < 4 * W; i++) {
            int a = s[A + i] + s[B + i] + s[SCHEDULE + i];
            int d = Integer.rotateRight(s[D + i] ^ a, 16);
            int c = s[C + i] + d;
            int b = Integer.rotateRight(s[B + i] ^ c, 12);
            a += b + s[SCHEDULE + 4 * W + i];
            d = Integer.rotateRight(d ^ a, 8);
            c += d;
            s[A + i] = a;
            s[B + i] = Integer.rotateRight(b ^ c, 7);
            s[C + i] = c;
            s[D + i] = d;
        }
    }

    private static void diagonals(int[] s) {
        for (int i = 0; i < 4 * W; i++) {
            int a = s[A + i] + s[B + W + i] + s[SCHEDULE + 8 * W + i];
            int d = Integer.rotateRight(s[D - W + i] ^ a, 16);
            int c = s[C + 2 * W + i] + d;
            int b = Integer.rotateRight(s[B + W + i] ^ c, 12);
            a += b + s[SCHEDULE + 12 * W + i];
            d = Integer.rotateRight(d ^ a, 8);
            c += d;
            s[A + i] = a;
            s[B + W + i] = Integer.rotateRight(b ^ c, 7);
            s[C + 2 * W + i] = c;
            s[D - W + i] = d;
        }
    }

    /** For each of the seven rounds, which message word goes to which row of the schedule. */
    private static int[][] order() {
        int[] words = IntStream.range(0, 16).toArray();
        var order = new int[ROUNDS][16];
        for (int[] rows : order) {
            for (int i = 0; i < 4; i++) {
                rows[i] = words[2 * i];
                rows[4 + i] = words[2 * i + 1];
                rows[8 + i] = words[8 + 2 * i];
                rows[12 + i] = words[8 + 2 * i + 1];
            }
            int[] before = words;
            words = IntStream.of(PERMUTATION).map(from -> before[from]).toArray();
        }
        return order;
    }
}

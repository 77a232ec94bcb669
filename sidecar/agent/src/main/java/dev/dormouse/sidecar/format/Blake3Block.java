package dev.dormouse.sidecar.format;

/**
 * The compression function of BLAKE3 on one input, in local variables: for the few that do not fill {@link Blake3Lanes},
 * whose every turn costs as much as 128 of these take. Belongs to one thread.
 */
final class Blake3Block {
    private static final int WORDS = 16;

    /** The words of the block to be compressed. */
    final int[] message = new int[WORDS];
    private final int[] permuted = new int[WORDS];

    /**
     * Replaces a chaining value by the next one.
     *
     * @param chain {@link Blake3Lanes#CV} ints at {@code at}
     */
    void compress(int[] chain, int at, long counter, int blockBytes, int flags) {
        int s0 = chain[at];
        int s1 = chain[at + 1];
        int s2 = chain[at + 2];
        int s3 = chain[at + 3];
        int s4 = chain[at + 4];
        int s5 = chain[at + 5];
        int s6 = chain[at + 6];
        int s7 = chain[at + 7];
        int s8 = Blake3Lanes.IV[0];
        int s9 = Blake3Lanes.IV[1];
        int s10 = Blake3Lanes.IV[2];
        int s11 = Blake3Lanes.IV[3];
        int s12 = (int) counter;
        int s13 = (int) (counter >>> 32);
        int s14 = blockBytes;
        int s15 = flags;
        int[] m = message;
        int[] spare = permuted;
        for (int round = 0;; round++) {
            // Columns.
            s0 += s4 + m[0];
            s12 = Integer.rotateRight(s12 ^ s0, 16);
            s8 += s12;
            s4 = Integer.rotateRight(s4 ^ s8, 12);
            s0 += s4 + m[1];
            s12 = Integer.rotateRight(s12 ^ s0, 8);
            s8 += s12;
            s4 = Integer.rotateRight(s4 ^ s8, 7);

            s1 += s5 + m[2];
            s13 = Integer.rotateRight(s13 ^ s1, 16);
            s9 += s13;
            s5 = Integer.rotateRight(s5 ^ s9, 12);
            s1 += s5 + m[3];
            s13 = Integer.rotateRight(s13 ^ s1, 8);
            s9 += s13;
            s5 = Integer.rotateRight(s5 ^ s9, 7);

            s2 += s6 + m[4];
            s14 = Integer.rotateRight(s14 ^ s2, 16);
            s10 += s14;
            s6 = Integer.rotateRight(s6 ^ s10, 12);
            s2 += s6 + m[5];
            s14 = Integer.rotateRight(s14 ^ s2, 8);
            s10 += s14;
            s6 = Integer.rotateRight(s6 ^ s10, 7);

            s3 += s7 + m[6];
            s15 = Integer.rotateRight(s15 ^ s3, 16);
            s11 += s15;
            s7 = Integer.rotateRight(s7 ^ s11, 12);
            s3 += s7 + m[7];
            s15 = Integer.rotateRight(s15 ^ s3, 8);
            s11 += s15;
            s7 = Integer.rotateRight(s7 ^ s11, 7);
            // Diagonals.
            s0 += s5 + m[8];
            s15 = Integer.rotateRight(s15 ^ s0, 16);
            s10 += s15;
            s5 = Integer.rotateRight(s5 ^ s10, 12);
            s0 += s5 + m[9];
            s15 = Integer.rotateRight(s15 ^ s0, 8);
            s10 += s15;
            s5 = Integer.rotateRight(s5 ^ s10, 7);

            s1 += s6 + m[10];
            s12 = Integer.rotateRight(s12 ^ s1, 16);
            s11 += s12;
            s6 = Integer.rotateRight(s6 ^ s11, 12);
            s1 += s6 + m[11];
            s12 = Integer.rotateRight(s12 ^ s1, 8);
            s11 += s12;
            s6 = Integer.rotateRight(s6 ^ s11, 7);

            s2 += s7 + m[12];
            s13 = Integer.rotateRight(s13 ^ s2, 16);
            s8 += s13;
            s7 = Integer.rotateRight(s7 ^ s8, 12);
            s2 += s7 + m[13];
            s13 = Integer.rotateRight(s13 ^ s2, 8);
            s8 += s13;
            s7 = Integer.rotateRight(s7 ^ s8, 7);

            s3 += s4 + m[14];
            s14 = Integer.rotateRight(s14 ^ s3, 16);
            s9 += s14;
            s4 = Integer.rotateRight(s4 ^ s9, 12);
            s3 += s4 + m[15];
            s14 = Integer.rotateRight(s14 ^ s3, 8);
            s9 += s14;
            s4 = Integer.rotateRight(s4 ^ s9, 7);
            if (round == Blake3Lanes.ROUNDS - 1) {
                break;
            }
            for (int word = 0; word < WORDS; word++) {
                spare[word] = m[Blake3Lanes.PERMUTATION[word]];
            }
            int[] used = m;
            m = spare;
            spare = used;
        }
        chain[at] = s0 ^ s8;
        chain[at + 1] = s1 ^ s9;
        chain[at + 2] = s2 ^ s10;
        chain[at + 3] = s3 ^ s11;
        chain[at + 4] = s4 ^ s12;
        chain[at + 5] = s5 ^ s13;
        chain[at + 6] = s6 ^ s14;
        chain[at + 7] = s7 ^ s15;
    }
}

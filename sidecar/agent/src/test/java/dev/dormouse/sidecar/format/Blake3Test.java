package dev.dormouse.sidecar.format;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HexFormat;
import java.util.SplittableRandom;
import org.bouncycastle.crypto.digests.Blake3Digest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

class Blake3Test {
    private static final int LEAF = Blake3Lanes.LEAF_BYTES;
    private static final int BATCH = 1024 * LEAF;

    private final Blake3 blake3 = new Blake3();

    // S22
    @ParameterizedTest
    @CsvFileSource(resources = "/blake3/vectors.csv")
    void itAnswersTheOfficialVectors(int length, String hash) {
        var input = new byte[length];
        for (int i = 0; i < length; i++) {
            input[i] = (byte) (i % 251);
        }
        assertThat(HexFormat.of().formatHex(blake3.hash(MemorySegment.ofArray(input)))).isEqualTo(hash);
        assertThat(blake3.update(MemorySegment.ofArray(input)).digest()).isEqualTo(HexFormat.of().parseHex(hash));
    }

    @Test
    void everyTailUpToTwoLeavesAgreesWithBouncyCastle() {
        byte[] input = random(2 * LEAF + 1);
        for (int length = 0; length <= input.length; length++) {
            assertThat(blake3.hash(MemorySegment.ofArray(input).asSlice(0, length))).as("%d bytes", length)
                    .isEqualTo(oracle(input, length));
        }
    }

    @Test
    void lengthsAroundLanesBatchesAndSubtreesAgreeWithBouncyCastle() {
        byte[] input = random(5 * BATCH + 3 * LEAF);
        int[] around = {3 * LEAF, 127 * LEAF, 128 * LEAF, 129 * LEAF, 1023 * LEAF, BATCH, BATCH + LEAF, 2 * BATCH,
                3 * BATCH, 4 * BATCH, 5 * BATCH};
        for (int middle : around) {
            for (int length = middle - 1; length <= middle + 1; length++) {
                assertThat(blake3.hash(MemorySegment.ofArray(input).asSlice(0, length))).as("%d bytes", length)
                        .isEqualTo(oracle(input, length));
            }
        }
    }

    @Test
    void piecesOfAnySizeGiveTheDigestOfTheWhole() {
        var random = new SplittableRandom(7);
        byte[] input = random(2 * BATCH + 12_345);
        byte[] expected = oracle(input, input.length);
        for (int round = 0; round < 6; round++) {
            int at = 0;
            while (at < input.length) {
                int piece = Math.min(input.length - at, random.nextInt(1 << random.nextInt(1, 22)));
                blake3.update(MemorySegment.ofArray(input).asSlice(at, piece));
                at += piece;
            }
            assertThat(blake3.digest()).isEqualTo(expected);
        }
    }

    @Test
    void memoryOffTheHeapAndUnalignedIsReadWhereItLies() {
        byte[] input = random(300 * LEAF + 5);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(input.length + 1L).asSlice(1);
            MemorySegment.copy(input, 0, segment, ValueLayout.JAVA_BYTE, 0, input.length);
            assertThat(blake3.hash(segment)).isEqualTo(oracle(input, input.length));
        }
    }

    private static byte[] random(int length) {
        var bytes = new byte[length];
        new SplittableRandom(length).nextBytes(bytes);
        return bytes;
    }

    private static byte[] oracle(byte[] input, int length) {
        var oracle = new Blake3Digest();
        oracle.update(input, 0, length);
        var digest = new byte[oracle.getDigestSize()];
        oracle.doFinal(digest, 0);
        return digest;
    }
}

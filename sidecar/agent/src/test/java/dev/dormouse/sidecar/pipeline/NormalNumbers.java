package dev.dormouse.sidecar.pipeline;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;

/** Numbers as weights of models are: normal with a deviation of 0.02, as bf16 (the upper half of a float). */
final class NormalNumbers {
    private static final int TABLE = 1 << 16;

    private final short[] table = new short[TABLE];
    private final SplittableRandom random;

    NormalNumbers(long seed) {
        this.random = new SplittableRandom(seed);
        for (int i = 0; i < TABLE; i++) {
            table[i] = (short) (Float.floatToIntBits((float) (random.nextGaussian() * 0.02)) >>> 16);
        }
    }

    /** Draws from a table of 65,536 numbers: as many bits per number as bf16 has. */
    void fill(MemorySegment chunk) {
        for (long at = 0; at + 8 <= chunk.byteSize(); at += 8) {
            long four = random.nextLong();
            for (int i = 0; i < 4; i++) {
                chunk.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 2L * i, table[(int) (four >>> 16 * i) & TABLE - 1]);
            }
        }
    }
}

package dev.dormouse.sidecar.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShuffleCodecTest {
    private static final int CHUNK = 1 << 20;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Arena arena = Arena.ofConfined();
    private final ShuffleCodec codec = new ShuffleCodec(CHUNK);
    private final MemorySegment frame = arena.allocate(CHUNK + 64);

    @AfterEach
    void close() {
        codec.close();
        arena.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void everyLengthComesBack(int width) throws Exception {
        MemorySegment weights = weights(width, 4096);
        for (int length = 0; length < 300; length++) {
            assertComesBack(weights.asSlice(0, length), width);
        }
        assertComesBack(weights(width, CHUNK), width);
        assertComesBack(weights(width, CHUNK - 3), width);
    }

    @Test
    void halfPrecisionWeightsTakeAtMostSeventyPercent() {
        MemorySegment weights = weights(2, CHUNK);
        int stored = codec.encode(weights, 2, frame).orElseThrow();
        assertThat((double) stored / CHUNK).isLessThanOrEqualTo(0.70);
    }

    @Test
    void aFrameThatDoesNotFitIsNotWritten() {
        MemorySegment noise = arena.allocate(4096);
        new SplittableRandom(3).longs(512).forEach(new LongConsumer() {
            private long at;

            @Override
            public void accept(long value) {
                noise.set(ValueLayout.JAVA_LONG, at, value);
                at += 8;
            }
        });
        assertThat(codec.encode(noise, 2, frame.asSlice(0, 4096))).isEmpty();
        assertThat(codec.encode(noise, 2, frame.asSlice(0, 4))).isEmpty();
    }

    @Test
    void sizesThatDoNotAddUpAreRefused() {
        MemorySegment raw = weights(2, 4096);
        int length = codec.encode(raw, 2, frame).orElseThrow();
        assertRefused(frame.asSlice(0, length - 1), 4096, "add up");
        assertRefused(frame.asSlice(0, length + 1L), 4096, "add up");
        assertRefused(frame.asSlice(0, length), 4098, "the chunk table says 4098");
        assertRefused(frame.asSlice(0, 7), 4096, "no frame");
        assertRefused(frame.asSlice(0, 12), 4096, "no frame");
        frame.set(INT, 8, -1);
        assertRefused(frame.asSlice(0, length), 4096, "plane 0");
        frame.set(INT, 8, 2049);
        assertRefused(frame.asSlice(0, length), 4096, "plane 0");
        frame.set(INT, 0, 3);
        assertRefused(frame.asSlice(0, length), 4096, "width 3");
    }

    @Test
    void anyDamageIsRefusedOrDecodesWithinBounds() {
        MemorySegment raw = weights(2, 2048);
        int length = codec.encode(raw, 2, frame).orElseThrow();
        byte[] good = frame.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment guarded = arena.allocate(2048 + 64);
        var random = new SplittableRandom(11);
        for (int round = 0; round < 20_000; round++) {
            MemorySegment.copy(good, 0, frame, ValueLayout.JAVA_BYTE, 0, length);
            int at = random.nextInt(length);
            frame.set(ValueLayout.JAVA_BYTE, at, (byte) (good[at] ^ (1 << random.nextInt(8))));
            try {
                codec.decode(frame.asSlice(0, length), guarded.asSlice(0, 2048));
            } catch (ShuffleFrameException refused) {
                assertThat(refused).hasMessageNotContaining("null");
            }
            assertThat(guarded.asSlice(2048).mismatch(arena.allocate(64))).isEqualTo(-1);
        }
    }

    private void assertComesBack(MemorySegment raw, int width) throws ShuffleFrameException {
        int stored = codec.encode(raw, width, frame).orElseThrow();
        MemorySegment back = arena.allocate(Math.max(1, raw.byteSize())).asSlice(0, raw.byteSize());
        codec.decode(frame.asSlice(0, stored), back);
        assertThat(back.mismatch(raw)).as("%d bytes", raw.byteSize()).isEqualTo(-1);
    }

    private void assertRefused(MemorySegment stored, long rawLength, String why) {
        MemorySegment raw = arena.allocate(rawLength);
        assertThatThrownBy(() -> codec.decode(stored, raw)).isInstanceOf(ShuffleFrameException.class)
                .hasMessageContaining(why);
    }

    /** Like trained weights: normally distributed, bf16 or fp32. */
    private MemorySegment weights(int width, int bytes) {
        MemorySegment weights = arena.allocate(bytes);
        var random = new Random(5);
        for (long at = 0; at + width <= bytes; at += width) {
            int bits = Float.floatToRawIntBits((float) (random.nextGaussian() * 0.02));
            if (width == 4) {
                weights.set(INT, at, bits);
            } else {
                weights.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) (bits >>> 16));
            }
        }
        return weights;
    }
}

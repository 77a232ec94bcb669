package dev.dormouse.sidecar.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ChunkLayoutTest {
    @Test
    @DisplayName("S19: pieces tile every extent exactly, whatever the extents are")
    void piecesTile() {
        var random = new Random(7);
        for (int round = 0; round < 500; round++) {
            long[] extents = random.longs(random.nextInt(8), 0, 20).map(x -> x < 5 ? 0 : x).toArray();
            int chunkBytes = 1 << random.nextInt(5);
            var layout = new ChunkLayout(chunkBytes, extents);

            int chunk = 0;
            for (int extent = 0; extent < extents.length; extent++) {
                assertThat(layout.firstChunk(extent, 0)).isEqualTo(chunk);
                for (long at = 0; at < extents[extent]; at += chunkBytes) {
                    int length = (int) Math.min(chunkBytes, extents[extent] - at);
                    assertThat(layout.piece(chunk++)).isEqualTo(new ChunkLayout.Piece(extent, at, length));
                }
                assertThat(layout.endChunk(extent, 0, extents[extent])).isEqualTo(chunk);
            }
            assertThat(layout.chunks()).isEqualTo(chunk);
        }
    }

    @Test
    void rangesCoverTheChunksThatHoldThem() {
        var layout = new ChunkLayout(4096, 100, 0, 20_000);

        assertThat(layout.firstChunk(2, 4095)).isEqualTo(1);
        assertThat(layout.endChunk(2, 4095, 1)).isEqualTo(2);
        assertThat(layout.endChunk(2, 4095, 2)).isEqualTo(3);
        assertThat(layout.firstChunk(2, 8192)).isEqualTo(3);
        assertThat(layout.endChunk(2, 8192, 0)).isEqualTo(3);
        assertThat(layout.endChunk(1, 0, 0)).isEqualTo(layout.firstChunk(1, 0));
    }

    @Test
    @DisplayName("S66: extents beyond 4 GiB are counted right, absurd ones are refused")
    void large() {
        var layout = new ChunkLayout(4 << 20, 145L << 30);

        assertThat(layout.piece(37_119)).isEqualTo(new ChunkLayout.Piece(0, 37_119L * (4 << 20), 4 << 20));
        assertThat(layout.chunks()).isEqualTo(37_120);
        assertThatExceptionOfType(ArithmeticException.class).isThrownBy(() -> new ChunkLayout(4096, Long.MAX_VALUE));
    }
}

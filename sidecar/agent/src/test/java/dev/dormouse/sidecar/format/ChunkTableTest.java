package dev.dormouse.sidecar.format;

import static dev.dormouse.sidecar.format.Manifests.CHUNKS;
import static dev.dormouse.sidecar.format.Manifests.DIGEST;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.dormouse.sidecar.format.Manifest.TableEntry;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ChunkTableTest {
    private static final String FILE = "snapshots/x/chunks.tbl";

    @Test
    void roundTrip() throws Exception {
        ChunkTable table = ChunkTable.read(FILE, ChunkTable.of(CHUNKS).bytes(), Manifests.manifest(), true);

        assertThat(IntStream.range(0, table.size()).mapToObj(table::chunk)).isEqualTo(CHUNKS);
    }

    @Test
    @DisplayName("The bytes are those of docs/snapshot-format.md")
    void goldenBytes() {
        byte[] bytes = ChunkTable.of(List.of(new Chunk(2, 0x1000, 5, 6, Codec.Zstd, 0x0a0b0c0d, DIGEST))).bytes();

        assertThat(HexFormat.of().formatHex(bytes)).isEqualTo("89444d430d0a1a0a" + "646f726d6f7573652d6368756e6b7300"
                + "02000000" + "40000000" + "01000000" + "00".repeat(28) //
                + "02000000" + "02" + "02" + "0000" + "0010000000000000" + "05000000" + "06000000" + "0d0c0b0a"
                + "00000000" + "0000000000000001000000000000000200000000000000030000000000000004");
    }

    @Test
    @DisplayName("S49: every flipped bit is noticed")
    void everyFlippedBit() {
        byte[] bytes = ChunkTable.of(CHUNKS).bytes();
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] damaged = bytes.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(refusal(damaged, Manifests.manifest()).fault()).isEqualTo(Fault.InvalidChunkTable);
        }
    }

    @Test
    void everyLength() {
        byte[] bytes = ChunkTable.of(CHUNKS).bytes();
        for (int length = 0; length < bytes.length; length++) {
            assertThat(refusal(Arrays.copyOf(bytes, length), Manifests.manifest()).fault())
                    .isEqualTo(Fault.InvalidChunkTable);
        }
        assertThat(refusal(Arrays.copyOf(bytes, bytes.length + 64), Manifests.manifest())).isNotNull();
    }

    @Test
    void reorderedRecordsAreNoticed() {
        var swapped = new ArrayList<>(CHUNKS);
        Collections.swap(swapped, 1, 2);

        assertThat(refusal(ChunkTable.of(swapped).bytes(), Manifests.manifest())).hasMessageContaining("check:");
    }

    static Stream<Chunk> hostile() {
        return Stream.of(new Chunk(0, 0, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(0, 8193, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(0, -4096, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(0, 16384, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(0, Long.MAX_VALUE - 4095, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(1, 8192, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(-1, 8192, 4096, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(0, 8192, 4095, 4096, Codec.Raw, 1, DIGEST),
                new Chunk(0, 8192, 4096, 4096, Codec.Zstd, 1, DIGEST),
                new Chunk(0, 8192, 0, 4096, Codec.Zstd, 1, DIGEST),
                new Chunk(0, 8192, -1, 4096, Codec.Zstd, 1, DIGEST),
                new Chunk(0, 8192, 4095, 8192, Codec.Zstd, 1, DIGEST),
                new Chunk(0, 8192, 1, 4096, Codec.Zero, 1, DIGEST),
                // overlaps the first chunk without being the same bytes
                new Chunk(0, 4096, 4096, 4096, Codec.Raw, 12, DIGEST));
    }

    @ParameterizedTest
    @MethodSource
    @DisplayName("S51, S66: a record that points outside, overlaps or does not add up is refused, checksums fitting")
    void hostile(Chunk chunk) {
        var chunks = List.of(CHUNKS.get(0), chunk, CHUNKS.get(2), CHUNKS.get(3));
        Manifest manifest = Manifests.manifest(Manifests.ALLOCATIONS, Manifests.BUFFERS, Manifests.FILES, chunks);

        InvalidSnapshotException refusal = refusal(ChunkTable.of(chunks).bytes(), manifest);

        assertThat(refusal.fault()).isEqualTo(Fault.InvalidChunkTable);
        assertThat(refusal).hasMessageStartingWith(FILE + ": chunks[");
    }

    @Test
    void sharedChunksAreNoOverlap() throws Exception {
        var chunks = List.of(CHUNKS.get(0), CHUNKS.get(1), CHUNKS.get(1), CHUNKS.get(3));
        Manifest manifest = Manifests.manifest(Manifests.ALLOCATIONS, Manifests.BUFFERS, Manifests.FILES, chunks);

        assertThat(ChunkTable.read(FILE, ChunkTable.of(chunks).bytes(), manifest, true).size()).isEqualTo(4);
    }

    @Test
    void storedLengthsMustAddUp() {
        Manifest good = Manifests.manifest();
        Manifest other = new Manifest(good.format(), good.formatVersion(), good.id(), good.key(), good.compatibility(),
                good.createdAt(),
                good.rawBytes(), good.storedBytes() + 1, good.weightsDigest(), good.rootDigest(), good.dataKey(),
                good.chunkBytes(), good.allocations(),
                good.buffers(), good.files(), good.packs(), good.chunkTable());

        assertThat(refusal(ChunkTable.of(CHUNKS).bytes(), other)).hasMessageContaining("stored lengths");
    }

    @ParameterizedTest
    @MethodSource
    @DisplayName("S60: foreign headers and unknown codes are refused, checksums fitting")
    void foreign(int at, byte value, Fault fault) {
        byte[] bytes = ChunkTable.of(CHUNKS).bytes();
        bytes[at] = value;

        assertThat(refusal(bytes, agreeingWith(bytes)).fault()).isEqualTo(fault);
    }

    static Stream<Arguments> foreign() {
        return Stream.of(arguments(0, 1, Fault.InvalidChunkTable), arguments(24, 9, Fault.UnknownVersion),
                arguments(28, 65, Fault.InvalidChunkTable), arguments(32, 3, Fault.InvalidChunkTable),
                arguments(64 + 4, 7, Fault.InvalidChunkTable), arguments(64 + 5, 1, Fault.InvalidChunkTable),
                arguments(64 + 6, 1, Fault.InvalidChunkTable),
                arguments(64 + 6, 2, Fault.InvalidChunkTable), arguments(64 + 7, 1, Fault.InvalidChunkTable),
                arguments(64 + 28, 1, Fault.InvalidChunkTable));
    }

    private static Arguments arguments(int at, int value, Fault fault) {
        return Arguments.of(at, (byte) value, fault);
    }

    private static Manifest agreeingWith(byte[] table) {
        Manifest good = Manifests.manifest();
        var crc = new CRC32C();
        crc.update(table);
        var entry = new TableEntry(table.length, CHUNKS.size(), HexFormat.of().toHexDigits((int) crc.getValue()),
                Digest.of(new Blake3().hash(MemorySegment.ofArray(table))).labelled());
        return new Manifest(good.format(), good.formatVersion(), good.id(), good.key(), good.compatibility(),
                good.createdAt(),
                good.rawBytes(), good.storedBytes(), good.weightsDigest(), good.rootDigest(), good.dataKey(),
                good.chunkBytes(), good.allocations(),
                good.buffers(), good.files(), good.packs(), entry);
    }

    private static InvalidSnapshotException refusal(byte[] bytes, Manifest manifest) {
        var refusal = catchThrowableOfType(InvalidSnapshotException.class,
                () -> ChunkTable.read(FILE, bytes, manifest, true));
        assertThat(refusal).isNotNull();
        return refusal;
    }
}

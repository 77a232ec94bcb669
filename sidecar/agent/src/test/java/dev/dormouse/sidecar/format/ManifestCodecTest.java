package dev.dormouse.sidecar.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ManifestCodecTest {
    private static final String FILE = "snapshots/x/manifest.json";

    @Test
    @DisplayName("S8–S18: what is written is read back, in order, unicode names included")
    void roundTrip() throws Exception {
        Manifest manifest = Manifests.manifest();

        Manifest read = read(ManifestCodec.write(manifest));

        assertThat(read).isEqualTo(manifest);
    }

    @Test
    void peopleCanReadIt() {
        String text = new String(ManifestCodec.write(Manifests.manifest()), StandardCharsets.UTF_8);

        assertThat(text).startsWith("{\n  \"format\" : \"dormouse-snapshot\",\n  \"formatVersion\" : 2,\n")
                .contains("\"createdAt\" : \"2026-11-21T10:15:30.123456Z\"", "\"name\" : \"größe/权重/🐁\"")
                .containsPattern(",\n {2}\"check\" : \"crc32c:[0-9a-f]{8}\"\n}\n$");
    }

    @Test
    @DisplayName("S50: every flipped bit is noticed")
    void everyFlippedBit() {
        byte[] bytes = ManifestCodec.write(Manifests.manifest());
        for (int bit = 0; bit < bytes.length * 8; bit++) {
            byte[] damaged = bytes.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(refusal(damaged).fault()).as("bit %d", bit).isEqualTo(Fault.InvalidManifest);
        }
    }

    @Test
    @DisplayName("S51: every truncation is noticed, and so is one byte more")
    void everyLength() {
        byte[] bytes = ManifestCodec.write(Manifests.manifest());
        for (int length = 0; length < bytes.length; length++) {
            assertThat(refusal(Arrays.copyOf(bytes, length)).fault()).isEqualTo(Fault.InvalidManifest);
        }
        assertThat(refusal(Arrays.copyOf(bytes, bytes.length + 1)).fault()).isEqualTo(Fault.InvalidManifest);
    }

    @Test
    @DisplayName("S50: an edited offset is noticed although the JSON stays valid")
    void editedOffset() {
        String text = new String(ManifestCodec.write(Manifests.manifest()), StandardCharsets.UTF_8);

        var refusal = refusal(text.replace("\"offset\" : 5000", "\"offset\" : 4000").getBytes(StandardCharsets.UTF_8));

        assertThat(refusal).hasMessageStartingWith(FILE + ": check:");
    }

    @Test
    @DisplayName("S9, S60: another version is refused as such, not as damage")
    void unknownVersion() {
        InvalidSnapshotException refusal = refusal(rechecked("\"formatVersion\" : 2", "\"formatVersion\" : 3"));

        assertThat(refusal).hasMessage(FILE + ": formatVersion: 3; this sidecar reads version 2");
        assertThat(refusal.fault()).isEqualTo(Fault.UnknownVersion);
        assertThat(refusal.fault().damage()).isFalse();
    }

    @Test
    void whatIsNotInThisVersionIsRefused() {
        assertThat(refusal(rechecked("\"key\" :", "\"extra\" : 1, \"key\" :"))).hasMessageContaining("extra");
        assertThat(refusal(rechecked("\"key\" :", "\"key\" : \"a\", \"key\" :"))).hasMessageContaining("key");
        assertThat(refusal(rechecked("\"rawBytes\" : 9100,", ""))).hasMessageContaining("rawBytes");
        assertThat(refusal(rechecked("\"rawBytes\" : 9100", "\"rawBytes\" : 9100.5"))).hasMessageContaining("9100.5");
        assertThat(refusal(rechecked("\"rawBytes\" : 9100", "\"rawBytes\" : 99999999999999999999"))).isNotNull();
        assertThat(refusal(rechecked("\"key\" : \"key-1\"", "\"key\" : null"))).hasMessageContaining("key");
        assertThat(refusal(rechecked("2026-11-21T10:15:30.123456Z", "yesterday"))).hasMessageContaining("yesterday");
        assertThat(refusal(rechecked("dormouse-snapshot", "something-else"))).hasMessageContaining("something-else");
    }

    @Test
    @DisplayName("S56: a manifest copied into another snapshot's folder is refused")
    void otherFolder() {
        byte[] bytes = ManifestCodec.write(Manifests.manifest());

        assertThatExceptionOfType(InvalidSnapshotException.class)
                .isThrownBy(() -> ManifestCodec.read(FILE, "20261121t101530123z-0000000000000000", bytes))
                .withMessageContaining("id: is " + Manifests.ID);
    }

    @ParameterizedTest
    @DisplayName("S51: ranges that leave their allocation are refused, also where the sum overflows")
    @ValueSource(strings = {"-1,10", "0,9001", "9001,0", "9000,1", "1,9223372036854775807", "9223372036854775807,1",
            "0,-1", "4611686018427387904,4611686018427387904"})
    void hostileRanges(String range) {
        long offset = Long.parseLong(range.split(",")[0]);
        long length = Long.parseLong(range.split(",")[1]);
        var buffer = new BufferMeta("x", 0, offset, length, BufferType.Weights, "u8", List.of(), false);

        assertThat(refusal(withBuffers(List.of(buffer)))).hasMessageContaining("buffers[0].offset:");
    }

    @Test
    void buffersMustFitTheirAllocation() {
        var wrongType = new BufferMeta("x", 0, 0, 1, BufferType.KvCache, "u8", List.of(), false);
        var negativeShape = new BufferMeta("x", 0, 0, 1, BufferType.Weights, "u8", List.of(-1L), false);

        assertThat(refusal(withBuffers(List.of(Manifests.buffer("x", 1, 0, 1)))))
                .hasMessageContaining("no allocation 1");
        assertThat(refusal(withBuffers(List.of(Manifests.buffer("x", -1, 0, 1)))))
                .hasMessageContaining("no allocation -1");
        assertThat(refusal(withBuffers(List.of(wrongType)))).hasMessageContaining("an allocation holds one type");
        assertThat(refusal(withBuffers(List.of(negativeShape)))).hasMessageContaining("buffers[0].shape");
    }

    @Test
    @DisplayName("S20: duplicate names are refused, between buffers and files too")
    void duplicateNames() {
        var twice = List.of(Manifests.buffer("x", 0, 0, 1), Manifests.buffer("x", 0, 1, 1));
        var asFile = List.of(Manifests.buffer("tokenizer/tokenizer.json", 0, 0, 1));

        assertThat(refusal(withBuffers(twice)).fault()).isEqualTo(Fault.DuplicateName);
        assertThat(refusal(withBuffers(asFile)).fault()).isEqualTo(Fault.DuplicateName);
    }

    @ParameterizedTest
    @DisplayName("S54: a file's name cannot lead out of the folder it is written to")
    @ValueSource(strings = {"", "/etc/passwd", "../x", "a/../x", "a//b", ".", "a/", "a\\b", "a\u0000b", "a\nb"})
    void hostileFileNames(String name) {
        var files = List.of(new FileEntry(name, 100));

        assertThat(refusal(Manifests.manifest(Manifests.ALLOCATIONS, Manifests.BUFFERS, files, Manifests.CHUNKS)))
                .hasMessageContaining("files[0]");
    }

    @Test
    @DisplayName("S66: sizes that cannot be summed and counts beyond the limits are refused")
    void absurdCounts() {
        var huge = Collections.nCopies(3, new AllocationEntry(Long.MAX_VALUE / 2, BufferType.Weights));
        var many = Collections.nCopies(SnapshotFormat.MAX_ALLOCATIONS + 1, new AllocationEntry(1, BufferType.Weights));
        var empty = List.of(new AllocationEntry(0, BufferType.Weights));
        var terabytes = List.of(new AllocationEntry(1L << 40, BufferType.Weights));

        assertThat(check(huge)).hasMessageContaining("cannot be summed");
        assertThat(check(many)).hasMessageContaining("at most " + SnapshotFormat.MAX_ALLOCATIONS);
        assertThat(check(empty)).hasMessageContaining("allocations[0].bytes");
        assertThat(check(terabytes)).isNotNull();
    }

    @Test
    void packsMustBePlausible() {
        Manifest good = Manifests.manifest();
        for (PackEntry pack : List.of(new PackEntry("../../etc", 20480, 3), new PackEntry(Manifests.PACK, 20481, 3),
                new PackEntry(Manifests.PACK, 4096, 3), new PackEntry(Manifests.PACK, 8L << 30, 3),
                new PackEntry(Manifests.PACK, 20480, -1))) {
            assertThat(refusal(with(good, List.of(pack)))).hasMessageContaining("packs[0]");
        }
        assertThat(refusal(with(good, Collections.nCopies(2, good.packs().getFirst()))))
                .hasMessageContaining("packs[1]");
    }

    @Test
    void tenThousandBuffers() throws Exception {
        var buffers = new ArrayList<BufferMeta>();
        for (int i = 0; i < 10_000; i++) {
            buffers.add(Manifests.buffer("layer." + i, 0, i % 9000, 0));
        }
        Manifest manifest = withBuffers(buffers);

        assertThat(read(ManifestCodec.write(manifest)).buffers()).hasSize(10_000);
    }

    private static Manifest withBuffers(List<BufferMeta> buffers) {
        return Manifests.manifest(Manifests.ALLOCATIONS, buffers, Manifests.FILES, Manifests.CHUNKS);
    }

    private static Manifest with(Manifest m, List<PackEntry> packs) {
        return new Manifest(m.format(), m.formatVersion(), m.id(), m.key(), m.compatibility(), m.createdAt(),
                m.rawBytes(), m.storedBytes(), m.weightsDigest(), m.rootDigest(), m.dataKey(), m.chunkBytes(),
                m.allocations(), m.buffers(),
                m.files(), packs, m.chunkTable());
    }

    private static InvalidSnapshotException check(List<AllocationEntry> allocations) {
        return refusal(Manifests.manifest(allocations, List.of(), List.of(), Manifests.CHUNKS));
    }

    /** A manifest with other words and a check that fits them, as somebody with bad intentions would write it. */
    private static byte[] rechecked(String words, String others) {
        String text = new String(ManifestCodec.write(Manifests.manifest()), StandardCharsets.UTF_8);
        byte[] head = text.substring(0, text.lastIndexOf(",\n"))
                .replace(words, others)
                .getBytes(StandardCharsets.UTF_8);
        var crc = new CRC32C();
        crc.update(head);
        return (new String(head, StandardCharsets.UTF_8)
                + ",\n  \"check\" : \"crc32c:%08x\"\n}\n".formatted((int) crc.getValue()))
                .getBytes(StandardCharsets.UTF_8);
    }

    private static Manifest read(byte[] bytes) throws InvalidSnapshotException {
        return ManifestCodec.read(FILE, Manifests.ID, bytes);
    }

    private static InvalidSnapshotException refusal(Manifest manifest) {
        return refusal(ManifestCodec.write(manifest));
    }

    private static InvalidSnapshotException refusal(byte[] bytes) {
        var refusal = catchThrowableOfType(InvalidSnapshotException.class, () -> read(bytes));
        assertThat(refusal).isNotNull();
        return refusal;
    }
}

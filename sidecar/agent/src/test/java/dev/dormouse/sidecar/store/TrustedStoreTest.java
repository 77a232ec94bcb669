package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustSettings;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What signatures and encryption promise, on a volume that somebody else can write to. */
class TrustedStoreTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);
    private static final String SECRET = "nobody may read these weights ";

    @TempDir
    Path scratch;
    @TempDir
    Path secrets;
    private final LossyFiles disk = new LossyFiles();
    private final HostDevice target = new HostDevice(1 << 20);
    private SampleModel model;
    private KeyFolder keys;

    @BeforeEach
    void model() throws Exception {
        keys = new KeyFolder(secrets).signer("2025").signer("2026").wrapping("k1", 1);
        model = new SampleModel(scratch, 1);
        model.buffer("noise", BufferType.Weights, model.random(9_000))
                .buffer("text", BufferType.Weights, SECRET.repeat(300).getBytes(StandardCharsets.UTF_8))
                .buffer("zeros", BufferType.Weights, new byte[8_192])
                .file("tokenizer.json", SECRET.getBytes(StandardCharsets.UTF_8));
    }

    @AfterEach
    void close() {
        model.close();
        target.close();
    }

    @ParameterizedTest
    @EnumSource(Compression.class)
    @DisplayName("S26, S31: what was signed and encrypted comes back, and lies nowhere in the clear")
    void roundTrip(Compression compression) throws Exception {
        SnapshotStore store = open(trust("2026", true));
        Snapshot saved = save(store, compression);

        assertRestores(store, saved);
        assertThat(store.readFile(saved, "tokenizer.json")).isEqualTo(SECRET.getBytes(StandardCharsets.UTF_8));
        assertThat(store.verify(saved.id(), 2).problems()).isEmpty();
        assertThat(saved.manifest().encrypted()).isTrue();
        for (String path : disk.tree()) {
            if (!path.endsWith("/")) {
                assertThat(new String(disk.read(path, 1 << 20), StandardCharsets.ISO_8859_1)).as(path)
                        .doesNotContain(SECRET);
            }
        }
        assertThat(disk.tree()).contains(VolumePaths.key(saved.manifest().dataKey()),
                VolumePaths.signature(saved.id()));
    }

    @Test
    @DisplayName("S4: encrypted snapshots share chunks too, with each other and not with plain ones")
    void incremental() throws Exception {
        Snapshot plain = save(open(Trust.OFF), Compression.None);
        SnapshotStore store = open(trust("2026", true));
        Snapshot first = save(store, Compression.None);
        Snapshot second = save(store, Compression.None);

        assertThat(first.manifest().packs()).doesNotContainAnyElementsOf(plain.manifest().packs());
        assertThat(second.manifest().packs()).isEqualTo(first.manifest().packs());
        assertThat(first.manifest().rootDigest()).isEqualTo(plain.manifest().rootDigest());
        assertRestores(store, second);
    }

    @Test
    @DisplayName("S50: without a signature, with one of a stranger or of another tenant, nothing of a snapshot is used")
    void refusedBeforeAByteIsUsed() throws Exception {
        Snapshot unsigned = save(open(Trust.OFF), Compression.None);
        assertRefused(trust("2026", false), unsigned, Fault.SignatureMissing, "save it again with a signing key");

        Snapshot signed = save(open(trust("2025", false)), Compression.None);
        assertThat(open(trust("2026", false)).newest(SampleModel.KEY)).contains(signed);
        assertRefused(keys.trust("other-tenant", "2026", false), signed, Fault.SignatureInvalid, "another volume");
        keys.distrust("2025");
        assertRefused(trust("2026", false), signed, Fault.UntrustedKey, "'2025'");
        // Nobody who does not ask for signatures is bothered by them.
        assertThat(open(Trust.OFF).list().refused()).isEmpty();
    }

    private void assertRefused(Trust trust, Snapshot snapshot, Fault fault, String message) throws Exception {
        SnapshotStore store = open(trust);
        String pack = VolumePaths.pack(snapshot.manifest().packs().getFirst().id());
        disk.failWith((step, operation) -> assertThat(operation).doesNotContain(pack));
        assertThat(store.list().snapshots()).extracting(Snapshot::id).doesNotContain(snapshot.id());
        assertThat(store.list().refused()).filteredOn(refusal -> refusal.id().equals(snapshot.id()))
                .singleElement()
                .satisfies(refusal -> assertThat(refusal.reason()).isEqualTo(fault.name()))
                .satisfies(refusal -> assertThat(refusal.message()).contains(message));
        assertThat(store.verify(snapshot.id(), 1).problems()).singleElement()
                .extracting(Refusal::reason)
                .isEqualTo(fault.name());
        assertThat(fault.damage()).as("another key may heal it").isFalse();
        disk.failWith((step, operation) -> {
        });
    }

    @Test
    @DisplayName("S50: a manifest that was edited, its check line made to fit, is refused; so is every flipped bit of the signature")
    void editedManifest() throws Exception {
        Trust trust = trust("2026", false);
        Snapshot saved = save(open(trust), Compression.None);
        String path = VolumePaths.manifest(saved.id());
        byte[] good = disk.read(path, 1 << 20);
        String text = new String(good, StandardCharsets.UTF_8);
        disk.replace(path, checked(text.replace("\"name\" : \"noise\"", "\"name\" : \"other\"")));
        assertThat(open(Trust.OFF).list().refused()).as("it is a fine manifest otherwise").isEmpty();
        assertThat(open(trust).list().refused()).singleElement()
                .extracting(Refusal::reason)
                .isEqualTo(Fault.SignatureInvalid.name());
        disk.replace(path, good);

        byte[] signature = disk.read(VolumePaths.signature(saved.id()), 4096);
        for (int bit = 0; bit < (signature.length - 1) * 8; bit++) {
            byte[] flipped = signature.clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            disk.replace(VolumePaths.signature(saved.id()), flipped);
            assertThat(open(trust).list().snapshots()).as("bit %d", bit).isEmpty();
        }
    }

    @Test
    @DisplayName("S55: where signatures are required and nobody can sign, nothing is saved that could never be restored")
    void nobodyToSign() throws Exception {
        SnapshotStore store = open(Trust
                .load(new TrustSettings("tenant", true, keys.file("trusted"), null, null)));

        assertThatExceptionOfType(TrustFailedException.class).isThrownBy(() -> save(store, Compression.None))
                .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.SignatureMissing))
                .withMessageContaining("mount a signing key");
        assertThat(disk.tree()).containsExactlyInAnyOrder("packs/", "snapshots/", "intents/", "trash/");
    }

    /** With a check line that fits. */
    private static byte[] checked(String manifest) {
        String head = manifest.substring(0, manifest.lastIndexOf(",\n"));
        var crc = new CRC32C();
        crc.update(head.getBytes(StandardCharsets.UTF_8));
        return "%s,\n  \"check\" : \"crc32c:%08x\"\n}\n".formatted(head, (int) crc.getValue())
                .getBytes(StandardCharsets.UTF_8);
    }

    @Test
    @DisplayName("S50: who forges a chunk and keeps its checksum passes unsigned, and never where signatures are required")
    void forgedChunk() throws Exception {
        Trust trust = trust("2026", false);
        Snapshot saved = save(open(trust), Compression.None);
        Chunk chunk = chunks(saved).stream().filter(c -> c.rawLength() == 4096).findFirst().orElseThrow();
        String path = VolumePaths.pack(saved.manifest().packs().get(chunk.pack()).id());
        byte[] pack = disk.read(path, 1 << 20);
        byte[] forged = forge(Arrays.copyOfRange(pack, (int) chunk.offset(), (int) chunk.offset() + 4096));
        System.arraycopy(forged, 0, pack, (int) chunk.offset(), 4096);
        disk.replace(path, pack);

        try (var task = open(Trust.OFF).restore(saved, target, options(Verification.Crc))) {
            task.await(null);
        }
        assertThat(refusal(Trust.OFF, saved, Verification.Digest).fault()).isEqualTo(Fault.ChecksumMismatch);
        assertThat(refusal(trust, saved, Verification.None)).hasMessageContaining("not what its digest says");
        assertThat(target.usedBytes()).isZero();
    }

    /** Other bytes with the same CRC: the last four are what makes up for the change, found by Gaussian elimination. */
    private static byte[] forge(byte[] chunk) {
        int wanted = crc(chunk);
        byte[] forged = chunk.clone();
        forged[0] ^= 0x55;
        Arrays.fill(forged, chunk.length - 4, chunk.length, (byte) 0);
        int base = crc(forged);
        long[] rows = new long[32];
        for (int bit = 0; bit < 32; bit++) {
            forged[chunk.length - 4 + bit / 8] ^= (byte) (1 << bit % 8);
            rows[bit] = (crc(forged) ^ base) & 0xffffffffL | 1L << 32 + bit;
            forged[chunk.length - 4 + bit / 8] ^= (byte) (1 << bit % 8);
        }
        long rest = (wanted ^ base) & 0xffffffffL;
        for (int column = 0; column < 32; column++) {
            int pivot = column;
            while ((rows[pivot] >>> column & 1) == 0) {
                pivot++;
            }
            long row = rows[pivot];
            rows[pivot] = rows[column];
            rows[column] = row;
            for (int other = column + 1; other < 32; other++) {
                if ((rows[other] >>> column & 1) == 1) {
                    rows[other] ^= row;
                }
            }
            if ((rest >>> column & 1) == 1) {
                rest ^= row;
            }
        }
        int patch = (int) (rest >>> 32);
        for (int bit = 0; bit < 32; bit++) {
            forged[chunk.length - 4 + bit / 8] ^= (byte) ((patch >>> bit & 1) << bit % 8);
        }
        assertThat(crc(forged)).isEqualTo(wanted);
        assertThat(forged).isNotEqualTo(chunk);
        return forged;
    }

    private static int crc(byte[] bytes) {
        var crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    @Test
    @DisplayName("S50: without the key, with another one, or on another tenant's volume, encrypted snapshots stay shut")
    void wrongKeys() throws Exception {
        Trust trust = trust(null, true);
        Snapshot saved = save(open(trust), Compression.Zstd);

        assertThat(refusal(Trust.OFF, saved, Verification.Crc).fault()).isEqualTo(Fault.KeyMissing);
        assertThat(refusal(keys.trust("other-tenant", null, true), saved, Verification.Crc).fault())
                .isEqualTo(Fault.WrongKey);
        assertThat(refusal(keys.wrapping("k1", 9).trust("tenant", null, true), saved, Verification.Crc).fault())
                .isEqualTo(Fault.WrongKey);
        assertThat(refusal(keys.forget("k1").wrapping("k2", 1).trust("tenant", null, true), saved, Verification.Crc))
                .hasMessageContaining("add that key to the Secret")
                .extracting(RestoreException::fault)
                .isEqualTo(Fault.KeyMissing);
        assertThatExceptionOfType(TrustFailedException.class)
                .isThrownBy(() -> save(open(keys.trust("tenant", null, true)), Compression.None))
                .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.KeyMissing));
        assertThat(open(trust).list().snapshots()).containsExactly(saved);

        disk.delete(VolumePaths.key(saved.manifest().dataKey()));
        assertThat(refusal(trust, saved, Verification.Crc)).hasMessageContaining("not on the volume");
        assertThat(target.usedBytes()).isZero();
    }

    @Test
    @DisplayName("S49, S50: an encrypted chunk in another's place is caught, its table and checksums made to fit")
    void swappedChunks() throws Exception {
        Trust trust = trust(null, true);
        Snapshot saved = save(open(trust), Compression.None);
        List<Chunk> chunks = chunks(saved);
        int a = 1;
        int b = 2;
        assertThat(chunks.get(a).rawLength()).isEqualTo(chunks.get(b).rawLength());
        byte[] table = disk.read(VolumePaths.chunkTable(saved.id()), 1 << 20);
        // Everything but the identity: place and checksum of the other one.
        for (int at : new int[]{8, 9, 10, 11, 24, 25, 26, 27}) {
            byte swapped = table[64 + a * 64 + at];
            table[64 + a * 64 + at] = table[64 + b * 64 + at];
            table[64 + b * 64 + at] = swapped;
        }
        disk.replace(VolumePaths.chunkTable(saved.id()), table);
        String path = VolumePaths.manifest(saved.id());
        String manifest = new String(disk.read(path, 1 << 20), StandardCharsets.UTF_8);
        disk.replace(path, checked(manifest.replaceAll("\"crc32c\" : \"[0-9a-f]{8}\"",
                "\"crc32c\" : \"%08x\"".formatted(crc(table)))));

        SnapshotStore store = open(trust);
        Snapshot forged = store.newest(SampleModel.KEY).orElseThrow();

        RestoreException refusal = refusal(trust, forged, Verification.Crc);
        assertThat(refusal.fault()).isEqualTo(Fault.AuthenticationFailed);
        assertThat(refusal.fault().damage()).isTrue();
        assertThat(store.verify(forged.id(), 1).problems()).hasSize(2);
    }

    @Test
    @DisplayName("S50: once encryption is on, a plain snapshot is refused: it might be anybody's")
    void plainSnapshots() throws Exception {
        Snapshot plain = save(open(Trust.OFF), Compression.None);

        SnapshotStore store = open(trust(null, true));

        assertThat(store.newest(SampleModel.KEY)).isEmpty();
        assertThat(store.list().refused()).singleElement()
                .extracting(Refusal::id, Refusal::reason)
                .containsExactly(plain.id(), Fault.NotEncrypted.name());
        // It still is a snapshot: its packs are not taken away.
        store.collect(CollectOptions.local());
        assertThat(open(Trust.OFF).verify(plain.id(), 1).intact()).isTrue();
    }

    @Test
    @DisplayName("Rotating the Secret wraps the volume's key anew and changes no chunk; two first savers' keys are both good")
    void rotation() throws Exception {
        Snapshot saved = save(open(trust(null, true)), Compression.None);
        String key = VolumePaths.key(saved.manifest().dataKey());
        String pack = VolumePaths.pack(saved.manifest().packs().getFirst().id());
        byte[] before = disk.read(pack, 1 << 20);
        assertThat(new String(disk.read(key, 4096), StandardCharsets.UTF_8)).startsWith("dormouse-volume-key-v1 k1 ");

        open(keys.wrapping("k2", 2).trust("tenant", null, true));

        assertThat(new String(disk.read(key, 4096), StandardCharsets.UTF_8)).startsWith("dormouse-volume-key-v1 k2 ");
        assertThat(disk.read(pack, 1 << 20)).isEqualTo(before);
        assertThat(disk.tree()).noneMatch(path -> path.endsWith(".tmp"));
        SnapshotStore rotated = open(keys.forget("k1").trust("tenant", null, true));
        assertRestores(rotated, saved);

        byte[] text = disk.read(key, 4096);
        disk.delete(key);
        Snapshot other = save(rotated(), Compression.None);
        disk.create(key).write(java.nio.ByteBuffer.wrap(text), 0);
        assertThat(other.manifest().dataKey()).isNotEqualTo(saved.manifest().dataKey());
        assertRestores(rotated(), saved);
        assertRestores(rotated(), other);
    }

    private SnapshotStore rotated() throws Exception {
        return open(keys.trust("tenant", null, true));
    }

    private List<Chunk> chunks(Snapshot snapshot) throws Exception {
        ChunkTable table = ChunkTable.read("table", disk.read(VolumePaths.chunkTable(snapshot.id()), 1 << 20),
                snapshot.manifest(), true);
        var chunks = new java.util.ArrayList<Chunk>();
        for (int i = 0; i < table.size(); i++) {
            if (table.chunk(i).codec() != Codec.Zero) {
                chunks.add(table.chunk(i));
            }
        }
        return chunks;
    }

    private RestoreException refusal(Trust trust, Snapshot snapshot, Verification verification) {
        var refusal = catchThrowableOfType(RestoreException.class, () -> {
            try (var task = open(trust).restore(snapshot, target, options(verification))) {
                task.await(null);
            }
        });
        assertThat(refusal).isNotNull();
        return refusal;
    }

    private void assertRestores(SnapshotStore store, Snapshot snapshot) throws Exception {
        try (var task = store.restore(snapshot, target, options(Verification.Crc))) {
            task.await(null);
            Map<String, byte[]> restored = SampleModel.restored(task, target);
            model.contents().forEach((name, content) -> assertThat(restored.get(name)).as(name).isEqualTo(content));
        }
    }

    private static RestoreOptions options(Verification verification) {
        return new RestoreOptions(verification, 2);
    }

    private Trust trust(@Nullable String signer, boolean encrypted) throws Exception {
        return keys.trust("tenant", signer, encrypted);
    }

    private Snapshot save(SnapshotStore store, Compression compression) throws Exception {
        return store.save(model.request(CLOCK.instant()), model.device(),
                new SaveOptions(compression, 3, Set.of(BufferType.Weights), 4096, 2, true), ProgressListener.NONE);
    }

    private SnapshotStore open(Trust trust) throws Exception {
        return SnapshotStore.open(disk, Writer.inPod("pod"), CLOCK, SnapshotFormat.MAX_PACK_BYTES, trust);
    }
}

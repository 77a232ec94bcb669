package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.store.SaveRequest.SavedFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SnapshotStoreTest {
    private static final Instant NOW = Instant.parse("2026-11-21T10:15:30.123456Z");
    private static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);
    private static final Set<BufferType> WEIGHTS = Set.of(BufferType.Weights);

    @TempDir
    Path scratch;
    @TempDir
    Path volume;
    private SnapshotStore store;
    private SampleModel model;
    private final HostDevice target = new HostDevice(1 << 30);

    @BeforeEach
    void open() throws IOException {
        store = SnapshotStore.open(volume, Writer.inPod("pod"), CLOCK);
        model = new SampleModel(scratch, 1);
    }

    @AfterEach
    void close() {
        model.close();
        target.close();
    }

    @ParameterizedTest
    @EnumSource(Compression.class)
    @DisplayName("S26, S31, S52, S66: buffers and files come back, compressed or not; empty, zero, unaligned and unicode-named ones too")
    void whatWasSavedComesBack(Compression compression) throws Exception {
        Allocation shared = model.allocation(BufferType.Weights, model.random(50_001));
        model.buffer("weights", BufferType.Weights, model.random(100_000))
                .buffer("zeros", BufferType.Weights, new byte[50_000])
                .buffer("empty", BufferType.Weights, new byte[0])
                .buffer("größe/权重/🐁", BufferType.Weights, "weights ".repeat(4_000).getBytes(StandardCharsets.UTF_8))
                .buffer("first", shared, 0, SampleModel.bytes(model.device(), shared, 0, 16_385))
                .buffer("tied to first", shared, 0, SampleModel.bytes(model.device(), shared, 0, 16_385))
                .buffer("last byte", shared, 50_000, SampleModel.bytes(model.device(), shared, 50_000, 1))
                .file("tokenizer/tokenizer.json", model.random(40_000))
                .file("empty.bin", new byte[0]);

        Snapshot saved = save(options(compression, WEIGHTS), NOW);
        Snapshot found = store.newest(SampleModel.KEY).orElseThrow();

        assertThat(found).isEqualTo(saved);
        assertThat(found.rawBytes()).isEqualTo(100_000 + 50_000 + 1 + 32_000 + 50_001 + 40_000);
        assertRestores(found, model.contents());
        assertThat(target.usedBytes()).isZero();
    }

    @Test
    @DisplayName("S66: a snapshot of nothing at all")
    void nothing() throws Exception {
        Snapshot saved = save(options(Compression.None, WEIGHTS), NOW);

        assertThat(saved.rawBytes()).isZero();
        assertThat(saved.manifest().packs()).isEmpty();
        assertRestores(saved, Map.of());
    }

    @Test
    @DisplayName("S11, S17, S42: weights are saved, other types when asked for")
    void types() throws Exception {
        model.buffer("weights", BufferType.Weights, model.random(1024))
                .buffer("kv_cache", BufferType.KvCache,
                        model.random(512));

        Snapshot weights = save(options(Compression.None, WEIGHTS), NOW);
        Snapshot both = save(options(Compression.None, Set.of(BufferType.Weights, BufferType.KvCache)), NOW);

        assertThat(weights.buffers()).extracting(BufferMeta::name).containsExactly("weights");
        assertThat(weights.rawBytes()).isEqualTo(1024);
        assertThat(both.buffers()).extracting(BufferMeta::name).containsExactly("weights", "kv_cache");
        assertThat(both.rawBytes()).isEqualTo(1536);
        assertRestores(both, model.contents());
    }

    @Test
    @DisplayName("S17, S21: a restore of one type brings that type and the files, and takes no memory for the rest")
    void partialRestore() throws Exception {
        model.buffer("weights", BufferType.Weights, model.random(40_000))
                .buffer("kv_cache", BufferType.KvCache, model.random(20_000))
                .file("f", model.random(10));
        Snapshot both = save(options(Compression.Zstd, Set.of(BufferType.Weights, BufferType.KvCache)), NOW);

        var options = new RestoreOptions(Verification.Crc, 2, Set.of(BufferType.KvCache));
        try (var task = store.restore(both, target, options)) {
            task.await(null);
            assertThat(SampleModel.restored(task, target)).containsOnlyKeys("kv_cache", "f")
                    .containsEntry("kv_cache", model.contents().get("kv_cache"));
            assertThat(target.usedBytes()).isEqualTo(20_000);
        }
    }

    @ParameterizedTest
    @CsvSource({"bf16,0.70", "f32,0.90", "u8,1.0", "i64,1.0"})
    @DisplayName("S52: numbers of two and four bytes are stored by plane, whatever engines call their type")
    void planes(String dtype, double most) throws Exception {
        byte[] numbers = model.random(200_000);
        int width = dtype.equals("f32") ? 4 : 2;
        for (int i = width - 1; i < numbers.length; i += width) {
            numbers[i] = (byte) (0x3c + (numbers[i] & 3));
        }
        Allocation allocation = model.allocation(BufferType.Weights, numbers);
        model.buffer("w", allocation, 0, numbers, dtype);

        Snapshot saved = save(options(Compression.Zstd, WEIGHTS), NOW);

        assertRestores(saved, model.contents());
        assertThat((double) saved.storedBytes() / saved.rawBytes()).isLessThanOrEqualTo(most);
        model.buffer("other", allocation, 0, SampleModel.bytes(model.device(), allocation, 0, 8), "i64");
        assertThat(save(full(Compression.Zstd), NOW).storedBytes()).as("types of several widths are no numbers")
                .isGreaterThanOrEqualTo(saved.storedBytes());
    }

    @Test
    @DisplayName("S16, S27, S30: zeros take no room, zstd saves room where there is something to save, and both sizes are told")
    void sizes() throws Exception {
        byte[] text = "weights ".repeat(16_384).getBytes(StandardCharsets.UTF_8);
        model.buffer("text", BufferType.Weights, text)
                .buffer("noise", BufferType.Weights, model.random(64 << 10))
                .buffer("zeros", BufferType.Weights, new byte[1 << 20]);

        Snapshot raw = save(full(Compression.None), NOW);
        Snapshot zstd = save(full(Compression.Zstd), NOW);

        long all = text.length + (64L << 10) + (1L << 20);
        assertThat(raw.rawBytes()).isEqualTo(all);
        assertThat(raw.storedBytes()).isEqualTo(text.length + (64 << 10));
        assertThat(zstd.rawBytes()).isEqualTo(all);
        assertThat(zstd.storedBytes()).isBetween((64L << 10) + 1, (64L << 10) + 4_000);
    }

    @Test
    @DisplayName("S13, S22: equal weights have equal digests, whatever lies beside them")
    void weightsDigest() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(30_000));
        Snapshot alone = save(options(Compression.None, WEIGHTS), NOW);
        model.file("f", model.random(10));
        Snapshot withFile = save(options(Compression.Zstd, WEIGHTS), NOW);
        model.buffer("v", BufferType.Weights, model.random(1));
        Snapshot others = save(options(Compression.None, WEIGHTS), NOW);

        assertThat(alone.manifest().weightsDigest()).isEqualTo(withFile.manifest().weightsDigest())
                .isNotEqualTo(others.manifest().weightsDigest())
                .matches("blake3:[0-9a-f]{64}");
    }

    @Test
    void aSaveThatFillsAPackBeginsTheNext() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(200_000));
        SnapshotStore small = SnapshotStore.open(new DiskFiles(volume), Writer.inPod("pod"), CLOCK, 64 << 10);

        Snapshot saved = small.save(model.request(NOW), model.device(), options(Compression.None, WEIGHTS),
                ProgressListener.NONE);

        assertThat(saved.manifest().packs()).hasSizeGreaterThan(3)
                .allSatisfy(pack -> assertThat(pack.bytes()).isLessThanOrEqualTo(64 << 10));
        assertRestores(saved, model.contents());
    }

    @Test
    @DisplayName("S56: the newest by time wins, the id decides between equals, other keys do not count")
    void newest() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(100));
        assertThat(store.newest(SampleModel.KEY)).isEmpty();
        Snapshot first = save(options(Compression.None, WEIGHTS), NOW);
        Snapshot older = save(options(Compression.None, WEIGHTS), NOW.minusSeconds(60));
        Snapshot twin = save(options(Compression.None, WEIGHTS), NOW);
        SaveRequest other = new SaveRequest("other-key", Map.of(), NOW.plusSeconds(60), List.of(), List.of());
        store.save(other, model.device(), options(Compression.None, WEIGHTS), ProgressListener.NONE);

        Snapshot expected = first.id().compareTo(twin.id()) > 0 ? first : twin;
        assertThat(store.newest(SampleModel.KEY)).contains(expected);
        assertThat(store.list().snapshots()).extracting(Snapshot::createdAt).isSorted();
        assertThat(store.list().snapshots()).contains(first, older, twin).hasSize(4);
    }

    @Test
    @DisplayName("S57, S65: what is on the volume counts, not what this process did")
    void anotherProcessSeesIt() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(100));
        Snapshot saved = save(options(Compression.None, WEIGHTS), NOW);

        SnapshotStore other = SnapshotStore.open(volume, Writer.inPod("other"), CLOCK);

        assertThat(other.newest(SampleModel.KEY)).contains(saved);
        other.delete(saved.id());
        assertThat(store.newest(SampleModel.KEY)).isEmpty();
    }

    @Test
    @DisplayName("S32: a snapshot in quarantine is never offered again, keeps its first reason and its bytes")
    void quarantine() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(100));
        Snapshot good = save(options(Compression.None, WEIGHTS), NOW.minusSeconds(1));
        Snapshot bad = save(options(Compression.None, WEIGHTS), NOW);

        store.quarantine(bad.id(), "ChecksumMismatch", "packs/x.pack at 4096: …");
        store.quarantine(bad.id(), "Other", "later");

        assertThat(store.newest(SampleModel.KEY)).contains(good);
        assertThat(store.list().refused())
                .containsExactly(new Refusal(bad.id(), "ChecksumMismatch", "packs/x.pack at 4096: …"));
        assertThat(volume.resolve("packs").resolve(bad.manifest().packs().getFirst().id() + ".pack")).exists();
    }

    @Test
    void aQuarantineMarkThatCannotBeReadStillCounts() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(100));
        Snapshot bad = save(options(Compression.None, WEIGHTS), NOW);

        Files.writeString(volume.resolve("snapshots").resolve(bad.id()).resolve("quarantined.json"), "{");

        assertThat(store.newest(SampleModel.KEY)).isEmpty();
        assertThat(store.list().refused()).extracting(Refusal::reason).containsExactly("Quarantined");
    }

    @Test
    @DisplayName("S38: deleting forgives unknown ids, and a collection takes the packs")
    void delete() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(100));
        Snapshot saved = save(options(Compression.None, WEIGHTS), NOW);

        store.delete(saved.id());
        store.delete(saved.id());

        assertThat(store.list().snapshots()).isEmpty();
        assertThat(store.collect(CollectOptions.local()).unlinkedPacks()).isEqualTo(1);
        assertThat(filesOnVolume()).isEmpty();
    }

    @Test
    @DisplayName("S54: ids that lead elsewhere are refused before anything is touched")
    void hostileIds() {
        assertThatIllegalArgumentException().isThrownBy(() -> store.delete("../../etc"));
        assertThatIllegalArgumentException().isThrownBy(() -> store.quarantine("../x", "a", "b"));
    }

    @Test
    @DisplayName("S54: a symbolic link on the volume is not followed")
    void symbolicLinks() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(100));
        Snapshot saved = save(options(Compression.None, WEIGHTS), NOW);
        Path folder = volume.resolve("snapshots").resolve(saved.id());
        Path elsewhere = scratch.resolve("elsewhere");
        Files.move(folder, elsewhere);
        Files.createSymbolicLink(folder, elsewhere);

        assertThatIOException().isThrownBy(() -> store.list()).withMessageContaining("symbolic link");

        Files.delete(folder);
        Files.move(elsewhere, folder);
        Path pack = volume.resolve("packs").resolve(saved.manifest().packs().getFirst().id() + ".pack");
        Files.move(pack, elsewhere);
        Files.createSymbolicLink(pack, elsewhere);
        assertThatExceptionOfType(dev.dormouse.sidecar.pipeline.RestoreException.class)
                .isThrownBy(() -> store.restore(saved, target, RestoreOptions.verified()));
    }

    @Test
    void foldersThatAreNoSnapshotsAreLeftAlone() throws Exception {
        Files.createDirectories(volume.resolve("snapshots/lost+found"));
        Files.createDirectories(volume.resolve("snapshots/20261121t101530123z-9f86d081884c7d65"));
        Files.writeString(volume.resolve("intents/README"), "x");

        SnapshotStore again = SnapshotStore.open(volume, Writer.inPod("pod"), CLOCK);

        assertThat(again.list().snapshots()).isEmpty();
        assertThat(again.list().refused()).isEmpty();
        assertThat(volume.resolve("snapshots/lost+found")).exists();
        assertThat(volume.resolve("intents/README")).exists();
    }

    @Test
    @DisplayName("S20: a request that breaks the rules writes nothing")
    void invalidRequests() throws Exception {
        byte[] content = model.random(100);
        model.buffer("w", BufferType.Weights, content).file("w", content);

        assertThatExceptionOfType(InvalidSnapshotException.class)
                .isThrownBy(() -> save(options(Compression.None, WEIGHTS), NOW))
                .satisfies(e -> assertThat(e.fault()).isEqualTo(Fault.DuplicateName))
                .withMessage("files[0].name: 'w' is the name of another buffer or file");
        assertThatExceptionOfType(InvalidSnapshotException.class).isThrownBy(() -> store.save(
                new SaveRequest("../key", Map.of(), NOW, List.of(), List.of()), model.device(),
                options(Compression.None, WEIGHTS), ProgressListener.NONE)).withMessageStartingWith("key:");
        assertThat(filesOnVolume()).isEmpty();
    }

    @Test
    void aFileThatIsGoneFailsTheSaveAndLeavesNothing() throws Exception {
        var request = new SaveRequest(SampleModel.KEY, Map.of(), NOW, List.of(),
                List.of(new SavedFile("f", scratch.resolve("gone"))));

        assertThatIOException().isThrownBy(() -> store.save(request, model.device(),
                options(Compression.None, WEIGHTS), ProgressListener.NONE)).withMessageContaining("gone");
        assertThat(filesOnVolume()).isEmpty();
    }

    @Test
    @DisplayName("S3: the level is checked")
    void levels() {
        assertThatIllegalArgumentException().isThrownBy(() -> SaveOptions.of(Compression.Zstd, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> SaveOptions.of(Compression.Zstd, 23));
        assertThat(SaveOptions.of(Compression.Zstd, 22).chunkBytes()).isEqualTo(SnapshotFormat.DEFAULT_CHUNK_BYTES);
    }

    @Test
    @DisplayName("S61: a save tells how far it is")
    void progress() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(200_000));
        var most = new AtomicLong();

        store.save(model.request(NOW), model.device(), options(Compression.None, WEIGHTS), (bytes, total) -> {
            assertThat(total).isEqualTo(200_000);
            most.accumulateAndGet(bytes, Math::max);
        });

        assertThat(most).hasValue(200_000);
    }

    @Test
    @DisplayName("S59: every entry of the compatibility key that differs is named")
    void mismatches() throws Exception {
        Snapshot saved = save(options(Compression.None, WEIGHTS), NOW);

        assertThat(saved.mismatches(Map.of("engine", "sample 1"))).isEmpty();
        assertThat(saved.mismatches(Map.of("engine", "sample 2", "dtype", "bf16"))).containsExactly(
                "dtype: snapshot has unset, engine has bf16", "engine: snapshot has sample 1, engine has sample 2");
    }

    @Test
    @DisplayName("S62: two pods saving to one volume at once do not hurt each other")
    void twoWriters() throws Exception {
        model.buffer("w", BufferType.Weights, model.random(500_000));
        var threads = Stream.of("a", "b", "c").map(pod -> Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 5; i++) {
                try {
                    SnapshotStore.open(volume, Writer.inPod(pod), CLOCK)
                            .save(model.request(NOW), model.device(),
                                    options(Compression.Zstd, WEIGHTS), ProgressListener.NONE);
                } catch (IOException | InvalidSnapshotException e) {
                    throw new AssertionError(e);
                }
            }
        })).toList();
        for (Thread thread : threads) {
            thread.join();
        }

        assertThat(store.list().snapshots()).hasSize(15);
        for (Snapshot snapshot : store.list().snapshots()) {
            assertRestores(snapshot, model.contents());
        }
    }

    private Snapshot save(SaveOptions options, Instant createdAt) throws Exception {
        return store.save(model.request(createdAt), model.device(), options, ProgressListener.NONE);
    }

    /** Written out, whatever the volume holds already. */
    private static SaveOptions full(Compression compression) {
        return new SaveOptions(compression, 3, WEIGHTS, 16 << 10, 2, false);
    }

    private static SaveOptions options(Compression compression, Set<BufferType> types) {
        return new SaveOptions(compression, 3, types, 16 << 10, 2, true);
    }

    private void assertRestores(Snapshot snapshot, Map<String, byte[]> contents) throws Exception {
        try (var task = store.restore(snapshot, target, RestoreOptions.verified())) {
            task.await(null);
            Map<String, byte[]> restored = SampleModel.restored(task, target);
            assertThat(restored.keySet()).containsExactlyInAnyOrderElementsOf(contents.keySet());
            contents.forEach(
                    (name, content) -> assertThat(Arrays.equals(restored.get(name), content)).as(name).isTrue());
            assertThat(task.done().join().percent()).isEqualTo(100);
        }
    }

    private List<Path> filesOnVolume() throws IOException {
        try (Stream<Path> files = Files.walk(volume)) {
            return files.filter(file -> !Optional.of(volume).equals(Optional.ofNullable(file.getParent()))
                    && !file.equals(volume)).toList();
        }
    }
}

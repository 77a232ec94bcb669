package dev.dormouse.sidecar.store;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Incremental saves share packs; what nobody shares any more is freed, and nothing else. */
class CollectTest {
    private static final Instant NOW = Instant.parse("2026-11-21T10:15:30Z");
    private static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);
    private static final int CHUNK = 4096;
    private static final SaveOptions OPTIONS = new SaveOptions(Compression.None, 3, Set.of(BufferType.Weights), CHUNK,
            1, true);

    @TempDir
    Path scratch;
    private final LossyFiles disk = new LossyFiles();
    private SnapshotStore store;
    private byte[] weights;

    @BeforeEach
    void open() throws IOException {
        store = openAs("pod", "1");
        try (var model = new SampleModel(scratch, 1)) {
            weights = model.random(20 * CHUNK);
        }
    }

    @AfterEach
    void whatIsListedIsIntact() throws Exception {
        for (Snapshot snapshot : store.list().snapshots()) {
            assertThat(store.verify(snapshot.id(), 1).problems()).isEmpty();
        }
    }

    @Test
    @DisplayName("S4: what the volume holds is referred to; only the changed chunk is written, and everything comes back")
    void incremental() throws Exception {
        Snapshot full = save(weights, 0);
        long before = packBytes();
        Snapshot changed = save(with(weights, 7), 1);

        assertThat(packBytes() - before).isEqualTo(3L * CHUNK);
        assertThat(changed.manifest().packs()).extracting(PackEntry::id)
                .containsExactlyInAnyOrder(full.manifest().packs().getFirst().id(),
                        changed.id() + "-0000");
        assertThat(changed.storedBytes()).isEqualTo(full.storedBytes());
        assertThat(restored(changed)).isEqualTo(with(weights, 7));
        assertThat(restored(full)).isEqualTo(weights);
    }

    @Test
    @DisplayName("S4: an unchanged model writes no pack at all")
    void unchanged() throws Exception {
        Snapshot first = save(weights, 0);
        Snapshot again = save(weights, 1);

        assertThat(again.manifest().packs()).isEqualTo(first.manifest().packs());
        store.delete(first.id());
        assertThat(store.collect(CollectOptions.local()).unlinkedPacks()).isZero();
        assertThat(restored(again)).isEqualTo(weights);
    }

    @Test
    @DisplayName("S4: equal chunks within one model are stored once")
    void duplicatesWithinASave() throws Exception {
        byte[] repeated = new byte[20 * CHUNK];
        for (int i = 0; i < 20; i++) {
            System.arraycopy(weights, 0, repeated, i * CHUNK, CHUNK);
        }

        Snapshot saved = save(repeated, 0);

        assertThat(packBytes()).isEqualTo(3L * CHUNK);
        assertThat(restored(saved)).isEqualTo(repeated);
    }

    @Test
    @DisplayName("S32: chunks of a snapshot in quarantine are written anew, those of others in its packs too")
    void suspectPacksAreNotReferredTo() throws Exception {
        Snapshot first = save(weights, 0);
        Snapshot second = save(with(weights, 3), 1);
        store.quarantine(second.id(), "ChecksumMismatch", "…");

        Snapshot third = save(weights, 2);

        assertThat(third.manifest().packs()).doesNotContainAnyElementsOf(first.manifest().packs());
    }

    @Test
    @DisplayName("S57: packs go with the last snapshot that needs them")
    void unlink() throws Exception {
        Snapshot first = save(weights, 0);
        Snapshot second = save(with(weights, 7), 1);
        store.delete(second.id());

        CollectReport report = store.collect(CollectOptions.local());

        assertThat(report.unlinkedPacks()).isEqualTo(1);
        assertThat(report.freedBytes()).isEqualTo(3L * CHUNK);
        assertThat(restored(first)).isEqualTo(weights);
        store.delete(first.id());
        assertThat(store.collect(CollectOptions.local()).unlinkedPacks()).isEqualTo(1);
        assertThat(disk.tree()).containsExactly("intents/", "packs/", "snapshots/", "trash/");
    }

    @Test
    @DisplayName("A pack of which less than half is needed is rewritten in its place; twice does nothing")
    void compact() throws Exception {
        Snapshot first = save(weights, 0);
        byte[] other = with(weights, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
        Snapshot second = save(other, 1);
        store.delete(first.id());

        CollectReport report = store.collect(CollectOptions.local());

        assertThat(report.rewrittenPacks()).isEqualTo(1);
        assertThat(report.freedBytes()).isEqualTo(12L * CHUNK);
        assertThat(restored(second)).isEqualTo(other);
        assertThat(store.collect(CollectOptions.local()).rewrittenPacks()).isZero();
        assertThat(restored(save(weights, 2))).as("chunks that went are written again").isEqualTo(weights);
    }

    @Test
    @DisplayName("S62: what a save under way refers to is not unlinked; it is put back when the save publishes it")
    void aSaveUnderWayKeepsWhatItRefersTo() throws Exception {
        Snapshot first = save(weights, 0);
        SnapshotStore other = openAs("other", "1");
        // The other pod has read its index and checked its packs; now the snapshot goes, and a collection runs.
        disk.failWith((step, operation) -> {
            if (operation.endsWith("manifest.json.tmp") && operation.startsWith("rename")) {
                disk.failWith((now, what) -> {
                });
                store.delete(first.id());
                CollectReport report = collect();
                assertThat(report.unlinkedPacks()).isZero();
                assertThat(report.waitingFor()).singleElement().asString().contains("~other~");
            }
        });
        Snapshot second = saveTo(other, weights, 1);

        assertThat(disk.tree()).contains("trash/" + first.id() + "-0000.pack");
        assertThat(restored(second)).as("restored from the trash").isEqualTo(weights);
        assertThat(store.collect(CollectOptions.local()).keptPacks()).isEqualTo(1);
        assertThat(restored(second)).isEqualTo(weights);
    }

    @Test
    @DisplayName("S62: a save that finds a pack in the trash when it publishes fails, and the next one succeeds")
    void aSaveThatComesTooLateFails() throws Exception {
        Snapshot first = save(weights, 0);
        SnapshotStore other = openAs("other", "1");
        disk.failWith((step, operation) -> {
            if (operation.startsWith("create snapshots/") && operation.endsWith("chunks.tbl")) {
                disk.failWith((now, what) -> {
                });
                store.delete(first.id());
                collect();
            }
        });

        assertThat(catchThrowable(() -> saveTo(other, weights, 1)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("save again");
        assertThat(restored(saveTo(other, weights, 2))).isEqualTo(weights);
    }

    @Test
    @DisplayName("S62: a restore under way keeps its packs, also when its snapshot is deleted")
    void aRestoreUnderWayKeepsItsPacks() throws Exception {
        Snapshot first = save(weights, 0);
        var gate = new CountDownLatch(1);
        try (var device = new GatedDevice(new HostDevice(1 << 20), gate);
                var task = openAs("other", "1").restore(first, device, RestoreOptions.verified())) {
            store.delete(first.id());

            CollectReport report;
            try {
                report = store.collect(CollectOptions.local());
            } finally {
                gate.countDown();
            }

            assertThat(report.waitingFor()).singleElement().asString().contains("~restore~");
            task.await(null);
        }
        assertThat(store.collect(CollectOptions.local()).unlinkedPacks()).isEqualTo(1);
    }

    @Test
    @DisplayName("Waiting ends when those that are waited for have ended, or their pods are gone")
    void waiting() throws Exception {
        Snapshot first = save(weights, 0);
        store.delete(first.id());
        var other = new Intents(disk, new Writer("other", "1"), CLOCK);
        Intent saving = other.announce(Intent.Kind.Save, "20261121t101531000z-00000000000000aa");

        assertThat(store.collect(CollectOptions.local()).unlinkedPacks()).isZero();
        CollectReport waited = store.collector(new CollectOptions(Duration.ZERO, Duration.ofMinutes(1), Set.of()),
                time -> {
                    try {
                        other.strike(saving);
                    } catch (IOException e) {
                        throw new AssertionError(e);
                    }
                }).collect();
        assertThat(waited.unlinkedPacks()).isEqualTo(1);
    }

    @Test
    @DisplayName("What a pod that is gone had announced is not waited for, and its unfinished save is removed")
    void gonePods() throws Exception {
        save(weights, 0);
        SnapshotStore other = openAs("other", "1");
        disk.cutPowerAt(12);
        try {
            saveTo(other, with(weights, 1, 2, 3), 1);
        } catch (LossyFiles.PowerCut expected) {
            disk.failWith((step, operation) -> {
            });
        }
        assertThat(disk.tree()).anyMatch(path -> path.startsWith("intents/2"));

        store.collect(new CollectOptions(Duration.ZERO, Duration.ZERO, Set.of("other")));

        assertThat(disk.tree()).noneMatch(path -> path.startsWith("intents/2"))
                .filteredOn(path -> path.startsWith("packs/2"))
                .hasSize(1);
    }

    @Test
    @DisplayName("S60: beside a snapshot of a newer version nothing is collected")
    void newerVersions() throws Exception {
        Snapshot newer = save(weights, 0);
        String path = VolumePaths.manifest(newer.id());
        String text = new String(disk.read(path, 1 << 20), UTF_8)
                .replace("\"formatVersion\" : 2", "\"formatVersion\" : 3");
        disk.replace(path, rechecked(text));
        store.delete(save(with(weights, 1), 1).id());

        CollectReport report = store.collect(CollectOptions.local());

        assertThat(report.refused()).containsExactly(newer.id());
        assertThat(report.unlinkedPacks()).isZero();
    }

    private CollectReport collect() throws IOException {
        try {
            return store.collect(CollectOptions.local());
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private SnapshotStore openAs(String pod, String instance) throws IOException {
        return SnapshotStore.open(disk, new Writer(pod, instance), CLOCK, SnapshotFormat.MAX_PACK_BYTES);
    }

    private Snapshot save(byte[] content, int second) throws Exception {
        return saveTo(store, content, second);
    }

    private Snapshot saveTo(SnapshotStore to, byte[] content, int second) throws Exception {
        try (var model = new SampleModel(scratch, 2)) {
            return to.save(model.buffer("w", BufferType.Weights, content).request(NOW.plusSeconds(second)),
                    model.device(), OPTIONS, ProgressListener.NONE);
        }
    }

    private byte[] restored(Snapshot snapshot) throws Exception {
        try (var device = new HostDevice(1 << 20);
                var task = store.restore(snapshot, device, RestoreOptions.verified())) {
            task.await(null);
            return SampleModel.restored(task, device).getOrDefault("w", new byte[0]);
        }
    }

    private long packBytes() throws IOException {
        long bytes = 0;
        for (String name : disk.list("packs")) {
            bytes += disk.open("packs/" + name).size();
        }
        return bytes;
    }

    private static byte[] with(byte[] content, int... changedChunks) {
        byte[] changed = Arrays.copyOf(content, content.length);
        for (int chunk : changedChunks) {
            changed[chunk * CHUNK] ^= 1;
        }
        return changed;
    }

    /** The check that fits an edited manifest. */
    private static byte[] rechecked(String manifest) {
        String body = manifest.substring(0, manifest.lastIndexOf(",\n  \"check\""));
        var crc = new CRC32C();
        crc.update(body.getBytes(UTF_8));
        return "%s,\n  \"check\" : \"crc32c:%08x\"\n}\n".formatted(body, (int) crc.getValue()).getBytes(UTF_8);
    }

    /** Nothing is copied before the gate opens. */
    private record GatedDevice(HostDevice memory, CountDownLatch gate) implements DeviceMemory {
        @Override
        public Allocation allocate(long bytes, BufferType type) {
            return memory.allocate(bytes, type);
        }

        @Override
        public Lane openLane(int slotBytes) {
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return memory.openLane(slotBytes);
        }

        @Override
        public long usedBytes() {
            return memory.usedBytes();
        }

        @Override
        public long capacityBytes() {
            return memory.capacityBytes();
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}

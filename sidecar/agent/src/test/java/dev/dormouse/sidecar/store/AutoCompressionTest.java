package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** S2: compress where the storage is slower than the cores decode. */
class AutoCompressionTest {
    private static final Instant NOW = Instant.parse("2026-11-21T10:15:30Z");
    private static final long GIGABYTE = 1_000_000_000;

    @TempDir
    Path volume;
    @TempDir
    Path scratch;

    @Test
    void nothingIsCompressedBeforeARestoreWasSeen() {
        assertThat(AutoCompression.decide(List.of(), 2)).isEqualTo(Compression.None);
    }

    @Test
    @DisplayName("S2: about 1.9 GB/s per core is where it turns")
    void theLimitGrowsWithTheCores() {
        assertThat(AutoCompression.decide(restores(3.7), 2)).isEqualTo(Compression.Zstd);
        assertThat(AutoCompression.decide(restores(3.9), 2)).isEqualTo(Compression.None);
        assertThat(AutoCompression.decide(restores(3.9), 4)).isEqualTo(Compression.Zstd);
        assertThat(AutoCompression.decide(restores(0.2), 1)).isEqualTo(Compression.Zstd);
        assertThat(AutoCompression.decide(restores(20), 8)).isEqualTo(Compression.None);
    }

    @Test
    void oneRestoreFromThePageCacheDoesNotOutvoteFourFromTheVolume() {
        assertThat(AutoCompression.decide(restores(20, 0.5, 0.5, 0.5, 0.5), 2)).isEqualTo(Compression.Zstd);
        assertThat(AutoCompression.decide(restores(0.5, 20, 20, 20, 20), 2)).isEqualTo(Compression.None);
        // Only the newest five count.
        assertThat(AutoCompression.decide(restores(20, 20, 20, 20, 20, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5), 2))
                .isEqualTo(Compression.None);
    }

    @Test
    void whereTheCoresWereTheLimitLessToDecodeIsBetter() {
        var decoding = new RestoreRecord(NOW, GIGABYTE, 2 * GIGABYTE, Duration.ofSeconds(1), Duration.ofMillis(200));
        assertThat(decoding.storageBound()).isFalse();
        assertThat(AutoCompression.decide(List.of(decoding), 2)).isEqualTo(Compression.None);
    }

    @Test
    void aRecordIsItsName() {
        var record = new RestoreRecord(NOW, 123, 456, Duration.ofMillis(7), Duration.ofMillis(6));
        assertThat(RestoreRecord.parse(record.fileName())).contains(record);
        assertThat(RestoreRecord.parse("../x")).isEmpty();
        assertThat(RestoreRecord.parse("1~2~3~4")).isEmpty();
        assertThat(RestoreRecord.parse("9999999999999999~2~3~4~5")).isEmpty();
    }

    @Test
    @DisplayName("S2: restores are recorded on the volume, the newest kept, and the next save goes by them")
    void endToEnd() throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC());
        Path restores = volume.resolve("restores");
        try (var model = new SampleModel(scratch, 1); var target = new HostDevice(1 << 30)) {
            byte[] large = model.random((int) RestoreLog.LEAST_BYTES);
            model.buffer("w", BufferType.Weights, large);
            Snapshot raw = save(store, model);
            for (int i = 0; i < 40; i++) {
                record(restores, 10, i);
            }
            try (var task = store.restore(raw, target, RestoreOptions.verified())) {
                task.done().join();
            }
            Awaitility.await().until(() -> count(restores) == 32);
            List<RestoreRecord> records = records(restores);
            assertThat(records.getLast().storedBytes()).isEqualTo(RestoreLog.LEAST_BYTES);
            assertThat(records.getLast().reading()).isPositive().isLessThanOrEqualTo(records.getLast().elapsed());
            assertThat(records.getFirst().at()).isAfter(NOW.plusSeconds(7));
        }
        try (var model = new SampleModel(scratch, 2); var target = new HostDevice(1 << 30)) {
            byte[] halves = model.random(100_000);
            for (int i = 1; i < halves.length; i += 2) {
                halves[i] = 0x3c;
            }
            model.buffer("halves", model.allocation(BufferType.Weights, halves), 0, halves, "f16");
            assertThat(save(store, model).storedBytes()).as("fast storage: raw").isEqualTo(halves.length);
            for (int i = 0; i < 5; i++) {
                record(restores, 0.3, 1_000_000_000 + i);
            }
            Snapshot compressed = save(store, model);
            assertThat(compressed.storedBytes()).as("slow storage: compressed").isLessThan(halves.length * 6 / 10);
            try (var task = store.restore(compressed, target, RestoreOptions.verified())) {
                task.await(null);
                assertThat(SampleModel.restored(task, target).get("halves")).isEqualTo(halves);
            }
        }
    }

    private static Snapshot save(SnapshotStore store, SampleModel model) throws Exception {
        return store.save(model.request(NOW), model.device(),
                new SaveOptions(Compression.Auto, 3, Set.of(BufferType.Weights), 1 << 20, 2, false),
                ProgressListener.NONE);
    }

    private static void record(Path folder, double gigabytesPerSecond, int seconds) throws Exception {
        Files.createDirectories(folder);
        Files.createFile(folder.resolve(restore(gigabytesPerSecond, NOW.plusSeconds(seconds)).fileName()));
    }

    private static long count(Path folder) throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.count();
        }
    }

    private static List<RestoreRecord> records(Path folder) throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> RestoreRecord.parse(file.getFileName().toString()).orElseThrow())
                    .sorted(java.util.Comparator.comparing(RestoreRecord::at))
                    .toList();
        }
    }

    private static List<RestoreRecord> restores(double... gigabytesPerSecond) {
        return Arrays.stream(gigabytesPerSecond).mapToObj(rate -> restore(rate, NOW)).toList();
    }

    private static RestoreRecord restore(double gigabytesPerSecond, Instant at) {
        var elapsed = Duration.ofNanos((long) (1e9 / gigabytesPerSecond));
        return new RestoreRecord(at, GIGABYTE, GIGABYTE, elapsed, elapsed.multipliedBy(9).dividedBy(10));
    }
}

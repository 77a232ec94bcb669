package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real process on a real disk, killed in the middle. It cannot find a missing fsync ({@link CrashTest} does). */
class KillTest {
    private static final int KILLS = Integer.getInteger("dormouse.kills", 6);

    @TempDir
    Path scratch;
    @TempDir
    Path volume;
    @TempDir
    Path secrets;

    @Test
    @DisplayName("S53: kill -9 while saving, deleting and collecting, again and again: there is always a whole snapshot, and no litter")
    void killed() throws Exception {
        new KeyFolder(secrets).signer("k").wrapping("w", 1);
        Trust trust = SaveLoop.trust(secrets);
        var random = new Random(1);
        long newestSeed = 0;
        for (int kill = 0; kill < KILLS; kill++) {
            // The first process may finish a save; later ones die at any point after their first chunk.
            saveAndKill(1_000L * (kill + 1), kill == 0 ? 60 : 1 + random.nextInt(60));

            try (Stream<Path> left = Files.list(volume.resolve("intents"))) {
                assertThat(left.count()).isLessThanOrEqualTo(2);
            }
            SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("killed"), Clock.systemUTC(),
                    trust);
            assertThat(store.list().refused()).isEmpty();
            long seed = restoredSeed(store);
            assertThat(seed).isGreaterThanOrEqualTo(newestSeed);
            newestSeed = seed;
            store.collect(CollectOptions.local());
            assertNoLitter(store);
        }
        assertThat(newestSeed).isPositive();
        System.out.printf(
                "soak: %d kills of a process that saves, deletes and collects: never without a whole snapshot%n",
                KILLS);
    }

    private void saveAndKill(long seed, int chunks) throws Exception {
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED", "-cp",
                System.getProperty("java.class.path"), SaveLoop.class.getName(), volume.toString(),
                scratch.toString(), Long.toString(seed), secrets.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (BufferedReader lines = process.inputReader()) {
            for (int i = 0; i < chunks; i++) {
                assertThat(lines.readLine()).as("the process ended by itself").isNotNull();
            }
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    private long restoredSeed(SnapshotStore store) throws Exception {
        Snapshot newest = store.newest(SampleModel.KEY).orElseThrow();
        try (var target = new HostDevice(1 << 20);
                var task = store.restore(newest, target, RestoreOptions.verified())) {
            task.await(null);
            Map<String, byte[]> restored = SampleModel.restored(task, target);
            byte[] seed = restored.getOrDefault("seed", new byte[0]);
            try (SampleModel expected = SaveLoop.model(scratch,
                    Long.parseLong(new String(seed, StandardCharsets.UTF_8)))) {
                expected.contents().forEach((name, content) -> assertThat(restored.get(name)).isEqualTo(content));
            }
            return Long.parseLong(new String(seed, StandardCharsets.UTF_8));
        }
    }

    private void assertNoLitter(SnapshotStore store) throws IOException {
        long packs = store.list().snapshots().stream().mapToLong(snapshot -> snapshot.manifest().packs().size()).sum();
        assertThat(volume.resolve("packs")).isDirectoryContaining(file -> true);
        try (Stream<Path> files = Files.list(volume.resolve("packs"));
                Stream<Path> folders = Files.list(volume.resolve("snapshots"));
                Stream<Path> intents = Files.list(volume.resolve("intents"))) {
            assertThat(files.count()).isEqualTo(packs);
            assertThat(folders.count()).isEqualTo(store.list().snapshots().size());
            assertThat(intents).isEmpty();
        }
    }
}

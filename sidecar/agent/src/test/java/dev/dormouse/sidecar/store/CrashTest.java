package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A crash at every step of a save, and what a disk may show afterwards. {@code -Dsoak.seeds=N} looks at more states. */
class CrashTest {
    private static final int LENGTH = 10_000;
    private static final int SEEDS = Integer.getInteger("soak.seeds", 12);

    @TempDir
    Path folder;

    @Test
    @DisplayName("S53: after a crash at any step the old snapshot or the new one restores, and after a save returned the new one")
    void oldOrNewAfterACrashAtAnyStep() throws Exception {
        int steps = stepsOfASave();
        int states = 0;
        for (int step = 1; step <= steps + 1; step++) {
            Path root = Path.of("/volume");
            CrashingFiles files = new CrashingFiles(root);
            Samples.store(root, files, 1).save(Samples.request(1, LENGTH), SaveOptions.RAW);
            files.crashAt(step);
            boolean returned = false;
            try {
                Samples.store(root, files, 2).save(Samples.request(2, LENGTH), SaveOptions.RAW);
                returned = true;
            } catch (CrashingFiles.Crash crash) {
                // What this test is about.
            }
            for (int seed = 0; seed < SEEDS; seed++) {
                assertOldOrNew(files, seed, returned);
                states++;
            }
        }
        assertThat(states).isGreaterThanOrEqualTo(steps * SEEDS);
    }

    private static int stepsOfASave() throws IOException {
        Path root = Path.of("/volume");
        CrashingFiles files = new CrashingFiles(root);
        Samples.store(root, files, 1).save(Samples.request(1, LENGTH), SaveOptions.RAW);
        files.crashAt(Integer.MAX_VALUE);
        Samples.store(root, files, 2).save(Samples.request(2, LENGTH), SaveOptions.RAW);
        return files.steps();
    }

    private void assertOldOrNew(CrashingFiles files, int seed, boolean returned) throws Exception {
        Path disk = Files.createDirectory(folder.resolve("disk"));
        try {
            files.materialize(disk, seed);
            Optional<Snapshot> found = Samples.store(disk, new DiskFiles(), 3).newest(Samples.KEY);
            assertThat(found).isPresent();
            boolean isNew = found.get().manifest().createdAt().endsWith("125Z");
            assertThat(isNew || !returned).as("the save returned, so the new snapshot is there").isTrue();
            Samples.assertRestores(found.get(), isNew ? 2 : 1, LENGTH, true);
        } finally {
            delete(disk);
        }
    }

    private static void delete(Path root) throws IOException {
        try (Stream<Path> walk = Files.walk(root)) {
            for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }
}

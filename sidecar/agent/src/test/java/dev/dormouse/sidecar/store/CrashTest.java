package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The promise of a save: whatever happens at whatever step, the volume then holds the old snapshot or the new one, whole,
 * and after the next start nothing else.
 */
@Execution(ExecutionMode.CONCURRENT)
@ParameterizedClass(name = "signed and encrypted: {0}")
@ValueSource(booleans = {false, true})
class CrashTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);
    private static final SaveOptions OPTIONS = new SaveOptions(Compression.None, 3, Set.of(BufferType.Weights), 4096,
            1, true);
    /** Small enough that a save fills several. */
    private static final long PACK_BYTES = 5 * SnapshotFormat.ALIGNMENT;
    private static final int STATES_PER_STEP = 20;
    /** What is signed takes longer to save and adds only a few steps. */
    private static final int PROTECTED_STATES_PER_STEP = 3;

    @Parameter
    boolean signedAndEncrypted;
    @TempDir
    Path scratch;
    @TempDir
    Path secrets;
    private Trust trust = Trust.OFF;
    private SampleModel old;
    private SampleModel young;
    /** A volume with the old snapshot, all of it durable: that was long ago. */
    private LossyFiles longAgo;
    private int steps;

    @BeforeEach
    void models() throws Exception {
        if (signedAndEncrypted) {
            trust = new KeyFolder(secrets).signer("k").wrapping("w", 1).trust("v", "k", true);
        }
        old = new SampleModel(scratch, 1);
        old.buffer("w", BufferType.Weights, old.random(9_000)).file("f", old.random(500));
        young = new SampleModel(scratch, 2);
        young.buffer("w", BufferType.Weights, young.random(18_000)).file("f", young.random(700));
        longAgo = new LossyFiles();
        save(open(longAgo, "origin"), old);
        steps = countSteps();
    }

    @AfterEach
    void close() {
        old.close();
        young.close();
    }

    @Test
    @DisplayName("S53: power cut at every step of a save, any subset of unsynced writes lost: the old or the new snapshot")
    void powerCutDuringSave() throws Exception {
        int steps = stepsOfASave();
        int states = 0;
        for (int step = 0; step <= steps; step++) {
            for (int seed = 0; seed < statesPerStep(); seed++) {
                LossyFiles disk = volumeWithOldSnapshot();
                SnapshotStore store = open(disk, "first");
                disk.cutPowerAt(step);
                boolean saved = succeeds(() -> save(store, young));

                LossyFiles found = disk.afterPowerCut(new Random(seed), survival(seed));

                assertThat(violation(found, saved)).as("step %d of %d, state %d", step, steps, seed).isNull();
                states++;
            }
        }
        assertThat(states).isGreaterThan(25 * statesPerStep());
    }

    @Test
    @DisplayName("S53: power cut during the clean-up after a power cut")
    void powerCutDuringCleaning() throws Exception {
        int steps = stepsOfASave();
        for (int step = 0; step <= steps; step++) {
            LossyFiles disk = volumeWithOldSnapshot();
            SnapshotStore store = open(disk, "first");
            disk.cutPowerAt(step);
            boolean saved = succeeds(() -> save(store, young));
            for (int cleaning = 0; cleaning < 25; cleaning += signedAndEncrypted ? 5 : 1) {
                LossyFiles found = disk.afterPowerCut(new Random(step), 0.7);
                found.cutPowerAt(cleaning);
                succeeds(() -> open(found, "second"));

                LossyFiles again = found.afterPowerCut(new Random(cleaning), 0.5);

                assertThat(violation(again, saved)).as("save cut at %d, cleaning at %d", step, cleaning).isNull();
            }
        }
    }

    @Test
    @DisplayName("S53: a save that leaves out any one fsync is caught by this very test")
    void everySyncIsNeeded() throws Exception {
        LossyFiles counted = volumeWithOldSnapshot();
        counted.forgetSync(-1);
        save(open(counted, "first"), young);
        int openingSyncs = 1;

        for (int sync = openingSyncs; sync < counted.syncs(); sync++) {
            assertThat(violationWhenForgetting(sync)).as("sync %d of %d is superfluous", sync, counted.syncs())
                    .isNotNull();
        }
    }

    private @Nullable String violationWhenForgetting(int sync) throws Exception {
        int steps = stepsOfASave();
        for (int seed = 0; seed < 10 * STATES_PER_STEP; seed++) {
            // Backwards: most forgotten syncs show when the save is done or nearly so.
            for (int step = steps; step >= 0; step--) {
                LossyFiles disk = volumeWithOldSnapshot();
                disk.forgetSync(sync);
                SnapshotStore store = open(disk, "first");
                disk.cutPowerAt(step);
                boolean saved = succeeds(() -> save(store, young));
                String violation = violation(disk.afterPowerCut(new Random(seed), survival(seed)), saved);
                if (violation != null) {
                    return violation;
                }
            }
        }
        return null;
    }

    @Test
    @DisplayName("S53: power cut at every step of the first save on an empty volume: no snapshot, or one whose key is there")
    void powerCutDuringTheFirstSave() throws Exception {
        var counted = new LossyFiles();
        counted.failWith((step, operation) -> {
        });
        save(open(counted, "first"), young);
        for (int step = 0; step <= counted.steps(); step++) {
            for (int seed = 0; seed < statesPerStep(); seed++) {
                var disk = new LossyFiles();
                disk.cutPowerAt(step);
                boolean saved = succeeds(() -> save(open(disk, "first"), young));

                LossyFiles found = disk.afterPowerCut(new Random(seed), survival(seed));

                assertThat(contentOfNewest(found)).as("step %d, state %d", step, seed)
                        .isIn(saved ? List.of(Optional.of(2L)) : List.of(Optional.empty(), Optional.of(2L)));
                open(found, "next").collect(CollectOptions.local());
                assertThat(litter(found)).isEmpty();
            }
        }
    }

    @Test
    @DisplayName("S53: a first save that leaves out the fsync of its key is caught by this very test")
    void theKeyIsDurable() throws Exception {
        Assumptions.assumeTrue(signedAndEncrypted, "without a key there is nothing to lose");
        // The syncs before those of a save: of the volume's folders, of the folder of keys, of the key and of its name.
        for (int sync = 1; sync <= 3; sync++) {
            boolean lost = false;
            for (int seed = 0; seed < 200 && !lost; seed++) {
                var disk = new LossyFiles();
                disk.forgetSync(sync);
                save(open(disk, "first"), young);
                try {
                    lost = !contentOfNewest(disk.afterPowerCut(new Random(seed), survival(seed)))
                            .equals(Optional.of(2L));
                } catch (AssertionError | IOException unreadable) {
                    lost = true;
                }
            }
            assertThat(lost).as("sync %d is superfluous", sync).isTrue();
        }
    }

    @Test
    @DisplayName("S62: the volume is full at any step of a save: a clear error, the old snapshot, no litter")
    void volumeFullAtEveryStep() throws Exception {
        int steps = stepsOfASave();
        for (int step = 0; step < steps; step++) {
            LossyFiles disk = volumeWithOldSnapshot();
            SnapshotStore store = open(disk, "first");
            List<String> before = disk.tree();
            int full = step;
            disk.failWith((now, operation) -> {
                if (now >= full && (operation.startsWith("write") || operation.startsWith("create "))) {
                    throw new IOException("No space left on device");
                }
            });

            Throwable failure = catchThrowable(() -> save(store, young));

            if (failure != null) {
                assertThat(failure).isInstanceOf(VolumeFullException.class);
                assertThat(disk.tree()).isEqualTo(before);
                assertThat(contentOfNewest(disk)).contains(1L);
            }
        }
    }

    @Test
    @DisplayName("S58: an I/O error at any step of a save, once or for good: an error or a snapshot, never half of one")
    void ioErrorAtEveryStep() throws Exception {
        int steps = stepsOfASave();
        for (boolean forGood : new boolean[]{false, true}) {
            for (int step = 0; step < steps; step++) {
                LossyFiles disk = volumeWithOldSnapshot();
                SnapshotStore store = open(disk, "first");
                int bad = step;
                disk.failWith((now, operation) -> {
                    if (now == bad || forGood && now > bad) {
                        throw new IOException("Input/output error");
                    }
                });
                boolean saved = succeeds(() -> save(store, young));
                disk.failWith((now, operation) -> {
                });
                // A rename that reports an error may have happened: then only a collection may take the packs.
                open(disk, "collector").collect(CollectOptions.local());

                assertThat(violation(disk, saved)).as("error at %d, for good: %s", step, forGood).isNull();
                save(open(disk, "later"), young);
                assertThat(contentOfNewest(disk)).contains(2L);
            }
        }
    }

    @Test
    @DisplayName("S62: too little room is noticed before anything is written, with both numbers")
    void tooLittleRoom() throws Exception {
        LossyFiles disk = volumeWithOldSnapshot();
        SnapshotStore store = open(disk, "first");
        List<String> before = disk.tree();
        disk.usableBytes(10_000);

        assertThatExceptionOfType(VolumeFullException.class).isThrownBy(() -> save(store, young))
                .satisfies(full -> assertThat(full.usableBytes()).isEqualTo(10_000))
                .satisfies(full -> assertThat(full.neededBytes()).isGreaterThan(18_700));
        assertThat(disk.tree()).isEqualTo(before);
    }

    @Test
    @DisplayName("S62: a save of another living pod is left alone, one of long ago is not")
    void savesOfOtherPods() throws Exception {
        LossyFiles disk = volumeWithOldSnapshot();
        SnapshotStore other = SnapshotStore.open(disk, new Writer("other-pod", "a"), CLOCK, PACK_BYTES, trust);
        disk.cutPowerAt(stepsOfASave() - 3);
        succeeds(() -> save(other, young));
        LossyFiles found = disk.afterPowerCut(new Random(0), 1);
        List<String> before = found.tree();

        open(found, "second");
        assertThat(found.tree()).isEqualTo(before);

        Clock nextDay = Clock.offset(CLOCK, Duration.ofHours(25));
        SnapshotStore.open(found, new Writer("pod", "third"), nextDay, PACK_BYTES, trust);
        assertThat(litter(found)).isEmpty();
        assertThat(contentOfNewest(found)).contains(1L);
    }

    @Test
    @DisplayName("S38, S58: deleting cut short at any step leaves the snapshot whole or gone")
    void powerCutDuringDelete() throws Exception {
        for (int step = 0; step < 15; step++) {
            LossyFiles disk = volumeWithOldSnapshot();
            SnapshotStore store = open(disk, "first");
            String id = store.newest(SampleModel.KEY).orElseThrow().id();
            disk.cutPowerAt(step);
            succeeds(() -> store.delete(id));
            for (int seed = 0; seed < STATES_PER_STEP; seed++) {
                LossyFiles found = disk.afterPowerCut(new Random(seed), survival(seed));
                open(found, "second").collect(CollectOptions.local());

                assertThat(litter(found)).isEmpty();
                assertThat(contentOfNewest(found)).isIn(Optional.empty(), Optional.of(1L));
            }
        }
    }

    private static boolean succeeds(ThrowingCallable action) {
        try {
            action.call();
            return true;
        } catch (LossyFiles.PowerCut | IOException expected) {
            return false;
        } catch (Throwable e) {
            throw new AssertionError("fails in a way nobody expects", e);
        }
    }

    /** What is wrong with the volume after the next start; null: nothing. */
    private @Nullable String violation(LossyFiles disk, boolean saved) {
        try {
            SnapshotStore store = open(disk, "next");
            if (!store.list().refused().isEmpty()) {
                return "damaged: " + store.list().refused();
            }
            Optional<Long> content = contentOfNewest(disk);
            if (content.isEmpty() || saved && content.get() != 2) {
                return "lost: found " + content;
            }
            if (!litter(disk).isEmpty()) {
                return "litter: " + litter(disk);
            }
            return null;
        } catch (IOException | AssertionError e) {
            return "unusable: " + e;
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** Whatever no snapshot refers to. */
    private List<String> litter(LossyFiles disk) throws Exception {
        var expected = new ArrayList<>(List.of("packs/", "snapshots/", "intents/", "trash/"));
        for (Snapshot snapshot : open(disk, "litter").list().snapshots()) {
            String folder = "snapshots/" + snapshot.id() + "/";
            expected.addAll(List.of(folder, folder + "manifest.json", folder + "manifest.sig", folder + "chunks.tbl"));
            snapshot.manifest().packs().forEach(pack -> expected.add("packs/" + pack.id() + ".pack"));
        }
        var litter = new ArrayList<>(disk.tree());
        litter.removeAll(expected);
        // A volume keeps its key.
        litter.removeIf(path -> path.matches("keys/([0-9a-f]{16}\\.key)?"));
        return litter;
    }

    /** The seed of the model that the newest snapshot holds, restored and compared. */
    private Optional<Long> contentOfNewest(LossyFiles disk) throws Exception {
        SnapshotStore store = open(disk, "reader");
        Optional<Snapshot> newest = store.newest(SampleModel.KEY);
        if (newest.isEmpty()) {
            return Optional.empty();
        }
        try (var target = new HostDevice(1 << 20);
                var task = store.restore(newest.get(), target, new RestoreOptions(Verification.Crc, 1))) {
            task.await(null);
            Map<String, byte[]> restored = SampleModel.restored(task, target);
            for (SampleModel model : List.of(old, young)) {
                if (model.contents()
                        .entrySet()
                        .stream()
                        .allMatch(entry -> Arrays.equals(entry.getValue(), restored.get(entry.getKey())))) {
                    return Optional.of(model == old ? 1L : 2L);
                }
            }
            throw new AssertionError("restored what nobody saved");
        } catch (RestoreException e) {
            throw new AssertionError("the newest snapshot cannot be restored: " + e.getMessage(), e);
        }
    }

    private LossyFiles volumeWithOldSnapshot() {
        return longAgo.afterPowerCut(new Random(0), 1);
    }

    private int statesPerStep() {
        return signedAndEncrypted ? PROTECTED_STATES_PER_STEP : STATES_PER_STEP;
    }

    private int stepsOfASave() {
        return steps;
    }

    private int countSteps() throws Exception {
        LossyFiles disk = volumeWithOldSnapshot();
        SnapshotStore store = open(disk, "first");
        disk.failWith((step, operation) -> {
        });
        save(store, young);
        return disk.steps();
    }

    private Snapshot save(SnapshotStore store, SampleModel model) throws Exception {
        Instant createdAt = CLOCK.instant().plusSeconds(model == old ? 0 : 60);
        return store.save(model.request(createdAt), model.device(), OPTIONS, ProgressListener.NONE);
    }

    private SnapshotStore open(SnapshotFiles files, String instance) throws IOException {
        return SnapshotStore.open(files, new Writer("pod", instance), CLOCK, PACK_BYTES, trust);
    }

    /** Nothing survives, everything survives, and much in between. */
    private static double survival(int seed) {
        return switch (seed) {
            case 0 -> 0;
            case 1 -> 1;
            default -> 0.2 + 0.6 * (seed % 10) / 9;
        };
    }
}

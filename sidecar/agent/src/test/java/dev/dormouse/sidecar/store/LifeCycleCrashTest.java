package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * One life of a volume whose snapshots share packs: retention deletes, packs are rewritten, a save refers to what is
 * left, packs are unlinked. Whatever happens at whatever step: every snapshot that is listed is whole, the newest is
 * there, and a collection leaves nothing that nobody needs.
 */
@Execution(ExecutionMode.CONCURRENT)
class LifeCycleCrashTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T10:15:30Z"), ZoneOffset.UTC);
    private static final int CHUNK = 4096;
    private static final SaveOptions OPTIONS = new SaveOptions(Compression.None, 3, Set.of(BufferType.Weights), CHUNK,
            1, true);
    /** At least 10,000 in all; more with {@code -Ddormouse.crash.states=…}. */
    private static final int STATES_PER_STEP = Integer.getInteger("dormouse.crash.states", 205);
    private static final int CHUNKS = 6;

    @TempDir
    Path scratch;
    private byte[] oldest;
    private byte[] middle;
    private byte[] youngest;
    /** A volume with the oldest and the middle snapshot, all of it durable. */
    private LossyFiles longAgo;
    private int steps;
    private final Map<Integer, SampleModel> models = new HashMap<>();

    /** How far the life got; what was promised then must hold after a crash. */
    private enum Progress {
        Begun, Saved, Pinned
    }

    @BeforeEach
    void models() throws Exception {
        try (var model = new SampleModel(scratch, 1)) {
            oldest = model.random(CHUNKS * CHUNK);
            byte[] others = model.random(2 * CHUNKS * CHUNK);
            middle = oldest.clone();
            System.arraycopy(others, 0, middle, 0, (CHUNKS - 2) * CHUNK);
            youngest = oldest.clone();
            System.arraycopy(others, CHUNKS * CHUNK, youngest, 0, (CHUNKS - 2) * CHUNK);
        }
        longAgo = new LossyFiles();
        SnapshotStore store = open(longAgo, "origin");
        save(store, oldest, 0);
        save(store, middle, 1);
        steps = countSteps();
    }

    @AfterEach
    void close() {
        models.values().forEach(SampleModel::close);
    }

    /** Ends where the fault says; answers how far it got. */
    private Progress live(SnapshotStore store) throws Exception {
        var progress = Progress.Begun;
        try {
            // The oldest goes; two chunks of its pack are still needed, so it is rewritten.
            assertThat(store.prune(new RetentionPolicy(null, 1, 0)).failed()).isEmpty();
            store.collect(CollectOptions.local());
            Snapshot saved = save(store, youngest, 2);
            progress = Progress.Saved;
            store.pin(saved.id(), true);
            progress = Progress.Pinned;
            // The middle one goes, and nobody needs its own pack.
            store.prune(new RetentionPolicy(null, 1, 0));
            store.collect(CollectOptions.local());
        } catch (LossyFiles.PowerCut | IOException | AssertionError cut) {
            return progress;
        }
        return progress;
    }

    @Test
    @DisplayName("S53, S57: power cut at every step of save, publish, prune, collect and compact, any subset of writes lost")
    void powerCut() throws Exception {
        int steps = steps();
        int states = 0;
        for (int step = 0; step <= steps; step++) {
            LossyFiles disk = volume();
            SnapshotStore store = open(disk, "first");
            disk.cutPowerAt(step);
            Progress progress = live(store);
            for (int seed = 0; seed < STATES_PER_STEP; seed++) {
                LossyFiles found = disk.afterPowerCut(new Random(seed), survival(seed));
                assertThat(violation(found, progress)).as("step %d of %d, state %d", step, steps, seed).isNull();
                states++;
            }
        }
        assertThat(states).isGreaterThanOrEqualTo(10_000);
        System.out.printf("soak: %d states after power cuts, each checked to the last byte%n", states);
    }

    @Test
    @DisplayName("S53: power cut while the next collection cleans up after a power cut")
    void powerCutWhileCleaning() throws Exception {
        int steps = steps();
        for (int step = 0; step <= steps; step += 2) {
            LossyFiles disk = volume();
            SnapshotStore store = open(disk, "first");
            disk.cutPowerAt(step);
            Progress progress = live(store);
            for (int cleaning = 0; cleaning < 24; cleaning += 2) {
                LossyFiles found = disk.afterPowerCut(new Random(step), 0.7);
                found.cutPowerAt(cleaning);
                try {
                    open(found, "second").collect(CollectOptions.local());
                } catch (LossyFiles.PowerCut cut) {
                    // Again.
                }
                LossyFiles again = found.afterPowerCut(new Random(cleaning), 0.5);
                assertThat(violation(again, progress)).as("cut at %d, cleaning at %d", step, cleaning).isNull();
            }
        }
    }

    @Test
    @DisplayName("S53: a life that leaves out any one fsync is caught by this very test")
    void everySyncIsNeeded() throws Exception {
        LossyFiles counted = volume();
        SnapshotStore store = open(counted, "first");
        counted.forgetSync(-1);
        live(store);
        int syncs = counted.syncs();
        assertThat(syncs).isGreaterThan(15);
        int steps = steps();

        for (int sync = 0; sync < syncs; sync++) {
            assertThat(violationWhenForgetting(sync, steps)).as("sync %d of %d is superfluous", sync, syncs)
                    .isNotNull();
        }
    }

    private @Nullable String violationWhenForgetting(int sync, int steps) throws Exception {
        // Backwards: most forgotten syncs show when the life is over or nearly so.
        for (int step = steps; step >= 0; step--) {
            LossyFiles disk = volume();
            SnapshotStore store = open(disk, "first");
            disk.forgetSync(sync);
            disk.cutPowerAt(step);
            Progress progress = live(store);
            if (disk.syncs() <= sync) {
                continue;
            }
            for (int seed = 0; seed < 30; seed++) {
                String violation = violation(disk.afterPowerCut(new Random(seed), survival(seed)), progress);
                if (violation != null) {
                    return violation;
                }
            }
        }
        return null;
    }

    @Test
    @DisplayName("S58, S62: ENOSPC or EIO at every step, once or for good: an error, never a broken snapshot, and it heals")
    void errorsAtEveryStep() throws Exception {
        int steps = steps();
        for (String error : List.of("No space left on device", "Input/output error")) {
            for (boolean forGood : new boolean[]{false, true}) {
                for (int step = 0; step < steps; step++) {
                    LossyFiles disk = volume();
                    SnapshotStore store = open(disk, "first");
                    int bad = step;
                    disk.failWith((now, operation) -> {
                        if (now == bad || forGood && now > bad) {
                            throw new IOException(error);
                        }
                    });
                    Progress progress = live(store);
                    disk.failWith((now, operation) -> {
                    });

                    assertThat(violation(disk, progress)).as("%s at %d, for good: %s", error, step, forGood).isNull();
                    save(open(disk, "later"), youngest, 9);
                    assertThat(violation(disk, Progress.Saved)).isNull();
                }
            }
        }
    }

    /** What is wrong with the volume after the next start; null: nothing. */
    private @Nullable String violation(LossyFiles disk, Progress progress) {
        try {
            SnapshotStore store = open(disk, "next");
            String before = wrong(store, progress);
            if (before != null) {
                return before;
            }
            CollectReport report = store.collect(CollectOptions.local());
            if (!report.waitingFor().isEmpty()) {
                return "waits for the dead: " + report;
            }
            String after = wrong(store, progress);
            return after != null ? "after a collection: " + after : litter(disk, store);
        } catch (IOException | RuntimeException | AssertionError e) {
            return "unusable: " + e;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private @Nullable String wrong(SnapshotStore store, Progress progress) throws IOException {
        Listing listing = store.list();
        if (!listing.refused().isEmpty()) {
            return "damaged: " + listing.refused();
        }
        for (Snapshot snapshot : listing.snapshots()) {
            VerifyReport report = store.verify(snapshot.id(), 1);
            if (!report.intact()) {
                return "broken: " + report;
            }
        }
        Optional<Snapshot> newest = listing.newest(SampleModel.KEY);
        if (newest.isEmpty()) {
            return "lost";
        }
        if (progress != Progress.Begun
                && !newest.get().createdAt().isAfter(CLOCK.instant().plusSeconds(1))) {
            return "the saved snapshot is lost";
        }
        return progress == Progress.Pinned && !newest.get().pinned() ? "the pin is lost" : null;
    }

    /** Whatever no snapshot refers to. */
    private static @Nullable String litter(LossyFiles disk, SnapshotStore store) throws IOException {
        var expected = new HashSet<>(List.of("packs/", "snapshots/", "intents/", "trash/"));
        for (Snapshot snapshot : store.list().snapshots()) {
            String folder = "snapshots/" + snapshot.id() + "/";
            expected.addAll(List.of(folder, folder + "manifest.json", folder + "chunks.tbl", folder + "pinned"));
            snapshot.manifest().packs().forEach(pack -> expected.add("packs/" + pack.id() + ".pack"));
        }
        var litter = new ArrayList<>(disk.tree());
        litter.removeAll(expected);
        return litter.isEmpty() ? null : "litter: " + litter;
    }

    private LossyFiles volume() {
        return longAgo.afterPowerCut(new Random(0), 1);
    }

    private int steps() {
        return steps;
    }

    private int countSteps() throws Exception {
        LossyFiles disk = volume();
        SnapshotStore store = open(disk, "first");
        disk.failWith((step, operation) -> {
        });
        assertThat(live(store)).isEqualTo(Progress.Pinned);
        assertThat(store.list().snapshots()).hasSize(1);
        return disk.steps();
    }

    private Snapshot save(SnapshotStore store, byte[] content, int second) throws Exception {
        SampleModel model = models.computeIfAbsent(second,
                seed -> new SampleModel(scratch, seed).buffer("w", BufferType.Weights, content));
        return store.save(model.request(CLOCK.instant().plusSeconds(second)), model.device(), OPTIONS,
                ProgressListener.NONE);
    }

    private static SnapshotStore open(SnapshotFiles files, String instance) throws IOException {
        return SnapshotStore.open(files, new Writer("pod", instance), CLOCK, SnapshotFormat.MAX_PACK_BYTES);
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

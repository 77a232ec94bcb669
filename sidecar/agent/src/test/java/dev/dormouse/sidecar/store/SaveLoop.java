package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Set;

/**
 * Saves one model after the other and deletes the one before, until it is killed. Prints a line for every chunk that it
 * has saved, so that whoever kills it can do so in the middle of a save.
 */
final class SaveLoop {
    private SaveLoop() {}

    /** @param arguments volume, scratch folder, first seed, folder of keys */
    public static void main(String[] arguments) throws Exception {
        SnapshotStore store = SnapshotStore.open(Path.of(arguments[0]), Writer.inPod("killed"), Clock.systemUTC(),
                trust(Path.of(arguments[3])));
        for (long seed = Long.parseLong(arguments[2]);; seed++) {
            try (SampleModel model = model(Path.of(arguments[1]), seed)) {
                Snapshot saved = store.save(model.request(Clock.systemUTC().instant()), model.device(),
                        new SaveOptions(Compression.Zstd, 1, Set.of(BufferType.Weights), 16 << 10, 2, true),
                        (bytes, total) -> System.out.println(bytes));
                for (Snapshot other : store.list().snapshots()) {
                    if (!other.id().equals(saved.id())) {
                        store.delete(other.id());
                    }
                }
                store.collect(CollectOptions.local());
            }
        }
    }

    /** Signed and encrypted: that takes all the steps that there are. */
    static Trust trust(Path secrets) throws Exception {
        return new KeyFolder(secrets).trust("volume", "k", true);
    }

    static SampleModel model(Path scratch, long seed) throws Exception {
        var model = new SampleModel(scratch, seed);
        return model.buffer("w", BufferType.Weights, model.random(300_000))
                .file("seed",
                        Long.toString(seed).getBytes(StandardCharsets.UTF_8));
    }
}

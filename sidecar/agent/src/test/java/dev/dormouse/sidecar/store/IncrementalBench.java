package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * What a save writes and how long it takes when 1 % of the chunks have changed since the last one. Run it from the
 * tests' class path: {@code IncrementalBench <empty folder> [MiB]}.
 */
final class IncrementalBench {
    private static final int CHUNK = 4 << 20;
    private static final int PART = 64 << 20;

    private IncrementalBench() {}

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        int parts = (arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1024) / 64;
        for (int round = 0; round < 3; round++) {
            Path volume = Files.createDirectory(folder.resolve("volume-" + round));
            SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("bench"), Clock.systemUTC());
            double full = save(store, folder, parts, false);
            long fullBytes = bytes(volume);
            double changed = save(store, folder, parts, true);
            long changedBytes = bytes(volume) - fullBytes;
            System.out.printf("full %.2f s, %d bytes; 1 %% changed %.2f s (%.1f %%), %d bytes (%.2f %%)%n", full,
                    fullBytes, changed, 100 * changed / full, changedBytes, 100.0 * changedBytes / fullBytes);
            try (Stream<Path> files = Files.walk(volume)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    private static double save(SnapshotStore store, Path folder, int parts, boolean changed) throws Exception {
        try (var model = new SampleModel(folder, 1)) {
            int chunks = parts * (PART / CHUNK);
            for (int part = 0; part < parts; part++) {
                byte[] content = model.random(PART);
                for (int chunk = 0; chunk < PART / CHUNK; chunk++) {
                    // One in a hundred, spread over the whole.
                    if (changed && (part * (PART / CHUNK) + chunk) % Math.min(100, chunks) == 0) {
                        content[chunk * CHUNK] ^= 1;
                    }
                }
                Allocation allocation = model.allocation(BufferType.Weights, content);
                model.buffer("w" + part, allocation, 0, content);
            }
            SaveRequest request = model.request(Clock.systemUTC().instant());
            long start = System.nanoTime();
            store.save(request, model.device(), SaveOptions.of(Compression.None, 3), ProgressListener.NONE);
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private static long bytes(Path volume) throws IOException {
        long bytes = 0;
        try (Stream<Path> files = Files.walk(volume)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                bytes += Files.size(file);
            }
        }
        return bytes;
    }
}

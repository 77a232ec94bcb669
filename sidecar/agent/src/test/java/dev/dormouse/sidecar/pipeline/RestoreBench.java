package dev.dormouse.sidecar.pipeline;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SaveRequest;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * How fast a raw snapshot restores from the page cache: into host memory, which the kernel first has to find and clear,
 * and into slots that are used again and again as a GPU's pinned slots are; each checked and unchecked, and beside a plain
 * read of the same pack by as many threads, in turns. Prints one JSON object per line: GB/s of the first round (a fresh JVM) and the median of all.
 *
 * <pre>java -cp … dev.dormouse.sidecar.pipeline.RestoreBench &lt;folder&gt; [MiB = 1024] [rounds = 9]</pre>
 */
final class RestoreBench {
    private static final int CHUNK = 4 << 20;

    private interface Run {
        void once() throws Exception;
    }

    private RestoreBench() {}

    public static void main(String[] arguments) throws Exception {
        Path volume = Files.createTempDirectory(Path.of(arguments[0]), "restore-bench");
        long bytes = (arguments.length > 1 ? Long.parseLong(arguments[1]) : 1024) << 20;
        int rounds = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 9;
        try {
            run(volume, bytes, rounds);
        } finally {
            delete(volume);
        }
    }

    private static void run(Path volume, long bytes, int rounds) throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("bench"), Clock.systemUTC());
        Snapshot snapshot = save(store, bytes);
        Path pack = volume.resolve("packs").resolve(snapshot.manifest().packs().getFirst().id() + ".pack");

        Map<String, Run> runs = new LinkedHashMap<>();
        runs.put("slots, CRC32C", () -> restore(store, snapshot, new Slots(), true));
        runs.put("slots, unchecked", () -> restore(store, snapshot, new Slots(), false));
        runs.put("plain read", () -> read(pack));
        runs.put("host memory, CRC32C", () -> restore(store, snapshot, new HostDevice(bytes), true));
        runs.put("host memory, unchecked", () -> restore(store, snapshot, new HostDevice(bytes), false));
        Map<String, List<Double>> results = new LinkedHashMap<>();
        for (int round = 0; round < rounds; round++) {
            for (var run : runs.entrySet()) {
                long before = System.nanoTime();
                run.getValue().once();
                results.computeIfAbsent(run.getKey(), name -> new ArrayList<>())
                        .add(gigabytesPerSecond(bytes, System.nanoTime() - before));
            }
        }

        results.forEach((name, values) -> print(name, bytes, values.getFirst(), median(values)));
    }

    private static Snapshot save(SnapshotStore store, long bytes) throws Exception {
        try (var device = new HostDevice(bytes)) {
            Allocation weights = device.allocate(bytes, BufferType.Weights);
            var random = new SplittableRandom(1);
            try (Lane lane = device.openLane(CHUNK)) {
                var noise = new byte[CHUNK];
                for (long at = 0; at < bytes; at += CHUNK) {
                    random.nextBytes(noise);
                    lane.slot(weights, at, CHUNK).asByteBuffer().put(noise);
                    lane.submit(() -> {
                    });
                }
            }
            weights.seal();
            var meta = new BufferMeta("weights", weights.id(), 0, bytes, BufferType.Weights, "u8", List.of(bytes),
                    false);
            var request = new SaveRequest("bench", Map.of(), Clock.systemUTC().instant(),
                    List.of(new SavedBuffer(meta, weights)), List.of());
            long start = System.nanoTime();
            Snapshot saved = store.save(request, device, SaveOptions.of(Compression.None, 3), ProgressListener.NONE);
            double rate = gigabytesPerSecond(bytes, System.nanoTime() - start);
            print("save, raw", bytes, rate, rate);
            return saved;
        }
    }

    private static void restore(SnapshotStore store, Snapshot snapshot, DeviceMemory device, boolean verify)
            throws Exception {
        try (device;
                RestoreTask task = store.restore(snapshot, device,
                        RestoreOptions.of(verify ? Verification.Crc : Verification.None))) {
            task.await(null);
        }
    }

    private static void read(Path file) throws Exception {
        var position = new AtomicLong();
        var threads = new ArrayList<Thread>();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            for (int i = 0; i < Runtime.getRuntime().availableProcessors(); i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    try (Arena arena = Arena.ofConfined()) {
                        ByteBuffer buffer = arena.allocate(CHUNK).asByteBuffer();
                        while (channel.read(buffer.clear(), position.getAndAdd(CHUNK)) > 0) {
                            // only the reading counts
                        }
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
    }

    private static double gigabytesPerSecond(long bytes, long nanos) {
        return (double) bytes / nanos;
    }

    private static double median(List<Double> values) {
        var sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return sorted.get(sorted.size() / 2);
    }

    private static void print(String name, long bytes, double first, double median) {
        var line = new LinkedHashMap<String, Object>();
        line.put("bench", name);
        line.put("bytes", bytes);
        line.put("firstGbps", Math.round(first * 100) / 100.0);
        line.put("medianGbps", Math.round(median * 100) / 100.0);
        System.out.println(new JsonMapper().valueToTree(line).toString());
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}

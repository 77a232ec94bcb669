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
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The same weights, brought into memory in turns: by restores in fresh JVMs (the first and the third restore of each),
 * checked and unchecked, into slots and into host memory; by {@code dd}, {@code zstd -d -T0}, and by numpy and PyTorch
 * from a safetensors file, each as far as it is installed. Everything lies in the page cache unless {@code cold} is said,
 * which empties it before each run (root). Prints one JSON object per line: median GB/s of raw bytes.
 *
 * <pre>java -cp … dev.dormouse.sidecar.pipeline.PeersBench &lt;folder&gt; [MiB = 1024] [rounds = 5] [cold]</pre>
 */
final class PeersBench {
    private static final int CHUNK = 4 << 20;
    /** Loads into memory of its own, as an engine would; prints seconds. */
    private static final String NUMPY = """
                                        import json, struct, sys, time, numpy
                                        start = time.perf_counter()
                                        with open(sys.argv[1], 'rb') as f:
                                            header = json.loads(f.read(struct.unpack('<Q', f.read(8))[0]))
                                            tensors = {name: numpy.fromfile(f, numpy.uint16, (t['data_offsets'][1] - t['data_offsets'][0]) // 2)
                                                       for name, t in header.items()}
                                        print(time.perf_counter() - start)
                                        """;
    private static final String TORCH = """
                                        import json, struct, sys, time, torch
                                        start = time.perf_counter()
                                        with open(sys.argv[1], 'rb') as f:
                                            header = json.loads(f.read(struct.unpack('<Q', f.read(8))[0]))
                                            tensors = {}
                                            for name, t in header.items():
                                                tensor = torch.empty(t['data_offsets'][1] - t['data_offsets'][0], dtype=torch.uint8)
                                                f.readinto(tensor.numpy())
                                                tensors[name] = tensor.view(torch.bfloat16).view(t['shape'])
                                        print(time.perf_counter() - start)
                                        """;

    private interface Run {
        /** Seconds by name; nothing when it cannot be run. */
        Map<String, Double> run() throws Exception;
    }

    private final Path folder;
    private final long bytes;
    private final boolean cold;

    private PeersBench(Path folder, long bytes, boolean cold) {
        this.folder = folder;
        this.bytes = bytes;
        this.cold = cold;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("restore")) {
            restores(Path.of(arguments[1]), arguments[2], Verification.valueOf(arguments[3]));
            return;
        }
        Path folder = Files.createTempDirectory(Path.of(arguments[0]), "peers-bench");
        long bytes = (arguments.length > 1 ? Long.parseLong(arguments[1]) : 1024) << 20;
        int rounds = arguments.length > 2 ? Integer.parseInt(arguments[2]) : 5;
        try {
            new PeersBench(folder, bytes, arguments.length > 3).run(rounds);
        } finally {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(file);
                }
            }
        }
    }

    /** Three restores of a fresh JVM; prints their seconds. */
    private static void restores(Path volume, String target, Verification verification) throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("bench"), Clock.systemUTC());
        Snapshot snapshot = store.newest("bench").orElseThrow();
        for (int i = 0; i < 3; i++) {
            long start = System.nanoTime();
            try (DeviceMemory device = target.equals("slots") ? new Slots() : new HostDevice(snapshot.rawBytes());
                    RestoreTask task = store.restore(snapshot, device, RestoreOptions.of(verification))) {
                task.await(null);
                System.out.println((System.nanoTime() - start) / 1e9);
                task.done().join();
            }
        }
    }

    private void run(int rounds) throws Exception {
        Path raw = save("raw", Compression.None);
        Path planes = save("planes", Compression.Zstd);
        Path pack = Files.list(raw.resolve("packs")).findFirst().orElseThrow();
        Path safetensors = safetensors(pack);
        Path zst = folder.resolve("weights.zst");
        command("zstd", "-q", "-1", "-T0", "-f", safetensors.toString(), "-o", zst.toString());
        Path numpy = Files.writeString(folder.resolve("load_numpy.py"), NUMPY);
        Path torch = Files.writeString(folder.resolve("load_torch.py"), TORCH);

        Map<String, Run> runs = new LinkedHashMap<>();
        for (String target : List.of("slots", "host memory")) {
            for (Verification verification : Verification.values()) {
                runs.put(target + ", " + verification,
                        () -> jvm(target + ", " + verification, raw, target, verification));
            }
        }
        runs.put("slots, planes", () -> jvm("slots, planes, Crc", planes, "slots", Verification.Crc));
        runs.put("dd", () -> timed("dd bs=4M to /dev/null", "dd", "if=" + pack, "of=/dev/null", "bs=4M"));
        runs.put("zstd", () -> timed("zstd -d -T0 to /dev/null", "zstd", "-q", "-d", "-T0", "-f", zst.toString(), "-o",
                "/dev/null"));
        runs.put("numpy", () -> printed("numpy from safetensors", "/usr/bin/python3", numpy.toString(),
                safetensors.toString()));
        runs.put("torch", () -> printed("PyTorch from safetensors", "/usr/bin/python3", torch.toString(),
                safetensors.toString()));
        Map<String, List<Double>> seconds = new LinkedHashMap<>();
        for (int round = 0; round < rounds; round++) {
            for (Run run : runs.values()) {
                if (cold) {
                    command("sync");
                    Files.writeString(Path.of("/proc/sys/vm/drop_caches"), "1");
                }
                run.run().forEach((name, time) -> seconds.computeIfAbsent(name, n -> new ArrayList<>()).add(time));
            }
        }
        seconds.forEach((name, times) -> {
            Collections.sort(times);
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("bench", (cold ? "cold: " : "") + name);
            line.put("medianGbps", rate(times.get(times.size() / 2)));
            line.put("bestGbps", rate(times.getFirst()));
            System.out.println(new JsonMapper().valueToTree(line).toString());
        });
    }

    private double rate(double seconds) {
        return Math.round(bytes / seconds / 1e7) / 100.0;
    }

    private Path save(String name, Compression compression) throws Exception {
        Path volume = Files.createDirectory(folder.resolve(name));
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("bench"), Clock.systemUTC());
        try (var device = new HostDevice(bytes)) {
            Allocation weights = device.allocate(bytes, BufferType.Weights);
            var numbers = new NormalNumbers(1);
            try (Lane lane = device.openLane(CHUNK)) {
                for (long at = 0; at < bytes; at += CHUNK) {
                    numbers.fill(lane.slot(weights, at, CHUNK));
                    lane.submit(() -> {
                    });
                }
            }
            weights.seal();
            var meta = new BufferMeta("weights", weights.id(), 0, bytes, BufferType.Weights, "bf16", List.of(bytes / 2),
                    false);
            Snapshot saved = store.save(
                    new SaveRequest("bench", Map.of(), Clock.systemUTC().instant(),
                            List.of(new SavedBuffer(meta, weights)), List.of()),
                    device, SaveOptions.of(compression, 3), ProgressListener.NONE);
            System.out.printf("{\"bench\":\"save %s\",\"storedPerRaw\":%.3f}%n", name,
                    (double) saved.storedBytes() / saved.rawBytes());
        }
        return volume;
    }

    /** The chunks of a raw pack lie one after the other, so its middle is the tensor. */
    private Path safetensors(Path pack) throws IOException {
        byte[] header = "{\"weights\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[0,%d]}}"
                .formatted(bytes / 2, bytes)
                .getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("weights.safetensors");
        try (OutputStream out = Files.newOutputStream(file); var in = Files.newByteChannel(pack)) {
            out.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).array());
            out.write(header);
            in.position(4096);
            ByteBuffer buffer = ByteBuffer.allocate(CHUNK);
            for (long left = bytes; left > 0; left -= buffer.limit()) {
                buffer.clear().limit((int) Math.min(CHUNK, left));
                while (buffer.hasRemaining() && in.read(buffer) >= 0) {
                    // until it is full
                }
                out.write(buffer.array(), 0, buffer.limit());
            }
        }
        return file;
    }

    private static Map<String, Double> jvm(String name, Path volume, String target, Verification verification)
            throws Exception {
        List<String> seconds = command(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx64m",
                "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
                "-cp", System.getProperty("java.class.path"), PeersBench.class.getName(), "restore",
                volume.toString(), target, verification.name());
        return seconds.size() < 3
                ? Map.of()
                : Map.of(name + ", first restore of a JVM", Double.valueOf(seconds.get(0)), name + ", third",
                        Double.valueOf(seconds.get(2)));
    }

    private static Map<String, Double> timed(String name, String... command) throws Exception {
        long start = System.nanoTime();
        try {
            command(command);
        } catch (IOException notInstalled) {
            return Map.of();
        }
        return Map.of(name, (System.nanoTime() - start) / 1e9);
    }

    private static Map<String, Double> printed(String name, String... command) throws Exception {
        List<String> seconds = command(command);
        return seconds.size() == 1 ? Map.of(name, Double.valueOf(seconds.getFirst())) : Map.of();
    }

    private static List<String> command(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        List<String> lines = process.inputReader().lines().toList();
        return process.waitFor() == 0 ? lines : List.of();
    }
}

package dev.dormouse.gpu;

import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Measures a GPU and what the product makes of it: {@code result.json folder [GiB …]}. The folder is for snapshots, and is
 * emptied. On the stand-in everything runs with small sizes, and the report says that its figures mean nothing. Exit status:
 * 0 measured, 1 something is wrong (bytes that differ, a mode that does not work), 3 no driver.
 */
public final class GpuRunMain {
    private static final List<Long> SIZES_GIB = List.of(8L, 16L);
    private static final long QUICK_BYTES = 256L << 20;
    private static final long ROOM = 4L << 30;

    private final Report report = new Report(System.out);
    private final Path folder;
    private boolean failed;

    private GpuRunMain(Path folder) {
        this.folder = folder;
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 2) {
            System.err.println("usage: GpuRunMain result.json folder [GiB ...]");
            System.exit(2);
        }
        List<Long> sizes = new ArrayList<>();
        for (int i = 2; i < arguments.length; i++) {
            sizes.add(Long.parseLong(arguments[i]));
        }
        var run = new GpuRunMain(Path.of(arguments[1]));
        try {
            run.all(sizes.isEmpty() ? SIZES_GIB : sizes);
        } catch (CudaUnavailableException e) {
            System.err.println("gpu run: " + e.getMessage());
            System.exit(3);
        }
        run.report.write(Path.of(arguments[0]));
        System.exit(run.failed ? 1 : 0);
    }

    private interface Part {
        void run() throws IOException, CudaUnavailableException;
    }

    private void part(String section, Part part) {
        try {
            part.run();
        } catch (IOException | CudaUnavailableException | RuntimeException e) {
            failed = true;
            report.missing(section, String.valueOf(e.getMessage()));
        }
    }

    private void all(List<Long> sizesGib) throws IOException, CudaUnavailableException {
        Files.createDirectories(folder);
        boolean standIn;
        List<Long> sizes = new ArrayList<>();
        try (CudaContext context = CudaContext.open(0)) {
            standIn = context.name().equals("Dormouse stand-in");
            describe(context, standIn);
            Limits limits = new Limits(context, report, standIn);
            part("limits", limits::toDevice);
            part("pin", limits::pinning);
            part("limits", () -> limits.storage(folder, Runtime.getRuntime().availableProcessors()));
            for (long gib : sizesGib) {
                if (standIn) {
                    sizes.add(QUICK_BYTES);
                } else if (gib << 30 > context.freeBytes() - ROOM || gib << 30 > room()) {
                    report.missing("owned", gib + " GiB do not fit on this GPU, or on the file system of " + folder);
                } else {
                    sizes.add(gib << 30);
                }
                if (standIn) {
                    break;
                }
            }
        }
        Restores restores = new Restores(report, folder);
        SampleSnapshot last = null;
        for (long bytes : sizes) {
            SampleSnapshot snapshot = SampleSnapshot.make(folder.resolve("volume-" + bytes), bytes, Clock.systemUTC());
            report.row("save", "from device memory to the volume", bytes / snapshot.seconds() / 1e9, "GB/s");
            part("owned", () -> restores.owned(snapshot));
            for (Memory memory : List.of(Memory.Owned, Memory.Staged, Memory.Ipc)) {
                part(memory.name(), () -> restores.throughTheProtocol(memory, snapshot));
            }
            last = snapshot;
        }
        if (last != null) {
            SampleSnapshot snapshot = last;
            part("survival", () -> restores.survival(snapshot));
        }
        part("wrong", this::wrongUses);
        failed |= report.rows()
                .stream()
                .anyMatch(row -> row.unit().equals("bool") && row.value() == 0);
        clean();
    }

    private long room() throws IOException {
        return Files.getFileStore(folder).getUsableSpace();
    }

    private void describe(CudaContext context, boolean standIn) throws CudaUnavailableException {
        int version = CudaContext.driverVersion();
        report.machine("device", context.name() + ", " + context.uuid() + ", " + context.architecture());
        report.machine("driver", "CUDA " + version / 1_000 + "." + version % 1_000 / 10);
        report.machine("device memory", (context.totalBytes() >> 20) + " MiB");
        report.machine("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        report.machine("java", System.getProperty("java.vm.version"));
        report.machine("kernel", System.getProperty("os.version"));
        if (standIn) {
            report.machine("note", "the stand-in: no figure here says anything about a GPU");
            report.missing("limits", "everything about a real GPU: its figures, its error codes, its timing");
        }
    }

    private void wrongUses() throws IOException {
        try (Child child = Child.start(WrongUses.class.getName(), Map.of(), folder.resolve("children.log"),
                List.of())) {
            for (String line = child.next(); line != null; line = child.next()) {
                String[] words = line.split(" ", 4);
                if (words[0].equals("use")) {
                    report.expected("wrong", words[3], Integer.parseInt(words[1]), "CUresult",
                            Integer.parseInt(words[2]), null);
                }
            }
        }
    }

    /** Snapshots are large. The logs stay. */
    private void clean() throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                if (path.startsWith(folder) && !path.equals(folder) && !path.toString().endsWith(".log")) {
                    Files.deleteIfExists(path);
                }
            }
        }
    }
}

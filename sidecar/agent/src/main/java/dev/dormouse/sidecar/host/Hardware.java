package dev.dormouse.sidecar.host;

import dev.dormouse.sidecar.device.Accelerator;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What this container runs on (BL42).
 *
 * @param cpu as the kernel calls the processor; empty where it does not
 * @param cores that this process may use
 * @param memoryBytes of the machine
 * @param memoryLimitBytes what the container may use of it: its cgroup's limit, or all
 * @param accelerators that the sidecar itself sees: none where only the engine has a GPU
 */
public record Hardware(String os, String cpu, int cores, long memoryBytes, long memoryLimitBytes,
        List<Accelerator> accelerators) {
    public Hardware {
        accelerators = List.copyOf(accelerators);
    }

    public static Hardware of(HostFiles files, Optional<Accelerator> accelerator) throws IOException {
        return new Hardware(System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                + System.getProperty("os.arch"), files.cpu(), Runtime.getRuntime().availableProcessors(),
                files.memoryBytes(), files.memoryLimitBytes(), accelerator.stream().toList());
    }

    /** For people: a line for each thing. */
    public String text() {
        StringBuilder text = new StringBuilder(256);
        line(text, "os", os);
        line(text, "cpu", "%d cores%s".formatted(cores, cpu.isEmpty() ? "" : " of " + cpu));
        line(text, "memory", memoryLimitBytes < memoryBytes
                ? "%s of %s".formatted(gib(memoryLimitBytes), gib(memoryBytes))
                : gib(memoryBytes));
        if (accelerators.isEmpty()) {
            line(text, "gpu", "none that the sidecar sees");
        }
        for (Accelerator gpu : accelerators) {
            line(text, "gpu", "%s (%s), %s, %s, driver %s, CUDA %d.%d".formatted(gpu.name(), gpu.architecture(),
                    gib(gpu.memoryBytes()), gpu.uuid(), gpu.driver().isEmpty() ? "unknown" : gpu.driver(),
                    gpu.cuda() / 1_000, gpu.cuda() % 1_000 / 10));
        }
        return text.toString();
    }

    private static void line(StringBuilder text, String what, String is) {
        text.append(String.format(Locale.ROOT, "%-7s %s%n", what, is));
    }

    private static String gib(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }
}

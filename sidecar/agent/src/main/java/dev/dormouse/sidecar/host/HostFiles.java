package dev.dormouse.sidecar.host;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What the kernel tells about the machine and about this container's control group (version 2). A container sees its own
 * group as the root; outside of one there are no such files, and what they would say is left out.
 *
 * @param cgroup usually {@code /sys/fs/cgroup}
 * @param proc usually {@code /proc}
 */
public record HostFiles(Path cgroup, Path proc) {
    public static final HostFiles OF_THIS_CONTAINER = new HostFiles(Path.of("/sys/fs/cgroup"), Path.of("/proc"));

    /** How much memory this container may use: its group's limit, or all there is. */
    public long memoryLimitBytes() throws IOException {
        Path limit = cgroup.resolve("memory.max");
        long total = memoryBytes();
        try {
            String text = Files.readString(limit).strip();
            return text.equals("max") ? total : Math.min(total, Long.parseLong(text));
        } catch (NoSuchFileException rootGroup) {
            return total;
        } catch (NumberFormatException e) {
            throw new IOException(limit + " holds neither a number nor max", e);
        }
    }

    /** Of the machine. */
    public long memoryBytes() throws IOException {
        Path info = proc.resolve("meminfo");
        String total = field(info, "MemTotal:");
        if (total == null) {
            throw new IOException(info + " has no line MemTotal:");
        }
        return Long.parseLong(total) * 1_024;
    }

    /** As the kernel calls the processor; empty where it does not. */
    String cpu() throws IOException {
        for (String line : lines(proc.resolve("cpuinfo"))) {
            if (line.startsWith("model name")) {
                return line.substring(line.indexOf(':') + 1).strip();
            }
        }
        return "";
    }

    /** Processor time that the container has had, in microseconds. */
    Optional<Long> cpuMicros() throws IOException {
        return Optional.ofNullable(field(cgroup.resolve("cpu.stat"), "usage_usec ")).map(Long::parseLong);
    }

    /** Memory that the container uses, its page cache included. */
    Optional<Long> memoryUsedBytes() throws IOException {
        return number(cgroup.resolve("memory.current"));
    }

    Optional<Long> swapUsedBytes() throws IOException {
        return number(cgroup.resolve("memory.swap.current"));
    }

    /** Of the machine: runnable processes, the average of a minute. */
    Optional<Double> load() throws IOException {
        return lines(proc.resolve("loadavg")).stream()
                .findFirst()
                .map(line -> Double.parseDouble(line.split(" ", 2)[0]));
    }

    /** What the pod's network interfaces have received and sent, without the loopback one. */
    Traffic traffic() throws IOException {
        long received = 0;
        long sent = 0;
        for (String line : lines(proc.resolve("net/dev"))) {
            int colon = line.indexOf(':');
            if (colon < 0 || line.substring(0, colon).strip().equals("lo")) {
                continue;
            }
            String[] columns = line.substring(colon + 1).strip().split(" +");
            received += Long.parseLong(columns[0]);
            sent += Long.parseLong(columns[8]);
        }
        return new Traffic(received, sent);
    }

    record Traffic(long receivedBytes, long sentBytes) {}

    private static Optional<Long> number(Path file) throws IOException {
        return lines(file).stream().findFirst().map(Long::parseLong);
    }

    /** The word after this beginning of a line. Plain, for the sidecar's start waits for it. */
    private static @Nullable String field(Path file, String beginning) throws IOException {
        for (String line : lines(file)) {
            if (line.startsWith(beginning)) {
                return line.substring(beginning.length()).strip().split(" ")[0];
            }
        }
        return null;
    }

    private static List<String> lines(Path file) throws IOException {
        try {
            return Files.readAllLines(file);
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }
}

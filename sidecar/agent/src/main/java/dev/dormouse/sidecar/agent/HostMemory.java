package dev.dormouse.sidecar.agent;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** How much memory this container may use: its cgroup's limit, or all there is. */
final class HostMemory {
    private static final String TOTAL = "MemTotal:";

    private HostMemory() {}

    static long limitBytes() throws IOException {
        return limitBytes(Path.of("/sys/fs/cgroup/memory.max"), Path.of("/proc/meminfo"));
    }

    /**
     * @param limit a number of bytes, or {@code max}; need not exist
     * @param info with a line {@code MemTotal: n kB}
     */
    static long limitBytes(Path limit, Path info) throws IOException {
        long total = total(info);
        try {
            String text = Files.readString(limit).strip();
            return text.equals("max") ? total : Math.min(total, Long.parseLong(text));
        } catch (NoSuchFileException rootGroup) {
            return total;
        } catch (NumberFormatException e) {
            throw new IOException(limit + " holds neither a number nor max", e);
        }
    }

    private static long total(Path info) throws IOException {
        for (String line : Files.readAllLines(info)) {
            if (line.startsWith(TOTAL)) {
                String[] words = line.substring(TOTAL.length()).strip().split(" ");
                return Long.parseLong(words[0]) * 1_024;
            }
        }
        throw new IOException(info + " has no line " + TOTAL);
    }
}

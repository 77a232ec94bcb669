package dev.dormouse.engine.onnx;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What Linux says about this process. */
final class ProcessMemory {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final String ANONYMOUS = "RssAnon:";

    private ProcessMemory() {}

    /**
     * Resident bytes that belong to this process alone: ONNX Runtime's pre-packed matrices and activations, and the
     * JVM's heap; neither files nor memory shared with the sidecar.
     */
    static long anonymousBytes() throws IOException {
        for (String line : Files.readAllLines(STATUS)) {
            if (line.startsWith(ANONYMOUS)) {
                String kibibytes = line.substring(ANONYMOUS.length()).replace("kB", "").strip();
                return Long.parseLong(kibibytes) * 1024;
            }
        }
        throw new IOException(STATUS + " has no " + ANONYMOUS);
    }
}

package dev.dormouse.engine.onnx;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Points both libraries at the natives that the build unpacked, so that no start extracts 35 MB into a temp folder. */
final class NativeLibraries {
    private NativeLibraries() {}

    /** Before the first use of either library. Settings that are there already win. */
    static void use() {
        Path folder = home().resolve("native").resolve(System.getProperty("os.arch"));
        if (Files.isDirectory(folder)) {
            setDefault("onnxruntime.native.path", folder);
            // A folder would do, but then DJL asks for the GPU's architecture and fails where a driver is missing.
            setDefault("RUST_LIBRARY_PATH", folder.resolve("libtokenizers.so"));
        }
        System.setProperty("ai.djl.offline", "true"); // it would look for a GPU build on the network
        System.setProperty("org.slf4j.simpleLogger.log.ai.djl", "error"); // it warns of every GPU it does not need
    }

    /** Next to our jar; from class folders, the sibling {@code app}. */
    private static Path home() {
        try {
            Path self = Path.of(NativeLibraries.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            return Files.isDirectory(self) ? self.resolveSibling("app") : self.resolveSibling("");
        } catch (URISyntaxException e) {
            throw new IllegalStateException("a class path entry is no path", e);
        }
    }

    private static void setDefault(String property, Path path) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, path.toString());
        }
    }
}

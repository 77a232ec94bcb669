package dev.dormouse.sidecar.format;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The native part of zstd-jni. By itself it unpacks it into the temp folder, which a container may not have, or not allow
 * to execute from; where {@code java.library.path} has it, it is taken from there.
 */
public final class ZstdLibrary {
    /** Where zstd-jni looks first. */
    private static final String PATH = "ZstdNativePath";

    private ZstdLibrary() {}

    /** To be called before the first use of zstd. */
    public static void locate() throws IOException {
        if (System.getProperty(PATH) != null) {
            return;
        }
        for (String entry : System.getProperty("java.library.path", "").split(File.pathSeparator)) {
            Path folder = Path.of(entry);
            if (entry.isEmpty() || !Files.isDirectory(folder)) {
                continue;
            }
            try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "libzstd-jni-*.so")) {
                for (Path library : found) {
                    System.setProperty(PATH, library.toAbsolutePath().toString());
                    return;
                }
            }
        }
    }
}

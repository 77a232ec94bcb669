package dev.dormouse.engine.onnx.model;

import ai.onnxruntime.OrtEnvironment;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Objects;

/**
 * ONNX Runtime and the tokenizers library, loaded side by side while the sidecar restores the weights.
 *
 * <p>Left alone, both jars unpack 35 MB into the temp folder at every start. The build has unpacked them beside our own
 * jar ({@code native/<os.arch>/}), and from there they are loaded.
 */
public final class NativeLibraries {
    /** System property: a folder to use instead. */
    private static final String FOLDER = "dormouse.native";

    private final Background<OrtEnvironment> runtime;
    private final Background<Path> tokenizers;

    private NativeLibraries(Background<OrtEnvironment> runtime, Background<Path> tokenizers) {
        this.runtime = runtime;
        this.tokenizers = tokenizers;
    }

    /** Begins to load; must come before the first use of either library. */
    public static NativeLibraries load() throws IOException {
        Path folder = folder();
        if (!Files.isDirectory(folder)) {
            throw new NoSuchFileException(folder.toString(), null, "no native libraries for this platform ("
                    + System.getProperty("os.arch") + "); the build unpacks those for Linux on amd64 and aarch64");
        }
        System.setProperty("onnxruntime.native.path", folder.resolve("onnxruntime").toString());
        return new NativeLibraries(Background.start("onnxruntime", OrtEnvironment::getEnvironment),
                Background.start("tokenizers", () -> loadTokenizers(folder.resolve("tokenizers"))));
    }

    private static Path folder() {
        String given = System.getProperty(FOLDER);
        if (given != null) {
            return Path.of(given);
        }
        try {
            Path code = Path.of(NativeLibraries.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            return code.resolveSibling("native").resolve(System.getProperty("os.arch"));
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Path loadTokenizers(Path folder) {
        Path library = folder.resolve(System.mapLibraryName("tokenizers")).toAbsolutePath();
        System.load(library.toString());
        return library;
    }

    /** Of the Java half, which is released together with the native one; known before either is loaded. */
    public static String runtimeVersion() {
        return Objects.requireNonNull(OrtEnvironment.class.getPackage().getImplementationVersion(),
                "The onnxruntime jar does not name its version");
    }

    public OrtEnvironment runtime() throws IOException {
        return runtime.get();
    }

    /** Returns when a {@link TextTokenizer} can be made. */
    public void awaitTokenizers() throws IOException {
        tokenizers.get();
    }
}

package dev.dormouse.engine.onnx;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.onnxruntime.OrtEnvironment;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * ONNX Runtime and the tokenizers library, loaded side by side while the sidecar restores the weights.
 *
 * <p>Both jars would unpack 35 MB into the temp folder at every start. The build has unpacked them beside our own jar
 * ({@code native/}), and that is where they are loaded from; elsewhere (an IDE, another platform) the jars do as they
 * like.
 */
final class NativeLibraries {
    private static final Logger LOG = LoggerFactory.getLogger(NativeLibraries.class);

    private final Background<OrtEnvironment> runtime;
    private final Background<Boolean> tokenizers;

    private NativeLibraries(Background<OrtEnvironment> runtime, Background<Boolean> tokenizers) {
        this.runtime = runtime;
        this.tokenizers = tokenizers;
    }

    /** Begins to load; must come before the first use of either library. */
    static NativeLibraries load() {
        point("onnxruntime.native.path", "onnxruntime");
        point("RUST_LIBRARY_PATH", "tokenizers");
        // The tokenizers' library would otherwise ask a cloud's metadata server who runs it, and report that.
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
        return new NativeLibraries(Background.start("onnxruntime", OrtEnvironment::getEnvironment),
                Background.start("tokenizers", () -> {
                    LibUtils.checkStatus();
                    return true;
                }));
    }

    /** Of the Java half, which is released together with the native one; known before either is loaded. */
    static String runtimeVersion() {
        return Objects.requireNonNull(OrtEnvironment.class.getPackage().getImplementationVersion(),
                "The onnxruntime jar does not name its version");
    }

    OrtEnvironment runtime() throws IOException {
        return runtime.get();
    }

    void awaitTokenizers() throws IOException {
        tokenizers.get();
    }

    private static void point(String property, String library) {
        Path folder = unpacked().resolve(library);
        if (System.getProperty(property) == null && Files.isDirectory(folder)) {
            System.setProperty(property, folder.toString());
        }
        LOG.debug("native {}: {}", library, System.getProperty(property, "unpacked by its jar"));
    }

    private static Path unpacked() {
        try {
            Path code = Path.of(NativeLibraries.class.getProtectionDomain().getCodeSource().getLocation().toURI());
            return code.resolveSibling("native").resolve(System.getProperty("os.arch"));
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}

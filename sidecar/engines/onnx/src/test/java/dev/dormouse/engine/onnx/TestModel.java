package dev.dormouse.engine.onnx;

import ai.onnxruntime.OrtEnvironment;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.engine.onnx.model.ModelFiles;
import dev.dormouse.engine.onnx.model.ModelSettings;
import dev.dormouse.engine.onnx.model.NativeLibraries;
import dev.dormouse.engine.onnx.model.TextTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** all-MiniLM-L6-v2, as the build has unpacked it: 22.7 million parameters, 384 dimensions. */
public record TestModel(ModelFiles files, ModelSettings settings, OrtEnvironment environment) {

    public static TestModel load() throws IOException {
        NativeLibraries natives = NativeLibraries.load();
        ModelFiles files = ModelFiles.find(folder());
        ModelSettings settings = ModelSettings.read(files, new ObjectMapper());
        natives.awaitTokenizers();
        return new TestModel(files, settings, natives.runtime());
    }

    public static Path folder() {
        return Path.of(System.getProperty("dormouse.test.model"));
    }

    public TextTokenizer tokenizer() throws IOException {
        return new TextTokenizer(Files.readAllBytes(files.tokenizer()), settings.maxTokens());
    }
}

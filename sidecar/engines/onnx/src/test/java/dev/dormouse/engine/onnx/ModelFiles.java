package dev.dormouse.engine.onnx;

import java.nio.file.Path;

/** The real model that the build unpacks: all-MiniLM-L6-v2. */
final class ModelFiles {
    static final Path FOLDER = Path.of("target/models/all-minilm-l6-v2");
    static final Path ONNX = FOLDER.resolve("all-minilm-l6-v2.onnx");
    static final Path TOKENIZER = FOLDER.resolve("all-minilm-l6-v2-tokenizer.json");

    private ModelFiles() {}
}

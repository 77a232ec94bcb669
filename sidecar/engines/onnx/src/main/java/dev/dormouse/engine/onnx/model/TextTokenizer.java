package dev.dormouse.engine.onnx.model;

import static java.nio.charset.StandardCharsets.UTF_8;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.ArrayList;
import java.util.List;

/**
 * Texts to token ids, by the model's own {@code tokenizer.json}. Safe for several threads until it is closed.
 *
 * <p>Talks to the native library directly: {@code HuggingFaceTokenizer} around it looks for GPUs and a telemetry server
 * first (half a second), and turns each token into five Java objects that nobody here reads.
 */
public final class TextTokenizer implements AutoCloseable {
    private static final TokenizersLibrary NATIVE = TokenizersLibrary.LIB;

    private final long handle;

    /**
     * Needs {@link NativeLibraries#awaitTokenizers} before.
     *
     * @param tokenizerJson the file's content
     * @param maxTokens longer texts are cut, special tokens included
     * @throws RuntimeException saying what is wrong with the file
     */
    public TextTokenizer(byte[] tokenizerJson, int maxTokens) {
        handle = NATIVE.createTokenizerFromString(new String(tokenizerJson, UTF_8));
        NATIVE.setTruncation(handle, maxTokens, "LONGEST_FIRST", 0);
        // The file may ask for padding to a fixed length; a batch knows better.
        NATIVE.disablePadding(handle);
    }

    /** Token ids of each text, special tokens included, not padded. */
    public List<long[]> encode(List<String> texts) {
        long[] encodings = NATIVE.batchEncode(handle, texts.toArray(String[]::new), true);
        try {
            List<long[]> ids = new ArrayList<>(encodings.length);
            for (long encoding : encodings) {
                ids.add(NATIVE.getTokenIds(encoding));
            }
            return ids;
        } finally {
            for (long encoding : encodings) {
                NATIVE.deleteEncoding(encoding);
            }
        }
    }

    @Override
    public void close() {
        NATIVE.deleteTokenizer(handle);
    }
}

package dev.dormouse.engine.onnx;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/** The model's own tokenizer; longer texts are cut to the model's window. */
final class Tokenizer implements AutoCloseable {
    static final int WINDOW = 512;

    private final HuggingFaceTokenizer tokenizer;

    /** @param json a {@code tokenizer.json} */
    Tokenizer(byte[] json) throws IOException {
        tokenizer = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), Map.of("truncation", "true",
                "maxLength", Integer.toString(WINDOW), "padding", "false"));
    }

    /** Token ids per text, special tokens included. */
    List<long[]> encode(List<String> texts) {
        Encoding[] encodings = tokenizer.batchEncode(texts);
        return java.util.Arrays.stream(encodings).map(Encoding::getIds).toList();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}

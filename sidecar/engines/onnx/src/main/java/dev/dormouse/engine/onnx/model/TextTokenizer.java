package dev.dormouse.engine.onnx.model;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Texts to token ids, by the model's own {@code tokenizer.json}. Safe for several threads. */
public final class TextTokenizer implements AutoCloseable {
    private final HuggingFaceTokenizer tokenizer;

    /** @param tokenizerJson read to its end */
    public TextTokenizer(InputStream tokenizerJson, int maxTokens) throws IOException {
        String max = Integer.toString(maxTokens);
        // Padding is the batch's business: only there it is known to which length.
        tokenizer = HuggingFaceTokenizer.newInstance(tokenizerJson, Map.of("truncation", "longest_first", "padding",
                "do_not_pad", "maxLength", max, "modelMaxLength", max));
    }

    /** Token ids of each text, special tokens included, cut to the longest the model can take, not padded. */
    public List<long[]> encode(List<String> texts) {
        return Arrays.stream(tokenizer.batchEncode(texts)).map(Encoding::getIds).toList();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}

package dev.dormouse.engine.onnx.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What the files beside an ONNX graph say about how it is to be used. Read from them once and kept in the snapshot's
 * file set, so that a wake reads nothing from the source.
 *
 * @param maxTokens longer texts are cut to this many tokens, special ones included
 * @param padId token that fills up shorter texts of a batch; masked out
 * @param vocabulary token ids are below this
 */
public record ModelSettings(int maxTokens, long padId, int vocabulary, Pooling pooling) {
    private static final int DEFAULT_MAX_TOKENS = 512;
    /** Fewer would leave no room beside the special tokens. */
    private static final int MIN_MAX_TOKENS = 8;
    /** Hugging Face writes 1e30 for "not known". */
    private static final int MAX_MAX_TOKENS = 1 << 20;

    /** How the vectors of a text's tokens become the vector of the text. */
    public enum Pooling {
        /** The mean over the tokens that the attention mask lets through. */
        Mean,
        /** The vector of the first token. */
        Cls
    }

    public ModelSettings {
        if (maxTokens < MIN_MAX_TOKENS || padId < 0 || vocabulary < 1) {
            throw new IllegalArgumentException("Model settings out of range: maxTokens " + maxTokens + ", padId "
                    + padId + ", vocabulary " + vocabulary);
        }
    }

    public static ModelSettings read(ModelFiles files, ObjectMapper json) throws IOException {
        JsonNode tokenizer = json.readTree(files.tokenizer().toFile());
        return new ModelSettings(maxTokens(files.folder(), json), tokenizer.at("/padding/pad_id").asLong(0),
                vocabulary(tokenizer, files.tokenizer()), pooling(files.folder(), json));
    }

    /** The tokenizer's own truncation is not asked: it is a leftover of training (128 for a model that can do 512). */
    private static int maxTokens(Path folder, ObjectMapper json) throws IOException {
        int sentence = optional(folder.resolve("sentence_bert_config.json"), json).path("max_seq_length").asInt(0);
        if (sentence > 0) {
            return sentence;
        }
        double tokens = optional(folder.resolve("tokenizer_config.json"), json).path("model_max_length").asDouble(0);
        return tokens >= 1 && tokens <= MAX_MAX_TOKENS ? (int) tokens : DEFAULT_MAX_TOKENS;
    }

    private static int vocabulary(JsonNode tokenizer, Path file) throws IOException {
        // An object of token to id, or for unigram models an array of [token, score].
        int size = tokenizer.at("/model/vocab").size();
        for (JsonNode added : tokenizer.path("added_tokens")) {
            size = Math.max(size, added.path("id").asInt() + 1);
        }
        if (size == 0) {
            throw new IOException("No vocabulary in " + file + "; is it a tokenizer.json of Hugging Face tokenizers?");
        }
        return size;
    }

    private static Pooling pooling(Path folder, ObjectMapper json) throws IOException {
        JsonNode pooling = optional(folder.resolve("1_Pooling/config.json"), json);
        if (pooling.path("pooling_mode_cls_token").asBoolean()) {
            return Pooling.Cls;
        }
        if (pooling.path("pooling_mode_mean_tokens").asBoolean(true)) {
            return Pooling.Mean;
        }
        throw new IOException("1_Pooling/config.json asks for a pooling other than mean or cls: " + pooling);
    }

    private static JsonNode optional(Path file, ObjectMapper json) throws IOException {
        return Files.exists(file) ? json.readTree(file.toFile()) : json.missingNode();
    }
}

package dev.dormouse.engine.onnx;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A checked body of {@code POST /v1/embeddings}.
 *
 * @param texts what to embed; empty when {@code tokens} is not
 * @param tokens token ids per text, for clients that tokenize themselves
 * @param base64 whether the vectors are wanted as base64 of little-endian floats
 */
record EmbeddingRequest(List<String> texts, List<long[]> tokens, boolean base64) {
    static final int MOST_INPUTS = 2048;

    private static final ObjectMapper JSON = new ObjectMapper();

    static EmbeddingRequest parse(byte[] body, String modelName) throws ApiException {
        JsonNode json;
        try {
            json = JSON.readTree(body);
        } catch (JacksonException e) {
            throw ApiException.badRequest("", "the body is not JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw ApiException.badRequest("", "the body cannot be read: " + e.getMessage());
        }
        if (json == null || !json.isObject()) {
            throw ApiException.badRequest("", "the body must be a JSON object");
        }
        JsonNode model = json.path("model");
        if (!model.isTextual()) {
            throw ApiException.badRequest("model", "model must be a string");
        }
        String bare = model.asText().substring(model.asText().lastIndexOf('/') + 1);
        if (!bare.equals(modelName) && !model.asText().contains("/")) {
            throw new ApiException(404, "model_not_found", "model",
                    "this engine serves " + modelName + ", not " + model.asText());
        }
        if (json.hasNonNull("dimensions")) {
            throw ApiException.badRequest("dimensions", "this model's embeddings have one size; leave dimensions out");
        }
        String format = json.path("encoding_format").asText("float");
        if (!format.equals("float") && !format.equals("base64")) {
            throw ApiException.badRequest("encoding_format", "encoding_format must be float or base64, not " + format);
        }
        return inputs(json.path("input"), format.equals("base64"));
    }

    private static EmbeddingRequest inputs(JsonNode input, boolean base64) throws ApiException {
        List<String> texts = new ArrayList<>();
        List<long[]> tokens = new ArrayList<>();
        if (input.isTextual()) {
            texts.add(input.asText());
        } else if (input.isArray() && !input.isEmpty() && input.get(0).isIntegralNumber()) {
            tokens.add(ids(input));
        } else if (input.isArray() && !input.isEmpty()) {
            for (JsonNode item : input) {
                if (item.isTextual()) {
                    texts.add(item.asText());
                } else {
                    tokens.add(ids(item));
                }
            }
        } else {
            throw ApiException.badRequest("input", "input must be a string or a non-empty array");
        }
        if (!texts.isEmpty() && !tokens.isEmpty()) {
            throw ApiException.badRequest("input", "input mixes strings and token arrays");
        }
        if (texts.size() + tokens.size() > MOST_INPUTS) {
            throw ApiException.badRequest("input", "input has more than " + MOST_INPUTS + " items");
        }
        if (texts.stream().anyMatch(String::isEmpty)) {
            throw ApiException.badRequest("input", "input must not hold an empty string");
        }
        return new EmbeddingRequest(List.copyOf(texts), List.copyOf(tokens), base64);
    }

    private static long[] ids(JsonNode item) throws ApiException {
        if (!item.isArray() || item.isEmpty() || item.size() > Tokenizer.WINDOW) {
            throw ApiException.badRequest("input",
                    "an item of input must be a string or 1 to " + Tokenizer.WINDOW + " token ids");
        }
        long[] ids = new long[item.size()];
        for (int i = 0; i < ids.length; i++) {
            if (!item.get(i).isIntegralNumber() || item.get(i).asLong() < 0) {
                throw ApiException.badRequest("input", "token ids must be whole numbers");
            }
            ids[i] = item.get(i).asLong();
        }
        return ids;
    }
}

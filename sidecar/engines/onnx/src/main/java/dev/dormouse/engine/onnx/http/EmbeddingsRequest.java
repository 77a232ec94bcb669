package dev.dormouse.engine.onnx.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;

/**
 * A valid body of {@code POST /v1/embeddings}. Fields that OpenAI does not define are ignored, as its own service does.
 *
 * @param input texts, or token ids of this model's tokenizer
 * @param base64 whether vectors are wanted as base64 of little-endian floats; the official clients ask for that
 */
record EmbeddingsRequest(String model, Input input, boolean base64) {
    /** OpenAI's own bound. */
    static final int MAX_INPUTS = 2048;

    sealed interface Input {
        int size();

        record Texts(List<String> texts) implements Input {
            @Override
            public int size() {
                return texts.size();
            }
        }

        /** Taken as they are: no special tokens are added. */
        record Tokens(List<long[]> ids) implements Input {
            @Override
            public int size() {
                return ids.size();
            }
        }
    }

    /** @throws ApiException naming the field that is wrong and what it must be */
    static EmbeddingsRequest parse(ObjectMapper json, byte[] body) throws ApiException, IOException {
        JsonNode root;
        try {
            root = json.readTree(body);
        } catch (JsonProcessingException e) {
            throw ApiException.badRequest(null, "The body is not valid JSON: " + e.getOriginalMessage());
        }
        if (!root.isObject()) {
            throw ApiException.badRequest(null, "The body must be a JSON object with model and input");
        }
        JsonNode model = root.path("model");
        if (!model.isTextual() || model.asText().isEmpty()) {
            throw ApiException.badRequest("model", "model is required: the name of the model, as a string");
        }
        if (root.hasNonNull("dimensions")) {
            throw ApiException.badRequest("dimensions",
                    "dimensions is not supported: this model's vectors have one fixed length; leave it out");
        }
        return new EmbeddingsRequest(model.asText(), input(root.path("input")), base64(root.path("encoding_format")));
    }

    private static boolean base64(JsonNode format) throws ApiException {
        if (format.isMissingNode() || format.isNull()) {
            return false;
        }
        return switch (format.asText()) {
            case "float" -> false;
            case "base64" -> true;
            default -> throw ApiException.badRequest("encoding_format",
                    "encoding_format must be float or base64, not " + format);
        };
    }

    private static Input input(JsonNode input) throws ApiException {
        if (input.isTextual()) {
            return new Input.Texts(List.of(text(input)));
        }
        if (!input.isArray() || input.isEmpty()) {
            throw ApiException.badRequest("input",
                    "input is required: a string, an array of strings, or an array of token ids, none of them empty");
        }
        if (input.get(0).isNumber()) {
            return new Input.Tokens(List.of(tokens(input)));
        }
        if (input.size() > MAX_INPUTS) {
            throw ApiException.badRequest("input",
                    "input has " + input.size() + " items; at most " + MAX_INPUTS
                            + " are allowed: send several requests");
        }
        if (input.get(0).isArray()) {
            List<long[]> ids = new ArrayList<>(input.size());
            for (JsonNode item : input) {
                ids.add(tokens(item));
            }
            return new Input.Tokens(ids);
        }
        List<String> texts = new ArrayList<>(input.size());
        for (JsonNode item : input) {
            texts.add(text(item));
        }
        return new Input.Texts(texts);
    }

    private static String text(JsonNode item) throws ApiException {
        if (!item.isTextual() || item.asText().isEmpty()) {
            throw ApiException.badRequest("input",
                    "Every item of input must be of one kind and not empty: " + shown(item)
                            + " is no text");
        }
        return item.asText();
    }

    private static long[] tokens(JsonNode item) throws ApiException {
        boolean integers = item.isArray() && !item.isEmpty()
                && StreamSupport.stream(item.spliterator(), false)
                        .allMatch(id -> id.isIntegralNumber() && id.canConvertToLong());
        if (!integers) {
            throw ApiException.badRequest("input",
                    "Every item of input must be of one kind and not empty: " + shown(item)
                            + " is no array of token ids");
        }
        long[] ids = new long[item.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = item.get(i).asLong();
        }
        return ids;
    }

    private static String shown(JsonNode item) {
        String text = item.toString();
        return text.length() <= 40 ? text : text.substring(0, 40) + "…";
    }
}

package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.async.ByteArrayFeeder;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;

/** A JSON object whose top-level field {@code "model"} is looked for without keeping the rest of it. */
final class JsonBody {
    private static final JsonFactory JSON = new JsonFactory();

    private JsonBody() {}

    /** Whether the object has this top-level field and it is {@code true}, as far as can be seen. */
    static boolean isTrue(String field, byte[] body) {
        try (JsonParser parser = JSON.createParser(body)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                if (parser.nextToken() == JsonToken.VALUE_TRUE && name.equals(field)) {
                    return true;
                }
                parser.skipChildren();
            }
            return false;
        } catch (IOException e) {
            return false; // Cut short, or not JSON: whoever routes it by its model has said so already.
        }
    }

    /**
     * @param body the body, or its beginning, cut anywhere
     * @param complete whether this is all of it; only then can everything be checked
     */
    static ModelField model(byte[] body, boolean complete) {
        if (complete && isBlank(body)) {
            return new ModelField.Missing();
        }
        // A blocking parser calls a body malformed that is cut behind a comma or within a word or a number.
        try (JsonParser parser = JSON.createNonBlockingByteArrayParser()) {
            ByteArrayFeeder feeder = (ByteArrayFeeder) parser.getNonBlockingInputFeeder();
            feeder.feedInput(body, 0, body.length);
            if (complete) {
                feeder.endOfInput();
            }
            return model(parser, complete);
        } catch (JsonProcessingException e) {
            return malformed(e);
        } catch (IOException e) {
            throw new UncheckedIOException("reading from memory failed", e);
        }
    }

    private static ModelField model(JsonParser parser, boolean complete) throws IOException {
        JsonToken first = next(parser, complete);
        if (first == JsonToken.NOT_AVAILABLE) {
            return new ModelField.NotYet();
        }
        if (first != JsonToken.START_OBJECT) {
            return new ModelField.Malformed("the body must be a JSON object");
        }
        String name = null;
        boolean nameFollows = false;
        int depth = 1;
        while (depth > 0) {
            JsonToken token = next(parser, complete);
            if (token == null || token == JsonToken.NOT_AVAILABLE) {
                return name == null ? new ModelField.NotYet() : new ModelField.Named(name);
            }
            if (nameFollows && token != JsonToken.VALUE_STRING) {
                return new ModelField.Malformed("\"model\" must be a string");
            }
            if (nameFollows) {
                name = parser.getText();
            }
            nameFollows = depth == 1 && token == JsonToken.FIELD_NAME && "model".equals(parser.currentName());
            depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
        }
        JsonToken behind = next(parser, complete);
        if (behind != null && behind != JsonToken.NOT_AVAILABLE) {
            return new ModelField.Malformed("there is something after the JSON object");
        }
        return name == null ? new ModelField.Missing() : new ModelField.Named(name);
    }

    /** A token that the end of the input cuts short is reported as missing first, and as an error only when asked again. */
    private static @Nullable JsonToken next(JsonParser parser, boolean complete) throws IOException {
        JsonToken token = parser.nextToken();
        return complete && token == JsonToken.NOT_AVAILABLE ? parser.nextToken() : token;
    }

    /** Never the parser's own message: it quotes the body, which is a prompt. */
    private static ModelField malformed(JsonProcessingException e) {
        return new ModelField.Malformed(
                "the body is not valid JSON (line %d, column %d)".formatted(e.getLocation().getLineNr(),
                        e.getLocation().getColumnNr()));
    }

    private static boolean isBlank(byte[] body) {
        for (byte b : body) {
            if (b != ' ' && b != '\n' && b != '\r' && b != '\t') {
                return false;
            }
        }
        return true;
    }
}

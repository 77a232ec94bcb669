package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.async.ByteArrayFeeder;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A JSON object whose top-level field {@code "model"} is looked for without keeping the rest of it. */
final class JsonBody {
    private static final JsonFactory JSON = new JsonFactory();

    private static final Set<String> PROMPTS = Set.of("content", "text", "prompt", "input", "instructions", "system");

    private JsonBody() {}

    /** A top-level field that is text, a number or a truth value, as far as can be seen. */
    static Optional<String> scalar(String field, byte[] body) {
        try (JsonParser parser = JSON.createParser(body)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return Optional.empty();
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                if (parser.nextToken().isScalarValue() && name.equals(field)) {
                    return Optional.of(parser.getText());
                }
                parser.skipChildren();
            }
            return Optional.empty();
        } catch (IOException e) {
            return Optional.empty(); // Cut short, or not JSON: whoever routes it by its model has said so already.
        }
    }

    /** The same body, in which the model has another name. */
    static byte[] renamed(byte[] body, String name) {
        try (JsonParser parser = JSON.createParser(body); ByteArrayOutputStream out = new ByteArrayOutputStream()) {
            int copied = 0;
            parser.nextToken();
            while (parser.nextFieldName() instanceof String field) {
                if (parser.nextToken() == JsonToken.VALUE_STRING && field.equals("model")) {
                    int from = (int) parser.currentTokenLocation().getByteOffset();
                    parser.finishToken();
                    out.write(body, copied, from - copied);
                    out.write('"');
                    out.writeBytes(JsonStringEncoder.getInstance().quoteAsUTF8(name));
                    out.write('"');
                    copied = (int) parser.currentLocation().getByteOffset();
                }
                parser.skipChildren();
                if (copied > 0) {
                    // What follows may be cut short.
                    break;
                }
            }
            out.write(body, copied, body.length - copied);
            return out.toByteArray();
        } catch (IOException e) {
            throw new UncheckedIOException("a body that named its model cannot be read", e);
        }
    }

    /** Text of a prompt, in its order: what requests of one conversation or of one template have in common comes first. */
    static String promptBeginning(byte[] body, int chars) {
        StringBuilder text = new StringBuilder();
        try (JsonParser parser = JSON.createParser(body)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.VALUE_STRING && PROMPTS.contains(String.valueOf(parser.currentName()))) {
                    text.append(parser.getText());
                }
                if (text.length() >= chars) {
                    return text.substring(0, chars);
                }
            }
        } catch (IOException e) {
            // Cut short: what there is, is the beginning.
        }
        return text.toString();
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

package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.jspecify.annotations.Nullable;

/** What a request body says in its top-level field {@code "model"}. */
sealed interface ModelField {

    record Named(String name) implements ModelField {}

    /** The body is complete and names none. */
    record Missing() implements ModelField {}

    /** The body goes on and has not named any so far. */
    record NotYet() implements ModelField {}

    /** @param problem what is wrong and where, for the client */
    record Malformed(String problem) implements ModelField {}

    JsonFactory JSON = new JsonFactory();

    /**
     * @param body the body, or its beginning
     * @param complete whether this is all of it; only then can everything be checked
     */
    static ModelField in(byte[] body, boolean complete) {
        if (complete && isBlank(body)) {
            return new Missing();
        }
        String name = null;
        try (JsonParser parser = JSON.createParser(body)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return new Malformed("the body must be a JSON object");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                if (!"model".equals(parser.currentName())) {
                    parser.nextToken();
                    parser.skipChildren();
                } else if (parser.nextToken() == JsonToken.VALUE_STRING) {
                    name = parser.getText();
                } else if (parser.currentToken() != null) {
                    return new Malformed("\"model\" must be a string");
                }
            }
            if (parser.nextToken() != null) {
                return new Malformed("there is something after the JSON object");
            }
            return name == null ? new Missing() : new Named(name);
        } catch (JsonEOFException e) {
            return complete ? malformed(e) : soFar(name);
        } catch (JsonProcessingException e) {
            return malformed(e);
        } catch (IOException e) {
            throw new UncheckedIOException("reading from memory failed", e);
        }
    }

    private static ModelField soFar(@Nullable String name) {
        return name == null ? new NotYet() : new Named(name);
    }

    /** Never the parser's own message: it quotes the body, which is a prompt. */
    private static ModelField malformed(JsonProcessingException e) {
        return new Malformed("the body is not valid JSON (line %d, column %d)".formatted(e.getLocation().getLineNr(),
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

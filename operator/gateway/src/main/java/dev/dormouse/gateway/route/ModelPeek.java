package dev.dormouse.gateway.route;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.async.ByteArrayFeeder;
import java.io.IOException;
import java.util.Optional;

/**
 * Finds the top-level {@code "model"} of a JSON body as its bytes come, reading no further than needed.
 */
public final class ModelPeek {
    private static final JsonFactory JSON = new JsonFactory();

    /** The body cannot name a model; the message is for the client. */
    public static final class MalformedException extends Exception {
        private static final long serialVersionUID = 1;

        MalformedException(String message) {
            super(message);
        }
    }

    private final JsonParser parser;
    private int depth;
    private boolean atModel;

    public ModelPeek() {
        try {
            parser = JSON.createNonBlockingByteArrayParser();
        } catch (IOException e) {
            throw new IllegalStateException("a parser over no input", e);
        }
    }

    /**
     * @return the model's name once it was seen
     * @throws MalformedException when the bytes so far are not JSON, not an object, or {@code model} is not a string
     */
    public Optional<String> feed(byte[] bytes) throws MalformedException {
        try {
            ((ByteArrayFeeder) parser.getNonBlockingInputFeeder()).feedInput(bytes, 0, bytes.length);
            return scan();
        } catch (IOException e) {
            throw malformed(e);
        }
    }

    /** The body ended without naming a model. */
    public MalformedException ended() {
        ((ByteArrayFeeder) parser.getNonBlockingInputFeeder()).endOfInput();
        try {
            scan();
            while (parser.nextToken() != null) {
                // Only whether the rest is JSON matters: it decides what the client is told.
            }
        } catch (MalformedException e) {
            return e;
        } catch (IOException e) {
            return malformed(e);
        }
        return new MalformedException(
                depth > 0 ? "the body ends in the middle of its JSON" : "you must name a model: {\"model\": \"…\"}");
    }

    private static MalformedException malformed(IOException e) {
        String message = e instanceof com.fasterxml.jackson.core.JacksonException json
                ? json.getOriginalMessage()
                : e.getMessage();
        return new MalformedException("the body is not JSON: " + message);
    }

    private Optional<String> scan() throws IOException, MalformedException {
        for (JsonToken token = parser.nextToken(); token != null && token != JsonToken.NOT_AVAILABLE; token = parser
                .nextToken()) {
            if (atModel) {
                if (token != JsonToken.VALUE_STRING) {
                    throw new MalformedException("model must be a string");
                }
                return Optional.of(parser.getText());
            }
            if (depth == 0 && token != JsonToken.START_OBJECT) {
                throw new MalformedException("the body must be a JSON object");
            }
            depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
            atModel = depth == 1 && token == JsonToken.FIELD_NAME && parser.currentName().equals("model");
        }
        return Optional.empty();
    }
}

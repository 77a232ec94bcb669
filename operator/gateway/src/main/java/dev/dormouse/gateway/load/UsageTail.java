package dev.dormouse.gateway.load;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Finds the last object {@code "usage"} of an answer, JSON or server-sent events, while it passes (BL39). Keeps nothing but
 * such an object: thousands of streams may be open. OpenAI's and Anthropic's protocols put it at the end, so only the end
 * of a large piece is looked at.
 */
public final class UsageTail {
    /** Bytes of a piece that are looked at, its last ones. */
    public static final int LOOKED_AT = 4096;
    private static final int LONGEST_OBJECT = 2048;
    private static final byte[] FIELD = "\"usage\"".getBytes(StandardCharsets.ISO_8859_1);
    private static final int COLON_FOLLOWS = FIELD.length;
    private static final int OBJECT_FOLLOWS = COLON_FOLLOWS + 1;
    private static final JsonFactory JSON = new JsonFactory();

    /** How much of the field, its colon and its brace has been seen. */
    private int matched;
    /** What has been seen of the object, and how many of its braces are open. */
    private @Nullable ByteArrayOutputStream object;
    private int depth;
    private Optional<Usage> found = Optional.empty();

    /** @param end the last {@link #LOOKED_AT} bytes of the next piece, or all of it */
    public void seen(byte[] end) {
        for (byte b : end) {
            if (object != null) {
                within(object, b);
            } else {
                before(b);
            }
        }
    }

    private void before(byte b) {
        if (matched < COLON_FOLLOWS && b == FIELD[matched]) {
            matched++;
        } else if (matched == COLON_FOLLOWS && b == ':') {
            matched = OBJECT_FOLLOWS;
        } else if (matched == OBJECT_FOLLOWS && b == '{') {
            object = new ByteArrayOutputStream();
            depth = 0;
            within(object, b);
        } else if (matched < COLON_FOLLOWS || !isBlank(b)) {
            matched = b == FIELD[0] ? 1 : 0;
        }
    }

    /** Nobody puts braces into the strings of this object; if somebody does, it is not read. */
    private void within(ByteArrayOutputStream seen, byte b) {
        seen.write(b);
        depth += b == '{' ? 1 : b == '}' ? -1 : 0;
        if (depth == 0) {
            found = read(seen.toByteArray()).or(() -> found);
        }
        if (depth == 0 || seen.size() > LONGEST_OBJECT) {
            object = null;
            matched = 0;
        }
    }

    private static boolean isBlank(byte b) {
        return b == ' ' || b == '\t' || b == '\n' || b == '\r';
    }

    /** Absent when the answer has said nothing of it so far, or is compressed. */
    public Optional<Usage> read() {
        return found;
    }

    private static Optional<Usage> read(byte[] object) {
        long input = 0;
        long output = 0;
        long cached = 0;
        try (JsonParser parser = JSON.createParser(object)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.VALUE_NUMBER_INT) {
                    switch (parser.currentName()) {
                        case "prompt_tokens", "input_tokens" -> input = parser.getLongValue();
                        case "completion_tokens", "output_tokens" -> output = parser.getLongValue();
                        case "cached_tokens", "cache_read_input_tokens" -> cached = parser.getLongValue();
                        default -> {
                            // Other counts, such as the total.
                        }
                    }
                }
            }
            return Optional.of(new Usage(input, output, cached));
        } catch (IOException e) {
            return Optional.empty(); // Not JSON after all: a text that speaks of usage.
        }
    }
}

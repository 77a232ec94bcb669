package dev.dormouse.gateway.load;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * Finds the object {@code "usage"} at the end of an answer, JSON or server-sent events, where OpenAI's and Anthropic's
 * protocols put it, by keeping the last few KiB (BL39).
 */
public final class UsageTail {
    private static final int KEPT = 4096;
    private static final String FIELD = "\"usage\"";
    private static final JsonFactory JSON = new JsonFactory();
    private static final byte[] NOTHING = {};

    private byte[] tail = NOTHING;
    private int length;

    public void seen(byte[] piece) {
        if (piece.length >= KEPT) {
            tail = Arrays.copyOfRange(piece, piece.length - KEPT, piece.length);
            length = KEPT;
            return;
        }
        if (length + piece.length > tail.length) {
            // Room for several pieces, so that a stream of small ones is not copied with each.
            byte[] larger = new byte[Math.max(2 * KEPT, piece.length)];
            int keep = Math.min(length, KEPT);
            System.arraycopy(tail, length - keep, larger, 0, keep);
            tail = larger;
            length = keep;
        }
        System.arraycopy(piece, 0, tail, length, piece.length);
        length += piece.length;
    }

    /** Absent when the answer says nothing of it, or is compressed. */
    public Optional<Usage> read() {
        String text = new String(tail, 0, length, StandardCharsets.ISO_8859_1);
        for (int at = text.lastIndexOf(FIELD); at >= 0; at = text.lastIndexOf(FIELD, at - 1)) {
            int object = text.indexOf('{', at);
            if (object >= 0 && text.substring(at + FIELD.length(), object).strip().equals(":")) {
                return read(text.substring(object));
            }
            if (at == 0) {
                break;
            }
        }
        return Optional.empty();
    }

    private static Optional<Usage> read(String object) {
        long input = 0;
        long output = 0;
        long cached = 0;
        try (JsonParser parser = JSON.createParser(object)) {
            int depth = 0;
            do {
                JsonToken token = parser.nextToken();
                if (token == null) {
                    break;
                }
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
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
            } while (depth > 0);
            return Optional.of(new Usage(input, output, cached));
        } catch (IOException e) {
            return Optional.empty(); // Not JSON after all: a text that speaks of usage.
        }
    }
}

package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.dormouse.domain.pattern.Modality;
import dev.dormouse.domain.pattern.RequestSample.Traits;
import java.io.IOException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Finds out what a request is like (W47, W48) from its path, its headers and the beginning of its body. */
final class RequestTraits {
    private static final JsonFactory JSON = new JsonFactory();
    /** What is behind that says little more, and looking costs time. */
    private static final int LOOKED_INTO = 64 << 10;
    private static final int LARGEST_BATCH = 1_000_000;
    private static final Set<String> INPUTS = Set.of("input", "inputs", "prompt", "documents", "texts", "instances");
    private static final Map<String, Modality> PARTS = Map.of("text", Modality.Text, "input_text", Modality.Text,
            "image", Modality.Image, "image_url", Modality.Image, "input_image", Modality.Image, "audio",
            Modality.Audio,
            "input_audio", Modality.Audio, "audio_url", Modality.Audio, "video", Modality.Video, "video_url",
            Modality.Video);
    /** W3C: version, trace id, span id, flags; the last 16 digits of the trace id are the random ones. */
    private static final Pattern TRACE = Pattern
            .compile("[0-9a-f]{2}-[0-9a-f]{16}([0-9a-f]{16})-[0-9a-f]{16}-[0-9a-f]{2}.*");

    private static final int TRACEPARENT_LENGTH = 55;

    private boolean stream;
    private int batch = 1;
    private final Set<Modality> modalities = EnumSet.noneOf(Modality.class);

    private RequestTraits() {}

    /** @param uri path and query as the engine shall see them */
    static Traits of(Inbound in, String uri, Optional<Duration> patience) {
        RequestTraits found = new RequestTraits();
        if (in.isJson()) {
            found.look(in.body().beginning());
        } else if (uri.contains("/audio/")) {
            found.modalities.add(Modality.Audio);
        } else if (uri.contains("/images/")) {
            found.modalities.add(Modality.Image);
        }
        if (found.modalities.isEmpty()) {
            found.modalities.add(Modality.Text);
        }
        return new Traits(batchSize(in.request().getHeader("X-Batch-Size")).orElse(found.batch), patience, found.stream,
                found.modalities, purpose(in.request().getHeader("traceparent")));
    }

    /** By a JSON body alone, which may be cut short. */
    static Traits of(byte[] json) {
        RequestTraits found = new RequestTraits();
        found.look(json);
        if (found.modalities.isEmpty()) {
            found.modalities.add(Modality.Text);
        }
        return new Traits(found.batch, Optional.empty(), found.stream, found.modalities, 0);
    }

    private static Optional<Integer> batchSize(@Nullable String header) {
        try {
            return Optional.ofNullable(header)
                    .map(text -> Math.clamp(Integer.parseInt(text.strip()), 1, LARGEST_BATCH));
        } catch (NumberFormatException e) {
            return Optional.empty(); // A wish that changes nothing but a figure.
        }
    }

    /** Whether it is one that may be shown to others: no more than the fields of version 00. */
    static boolean isTrace(String traceparent) {
        return traceparent.length() == TRACEPARENT_LENGTH && TRACE.matcher(traceparent).matches();
    }

    static long purpose(@Nullable String traceparent) {
        Matcher trace = TRACE.matcher(Objects.requireNonNullElse(traceparent, ""));
        return trace.matches() ? Long.parseUnsignedLong(trace.group(1), 16) : 0;
    }

    private void look(byte[] body) {
        try (JsonParser parser = JSON.createParser(body, 0, Math.min(body.length, LOOKED_INTO))) {
            if (parser.nextToken() == JsonToken.START_OBJECT) {
                for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
                    field(field, parser);
                }
            }
        } catch (IOException e) {
            // Cut short: what has been seen counts.
        }
    }

    private void field(String name, JsonParser parser) throws IOException {
        JsonToken value = parser.nextToken();
        if (name.equals("stream")) {
            stream = value == JsonToken.VALUE_TRUE;
        } else if (INPUTS.contains(name) && value == JsonToken.START_ARRAY) {
            inputs(parser);
        } else if (value.isStructStart()) {
            parts(parser);
        }
    }

    /** Texts, lists of tokens, or messages; a list of numbers is one input, in tokens. */
    private void inputs(JsonParser parser) throws IOException {
        int count = 0;
        boolean messages = false;
        for (JsonToken token = parser.nextToken(); token != JsonToken.END_ARRAY && token != null; token = parser
                .nextToken()) {
            messages |= token == JsonToken.START_OBJECT;
            if (token.isStructStart()) {
                parts(parser);
            }
            count += token.isNumeric() ? 0 : 1;
            batch = messages ? 1 : Math.max(1, count);
        }
    }

    /** Of messages, as chats and responses have them. */
    private void parts(JsonParser parser) throws IOException {
        int depth = 1;
        while (depth > 0) {
            JsonToken token = parser.nextToken();
            if (token == null) {
                return;
            }
            depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
            if (token == JsonToken.VALUE_STRING && "type".equals(parser.currentName())) {
                Modality part = PARTS.get(parser.getText());
                if (part != null) {
                    modalities.add(part);
                }
            }
        }
    }
}

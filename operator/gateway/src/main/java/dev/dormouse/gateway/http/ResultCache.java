package dev.dormouse.gateway.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import com.github.benmanes.caffeine.cache.Ticker;
import dev.dormouse.gateway.route.ApiKey;
import dev.dormouse.gateway.route.ModelRoute;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Answers that were given before (W34–W36), for models whose resource wants it. Bounded in bytes; what is rarely asked for
 * goes first (W-TinyLFU, which is neither LRU nor LFU and beats both). A remembered answer wakes no model.
 */
final class ResultCache {
    private static final int LARGEST_ANSWER_BYTES = 1 << 20;
    private static final int OVERHEAD_BYTES = 200;
    private static final ObjectMapper CANONICAL = JsonMapper.builder()
            .enable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS)
            .build();

    /**
     * Everything an answer depends on.
     *
     * @param digest of the body with its fields in order: prompts themselves are not kept
     */
    record Key(String model, String revision, String path, String tenant, String digest) {}

    record Answer(String contentType, byte[] body, Duration ttl) {}

    private final Cache<Key, Answer> answers;

    /** @param bytes most bytes of answers that are kept */
    ResultCache(long bytes, Ticker ticker) {
        answers = Caffeine.newBuilder()
                .maximumWeight(bytes)
                .weigher((Key key, Answer answer) -> answer.body().length + OVERHEAD_BYTES)
                .expireAfter(Expiry.creating((Key key, Answer answer) -> answer.ttl()))
                .ticker(ticker)
                // On the event loop: what is to be evicted is a few entries.
                .executor(Runnable::run)
                .build();
    }

    /** Absent for what is never answered from memory: streams, bodies that are not seen whole, clients that forbid it. */
    Optional<Key> key(Inbound in, ModelRoute model, String uri) {
        HttpServerRequest request = in.request();
        String control = Objects.requireNonNullElse(request.getHeader("Cache-Control"), "");
        if (model.traffic().caching().isEmpty() || request.method() != HttpMethod.POST || !in.body().complete()
                || !in.isJson() || control.contains("no-store") || control.contains("no-cache")) {
            return Optional.empty();
        }
        try {
            JsonNode body = CANONICAL.readTree(in.body().beginning());
            if (body == null || !body.isObject() || body.path("stream").asBoolean()) {
                return Optional.empty();
            }
            String canonical = CANONICAL.writeValueAsString(CANONICAL.treeToValue(body, Object.class));
            return Optional.of(new Key(model.key().toString(), model.traffic().caching().get().revision(), uri,
                    in.key().map(ApiKey::name).orElse(""), ApiKey.digest(canonical)));
        } catch (IOException e) {
            return Optional.empty(); // Not JSON: the engine shall say so.
        }
    }

    @Nullable
    Answer find(Key key) {
        return answers.getIfPresent(key);
    }

    /** Collects one answer on its way to the client. */
    final class Recording {
        private final Key key;
        private final Duration ttl;
        private final String contentType;
        private final List<byte[]> pieces = new java.util.ArrayList<>();
        private int bytes;

        Recording(Key key, Duration ttl, String contentType) {
            this.key = key;
            this.ttl = ttl;
            this.contentType = contentType;
        }

        void add(byte[] piece) {
            bytes += piece.length;
            if (bytes <= LARGEST_ANSWER_BYTES) {
                pieces.add(piece);
            } else {
                pieces.clear();
            }
        }

        /** The answer was whole. */
        void keep() {
            if (bytes > LARGEST_ANSWER_BYTES) {
                return;
            }
            byte[] whole = new byte[bytes];
            int at = 0;
            for (byte[] piece : pieces) {
                System.arraycopy(piece, 0, whole, at, piece.length);
                at += piece.length;
            }
            answers.put(key, new Answer(contentType, whole, ttl));
        }
    }
}

package dev.dormouse.gateway.http;

import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Brings an engine's answer to the client: as it is, into a stream that has begun while the model woke, or through a
 * tunnel; remembers it on its way if it may be given again. Owned by the event loop.
 */
final class AnswerRelay {
    private static final Set<String> HEADERS_NOT_COPIED = Set.of("x-dormouse-wake");
    private static final Set<String> NOT_COPIED_ACROSS_ORIGINS = Stream
            .concat(HEADERS_NOT_COPIED.stream(), CrossOrigin.OURS.stream())
            .collect(Collectors.toUnmodifiableSet());
    /** Longest error of an engine that is told inside a stream. */
    private static final int LONGEST_ERROR_BYTES = 64 << 10;

    /** Who is told how it went; nobody is, once the client has left. */
    interface Listener {
        /** The client has been given all of it. */
        void whole(int status);

        /** The engine broke off before the client was given anything. */
        void failed();

        /** The engine broke off in the middle. */
        void brokenOff(HttpClientResponse answer, Throwable cause);
    }

    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final ModelRoute model;
    private final WakeStream wakeStream;
    private final RequestJournal journal;
    private final WakeOutlook outlook;
    private final ResultCache results;
    private final Optional<ResultCache.Key> cacheKey;
    private final Executor thisTurn;

    /**
     * @param cacheKey under which the answer is to be remembered, if it is
     * @param thisTurn see {@link Transfer#start}
     */
    AnswerRelay(HttpServerRequest request, ModelRoute model, WakeStream wakeStream, RequestJournal journal,
            WakeOutlook outlook, ResultCache results, Optional<ResultCache.Key> cacheKey, Executor thisTurn) {
        this.request = request;
        this.response = request.response();
        this.model = model;
        this.wakeStream = wakeStream;
        this.journal = journal;
        this.outlook = outlook;
        this.results = results;
        this.cacheKey = cacheKey;
        this.thisTurn = thisTurn;
    }

    /** @param answer paused */
    void start(HttpClientResponse answer, PodRoute pod, Listener listener) {
        if (Tunnel.isGranted(answer)) {
            answer.resume();
            Tunnel.open(request, answer).onComplete(closed -> listener.whole(answer.statusCode()));
        } else if (wakeStream.begun() && !isStream(answer)) {
            tellInStream(answer, listener);
        } else {
            relay(answer, pod, listener);
        }
    }

    static boolean isStream(HttpClientResponse answer) {
        String type = answer.getHeader("Content-Type");
        return answer.statusCode() == 200 && type != null && type.startsWith(WakeStream.EVENTS);
    }

    /** The client was promised a stream, and the engine answers something else: most likely an error. */
    private void tellInStream(HttpClientResponse answer, Listener listener) {
        Buffer text = Buffer.buffer();
        answer.handler(piece -> {
            if (text.length() + piece.length() <= LONGEST_ERROR_BYTES) {
                text.appendBuffer(piece);
            }
        });
        answer.exceptionHandler(error -> listener.failed());
        answer.endHandler(end -> {
            wakeStream.fail(text.toString()).onFailure(gone -> {
                // The client left before it was told.
            });
            listener.whole(answer.statusCode());
        });
        answer.resume();
    }

    private void relay(HttpClientResponse answer, PodRoute pod, Listener listener) {
        if (!wakeStream.begun()) {
            head(answer, pod);
        }
        Optional<ResultCache.Recording> recording = recording(answer);
        Transfer.start(answer, response, new Transfer.Observer() {
            @Override
            public void piece(Buffer piece) {
                journal.answering(piece);
                recording.ifPresent(each -> each.add(piece.getBytes()));
            }

            @Override
            public void whole() {
                recording.ifPresent(ResultCache.Recording::keep);
            }
        }, thisTurn, end -> {
            switch (end) {
                case Transfer.End.Whole() -> listener.whole(answer.statusCode());
                case Transfer.End.BrokenOff(Throwable cause) -> listener.brokenOff(answer, cause);
            }
        });
    }

    private void head(HttpClientResponse answer, PodRoute pod) {
        response.setStatusCode(answer.statusCode());
        if (answer.statusMessage() != null) {
            response.setStatusMessage(answer.statusMessage()); // HTTP/2 has none.
        }
        HopByHop.copy(answer.headers(), response.headers(),
                CrossOrigin.decided(response) ? NOT_COPIED_ACROSS_ORIGINS : HEADERS_NOT_COPIED);
        if (journal.trace().wasHeld()) {
            response.putHeader("X-Dormouse-Wake", Progress.header(outlook.rung(pod).orElse("Unknown"),
                    journal.trace().waited().orElse(Duration.ZERO)));
        }
        if (answer.getHeader("Content-Length") == null && mayHaveBody(answer)) {
            response.setChunked(true);
        }
    }

    private boolean mayHaveBody(HttpClientResponse answer) {
        return request.method() != HttpMethod.HEAD && answer.statusCode() != 204 && answer.statusCode() != 304;
    }

    private Optional<ResultCache.Recording> recording(HttpClientResponse answer) {
        String type = Objects.requireNonNullElse(answer.getHeader("Content-Type"), "");
        boolean plain = answer.statusCode() == 200 && type.startsWith("application/json")
                && answer.getHeader("Content-Encoding") == null;
        return cacheKey.filter(key -> plain)
                .flatMap(key -> model.traffic()
                        .caching()
                        .map(caching -> results.new Recording(key, caching.ttl(), type)));
    }
}

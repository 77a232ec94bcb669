package dev.dormouse.gateway.trace;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Begins the spans of requests, and sends them somewhere. */
public interface Tracing extends AutoCloseable {
    /** Nobody collects traces: a client's trace goes on to the engine as it came. */
    Tracing OFF = new Tracing() {
        @Override
        public RequestSpans begin(String method, String path, ModelKey model, UnaryOperator<@Nullable String> header,
                Instant now) {
            return RequestSpans.NONE;
        }

        @Override
        public void close() {
            // There is nothing to send.
        }
    };

    /** @param header the request's header of a name in small letters, or null */
    RequestSpans begin(String method, String path, ModelKey model, UnaryOperator<@Nullable String> header, Instant now);

    /** Sends what is not sent yet, for a few seconds at most. */
    @Override
    void close();
}

package dev.dormouse.gateway.bench;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.trace.RequestSpans;
import dev.dormouse.gateway.trace.Tracing;
import dev.dormouse.gateway.trace.WakeSteps;
import java.time.Instant;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Watches, where traces are begun, in which order requests are let go, against the order in which they came to the gateway;
 * and in which order they are written to the engine, each on a connection of its own.
 */
final class ReleaseOrder implements Tracing {
    /** One place that requests pass. Owned by the event loop until the gateway has drained. */
    private static final class Gate {
        private long passed;
        private long newest = -1;
        private long late;
        private long furthest;

        void pass(long n) {
            passed++;
            late += n < newest ? 1 : 0;
            furthest = Math.max(furthest, newest - n);
            newest = Math.max(newest, n);
        }

        @Override
        public String toString() {
            return "%d of %d behind a later one, by %d places at most".formatted(late, passed, furthest);
        }
    }

    private final Gate letGo = new Gate();
    private final Gate written = new Gate();
    private long came;

    @Override
    public RequestSpans begin(String method, String path, ModelKey model, UnaryOperator<@Nullable String> header,
            Instant now) {
        if (model.name().equals("warm")) {
            return RequestSpans.NONE;
        }
        long n = came;
        came++;
        return new RequestSpans() {
            @Override
            public void held(boolean asleep, Instant since) {
                // It waits.
            }

            @Override
            public void woke(WakeSteps steps) {
                // It goes on.
            }

            @Override
            public void granted(String pod, Instant at) {
                letGo.pass(n);
            }

            @Override
            public void returned(boolean asleep, Instant at) {
                // Counted again when it is let go again.
            }

            @Override
            public void pass(BiConsumer<String, String> headers) {
                written.pass(n);
            }

            @Override
            public void ended(int status, Instant at) {
                // Seen by the client.
            }

            @Override
            public void gone(Instant at) {
                // Seen by the client.
            }
        };
    }

    @Override
    public String toString() {
        return "let go: %s; written to the engine: %s".formatted(letGo, written);
    }

    @Override
    public void close() {
        // There is nothing to send.
    }
}

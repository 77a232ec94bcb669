package dev.dormouse.gateway.trace;

import java.time.Instant;
import java.util.function.BiConsumer;

/**
 * The trace of one request: a span for all of it, within it {@code hold} while it waits, with {@code wake} if the model
 * slept, and {@code proxy} while it is at a replica. Operator and sidecar continue {@code wake}. Not safe for threads:
 * the gateway's event loop owns it.
 */
public interface RequestSpans {
    RequestSpans NONE = new RequestSpans() {
        @Override
        public void held(boolean asleep, Instant now) {
            // Nobody looks.
        }

        @Override
        public void woke(WakeSteps steps) {
            // Nobody looks.
        }

        @Override
        public void granted(String pod, Instant now) {
            // Nobody looks.
        }

        @Override
        public void returned(boolean asleep, Instant now) {
            // Nobody looks.
        }

        @Override
        public void pass(BiConsumer<String, String> header) {
            // The client's own headers are passed on like any other.
        }

        @Override
        public void ended(int status, Instant now) {
            // Nobody looks.
        }

        @Override
        public void gone(Instant now) {
            // Nobody looks.
        }
    };

    /** It waits. @param asleep whether no replica answers */
    void held(boolean asleep, Instant now);

    /**
     * The wake that it waited for has ended; nothing happens if it waited for none. Before {@link #granted}. Operator and
     * sidecar send spans to one of those who wait; this tells all of them.
     */
    void woke(WakeSteps steps);

    /** It goes to this replica. */
    void granted(String pod, Instant now);

    /** It never reached that replica, and waits again. */
    void returned(boolean asleep, Instant now);

    /** Gives the headers by which others continue the trace: the replica, or, while it waits for a wake, the operator. */
    void pass(BiConsumer<String, String> header);

    /** It was answered; nothing happens if it has ended already. */
    void ended(int status, Instant now);

    /** Its client left. */
    void gone(Instant now);
}

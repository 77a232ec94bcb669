package dev.dormouse.trace;

import java.time.Instant;

/** Continues the traces of others. Safe for threads. */
public interface StepTracing extends AutoCloseable {
    StepTracing OFF = new StepTracing() {
        @Override
        public Step begin(String traceparent, String name, Instant at) {
            return Step.NONE;
        }

        @Override
        public void close() {
            // There is nothing to send.
        }
    };

    /** @param traceparent of whoever waits for it (W3C); its word on whether the trace is recorded is kept */
    Step begin(String traceparent, String name, Instant at);

    /** Sends what is not sent yet, for a few seconds at most. */
    @Override
    void close();
}

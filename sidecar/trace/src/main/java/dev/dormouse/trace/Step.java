package dev.dormouse.trace;

import java.time.Instant;
import java.util.Optional;

/** A span: something that one process does for a request that waits elsewhere. Not safe for threads. */
public interface Step {
    Step NONE = new Step() {
        @Override
        public Step within(String name, Instant at) {
            return NONE;
        }

        @Override
        public Step with(String attribute, String value) {
            return NONE;
        }

        @Override
        public Step with(String attribute, double value) {
            return NONE;
        }

        @Override
        public Step failed(String why) {
            return NONE;
        }

        @Override
        public void end(Instant at) {
            // Nobody looks.
        }

        @Override
        public Optional<String> traceparent() {
            return Optional.empty();
        }
    };

    /** Begins a part of it. */
    Step within(String name, Instant at);

    Step with(String attribute, String value);

    Step with(String attribute, double value);

    Step failed(String why);

    /** Once, and after its parts. */
    void end(Instant at);

    /** By which others continue it (W3C); absent if nobody collects traces. */
    Optional<String> traceparent();
}

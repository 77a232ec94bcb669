package dev.dormouse.domain.pattern;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;

/**
 * One request as it was.
 *
 * @param traits what was known when it came
 * @param took from arrival to the end of the answer
 * @param firstByte from arrival to the first byte of the answer's body; absent if there was none
 * @param inputTokens as the answer says; 0 if it says nothing, likewise the output's
 * @param status of the answer
 */
public record RequestSample(Instant at, Traits traits, Duration took, Optional<Duration> firstByte, long inputTokens,
        long outputTokens, int status) {
    /** More inputs than this in one request are a batch (W47). */
    static final int LARGEST_SINGLE = 32;
    /** Who asks for an answer within less than this is in a hurry (W47). */
    static final Duration HURRY = Duration.ofMillis(100);

    /**
     * @param batch inputs in this request, at least 1
     * @param deadline how long its client waits, if it says so; none is no hurry (W48)
     * @param stream whether the answer is read while it is written
     * @param purpose equal for requests that serve one purpose, e.g. the id of a distributed trace; 0 if unknown
     */
    public record Traits(int batch, Optional<Duration> deadline, boolean stream, Set<Modality> modalities,
            long purpose) {
        /** A single text in no hurry. */
        public static final Traits PLAIN = new Traits(1, Optional.empty(), false, Set.of(Modality.Text), 0);

        public Traits {
            modalities = Set.copyOf(modalities);
        }

        boolean isBatch() {
            return batch > LARGEST_SINGLE;
        }

        boolean isUrgent() {
            return deadline.filter(within -> within.compareTo(HURRY) < 0).isPresent();
        }
    }

    public boolean failed() {
        return status >= 500;
    }
}

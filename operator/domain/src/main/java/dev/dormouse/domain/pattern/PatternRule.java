package dev.dormouse.domain.pattern;

import java.time.Duration;
import java.util.Locale;

/**
 * Which pattern a model's traffic follows (W47, W48): the first row that holds, from what is said on purpose to what is
 * only likely. A model that is asked now and then, one thing at a time, is {@code RealtimeInference}.
 */
public final class PatternRule {
    /** Fewer requests say nothing. */
    static final int FEWEST = 10;
    private static final double MOST = 0.5;
    /** Kinds of input beside the usual one count from here on. */
    private static final double NOT_BY_CHANCE = 0.1;
    /** A trial that is given as much is a comparison. */
    private static final double COMPARISON = 0.25;
    private static final double BURSTY = 2;
    private static final int CROWD = 32;
    private static final Duration PATIENT = Duration.ofSeconds(10);

    /** @param why with figures, for people */
    public record Finding(ServingPattern pattern, String why) {}

    private PatternRule() {}

    public static Finding find(TrafficSignals s) {
        if (s.shape().trial().isPresent()) {
            double trial = s.shape().trial().getAsDouble();
            return trial >= COMPARISON && trial <= 1 - COMPARISON
                    ? found(ServingPattern.A_BServing, "another revision is given %.0f %% of the requests", trial * 100)
                    : found(ServingPattern.CanaryServing, "another revision is given %.0f %% of the requests",
                            trial * 100);
        }
        if (s.requests() < FEWEST) {
            return found(ServingPattern.Unknown, "%d requests say too little", s.requests());
        }
        if (s.mixed() >= NOT_BY_CHANCE) {
            return found(ServingPattern.MultiModalServing, "%.0f %% of the requests bring another kind of input",
                    s.mixed() * 100);
        }
        if (s.together() > MOST) {
            return found(ServingPattern.EnsembleServing, "%.0f %% of the requests ask other models too",
                    s.together() * 100);
        }
        if (s.stream() > MOST) {
            return found(ServingPattern.StreamingInference, "%.0f %% of the answers are streamed", s.stream() * 100);
        }
        if (s.batch() > MOST) {
            return found(ServingPattern.BatchInference, "%.0f %% of the requests bring more than 32 inputs",
                    s.batch() * 100);
        }
        if (s.urgent() > MOST) {
            return found(ServingPattern.RealtimeInference, "%.0f %% of the clients wait less than 100 ms",
                    s.urgent() * 100);
        }
        if (s.concurrency() > CROWD) {
            return found(ServingPattern.BatchInference, "%.0f requests at once, and few in a hurry", s.concurrency());
        }
        if (s.usual().compareTo(PATIENT) >= 0) {
            return found(ServingPattern.BatchInference, "an answer takes %d s, and nobody reads it meanwhile",
                    s.usual().toSeconds());
        }
        if (s.shape().minReplicas() != s.shape().maxReplicas() && s.burstiness() >= BURSTY) {
            return found(ServingPattern.AutoScalingServing, "requests come in bursts (variation %.1f)", s.burstiness());
        }
        return found(ServingPattern.RealtimeInference, "single requests, %.1f at once", s.concurrency());
    }

    private static Finding found(ServingPattern pattern, String why, Object figure) {
        return new Finding(pattern, String.format(Locale.ROOT, why, figure));
    }
}

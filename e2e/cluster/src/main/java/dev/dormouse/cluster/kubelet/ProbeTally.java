package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Probe;

/** Successes or failures in a row of one probe, against its thresholds. */
record ProbeTally(int successThreshold, int failureThreshold, int successes, int failures) {
    static ProbeTally of(Probe probe) {
        return new ProbeTally(threshold(probe.getSuccessThreshold(), 1), threshold(probe.getFailureThreshold(), 3), 0,
                0);
    }

    private static int threshold(@org.jspecify.annotations.Nullable Integer value, int otherwise) {
        return value == null || value < 1 ? otherwise : value;
    }

    ProbeTally count(boolean success) {
        return new ProbeTally(successThreshold, failureThreshold, success ? successes + 1 : 0,
                success ? 0 : failures + 1);
    }

    boolean passed() {
        return successes >= successThreshold;
    }

    boolean failed() {
        return failures >= failureThreshold;
    }
}

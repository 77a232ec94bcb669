package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.domain.scaling.Autoscaler;
import dev.dormouse.domain.scaling.ScalingPolicy;
import java.time.Duration;

/** A model's scaling as decisions take it, with the defaults for what the user does not say. */
final class ScalingSpec {
    /** Share of the concurrency limit that scaling aims at where the user names no target, as in Knative. */
    private static final double UTILIZATION = 0.7;

    private ScalingSpec() {}

    static ScalingPolicy policy(InferenceModelSpec spec) {
        int most = Math.max(spec.scaling().maxReplicas(), spec.scaling().minReplicas());
        Integer target = spec.scaling().targetConcurrency();
        return new ScalingPolicy(spec.replicas(), spec.scaling().minReplicas(), most, spec.scaling().standbyReplicas(),
                target == null ? spec.requests().concurrencyLimit() : target,
                Duration.ofSeconds(spec.scaling().idleSeconds()));
    }

    static Autoscaler.Settings autoscaler(InferenceModelSpec spec) {
        InferenceModelSpec.Scaling scaling = spec.scaling();
        Duration stable = Duration.ofSeconds(scaling.stableWindowSeconds());
        Integer target = scaling.targetConcurrency();
        return new Autoscaler.Settings(
                target == null ? UTILIZATION * spec.requests().concurrencyLimit() : target, stable,
                stable.multipliedBy(scaling.panicWindowPercentage()).dividedBy(100),
                scaling.panicThresholdPercentage() / 100.0, 1000, 2,
                Duration.ofSeconds(scaling.scaleDownDelaySeconds()));
    }
}

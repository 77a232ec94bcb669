package dev.dormouse.domain.scaling;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * One period of being awake.
 *
 * @param number grows with each activation of a model, from 1
 * @param startedAt when the wake was decided
 * @param endedAt when the sleep was decided; absent while awake
 */
public record Activation(long number, Reason reason, Instant startedAt, @Nullable Instant endedAt) {

    public enum Reason {
        Demand, Replicas, MinReplicas, InitialStart
    }

    /** In words that stay the same as long as it lasts. */
    public String because() {
        return switch (reason) {
            case Demand -> "a request asked for it";
            case Replicas -> "spec.replicas is above 0";
            case MinReplicas -> "scaling.minReplicas or scaling.standbyReplicas is above 0";
            case InitialStart -> "the first start proves the model and takes its snapshot";
        };
    }

    public boolean open() {
        return endedAt == null;
    }

    public Activation endedAt(Instant end) {
        return new Activation(number, reason, startedAt, end);
    }
}

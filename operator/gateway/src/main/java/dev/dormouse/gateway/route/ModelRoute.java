package dev.dormouse.gateway.route;

import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.domain.hold.Wake;
import dev.dormouse.domain.traffic.CanarySplit;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What the gateway needs to know of one model.
 *
 * @param clientName what clients put into {@code "model"}
 * @param aliases what else they may put there
 */
public record ModelRoute(ModelKey key, String clientName, List<String> aliases, Instant createdAt, Admission admission,
        Traffic traffic, State state) {
    /** A first replica that fails may be bad luck, and its waiters stay; from this attempt on they are told. */
    private static final int ATTEMPTS_BEFORE_TELLING = 2;

    public ModelRoute {
        aliases = List.copyOf(aliases);
    }

    /** How requests are let in. @param queueTimeout longest time a request is held */
    public record Admission(ModelLimits limits, Duration queueTimeout, int priority, ColdStart coldStart) {}

    /**
     * Where requests go.
     *
     * @param prefixChars how much of a prompt counts as its beginning
     * @param ejectAfterFailures after so many failures in a row a replica is given nothing for a while
     */
    public record Traffic(Strategy strategy, int prefixChars, int ejectAfterFailures, Optional<Canary> canary,
            Optional<ResultCaching> caching, Replicas replicas) {
        public static final Traffic DEFAULT = new Traffic(Strategy.DEFAULT, 256, 5, Optional.empty(),
                Optional.empty());

        /** For a model of at most one replica. */
        public Traffic(Strategy strategy, int prefixChars, int ejectAfterFailures, Optional<Canary> canary,
                Optional<ResultCaching> caching) {
            this(strategy, prefixChars, ejectAfterFailures, canary, caching, new Replicas(0, 1));
        }
    }

    /** How many of them the operator may keep awake. */
    public record Replicas(int least, int most) {}

    /** @param revision what is served; answers of another one are not this model's */
    public record ResultCaching(Duration ttl, String revision) {}

    /** @param stickyHeader whose value tells who asks; else the body's field {@code user} does */
    public record Canary(ModelKey model, CanarySplit split, Optional<String> stickyHeader) {}

    /** What a client gets while the model wakes. */
    public enum ColdStart {
        Hold, Heartbeat, Reject
    }

    /**
     * What the operator says of it.
     *
     * @param problem why the model is not Ready, if it is not
     * @param stalled no event can heal that problem, only a change of the resource
     * @param activation the present period of being awake or the last one
     * @param warmup the warmup under way, or the last one
     * @param lastWake how the last wake went
     * @param sleepOrder the newest order to sleep, which some gateway wrote
     */
    public record State(Optional<Problem> problem, boolean stalled, Optional<Activation> activation,
            Optional<Warmup> warmup, Optional<LastWake> lastWake, Optional<SleepOrder> sleepOrder) {
        public static final State UNKNOWN = new State(Optional.empty(), false, Optional.empty(), Optional.empty(),
                Optional.empty());

        /** Of a model that nobody told to sleep. */
        public State(Optional<Problem> problem, boolean stalled, Optional<Activation> activation,
                Optional<Warmup> warmup, Optional<LastWake> lastWake) {
            this(problem, stalled, activation, warmup, lastWake, Optional.empty());
        }
    }

    /** @param grace what ran by then has so long to finish */
    public record SleepOrder(Instant at, Duration grace) {}

    /** Condition Ready is False. */
    public record Problem(String reason, String message) {}

    /** @param endedAt absent while the model is awake */
    public record Activation(Instant startedAt, Optional<Instant> endedAt) {

        /** Whether the operator has already done what a demand of that time asks for. */
        public boolean answers(Instant demandedAt) {
            return endedAt.isEmpty() && !startedAt.isBefore(demandedAt);
        }
    }

    /** @param queuePosition place among all models that want to warm up; 1 is next */
    public record Warmup(String phase, OptionalInt queuePosition, OptionalInt percent, OptionalInt etaSeconds,
            int attempt) {}

    /**
     * @param rung the rung it started from
     * @param took from the decision to wake until Ready
     */
    public record LastWake(String rung, Duration took) {}

    /** The wake that failed, while the operator is still trying. */
    public Optional<Wake> failedWake() {
        return state.warmup()
                .filter(warmup -> warmup.phase().equals("Failed") && warmup.attempt() >= ATTEMPTS_BEFORE_TELLING)
                .flatMap(this::wake);
    }

    /** The attempt to wake it that is under way. */
    public Optional<Wake> presentWake() {
        return state.warmup().flatMap(this::wake);
    }

    private Optional<Wake> wake(Warmup warmup) {
        return state.activation()
                .filter(activation -> activation.endedAt().isEmpty())
                .map(activation -> new Wake(activation.startedAt(), warmup.attempt()));
    }
}

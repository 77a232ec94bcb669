package dev.dormouse.domain.scaling;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.scaling.Activation.Reason;
import dev.dormouse.domain.scaling.ActivationDecision.Asleep;
import dev.dormouse.domain.scaling.ActivationDecision.Awake;
import dev.dormouse.domain.scaling.ActivationDecision.Sleep;
import dev.dormouse.domain.scaling.ActivationDecision.Wake;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether a model is awake. It wakes for demand newer than the end of its last activation, for requests that a
 * gateway holds, for a lower bound, and once to prove itself. It sleeps when somebody told it to, and when it is certain that nobody used it for the
 * idle time; what is not known counts as use.
 */
public final class ActivationRule {

    /**
     * @param demandAt when a gateway last asked for the model; absent if never
     * @param sleepAt when somebody last told it to sleep; absent if never
     * @param watching since when this operator watches the model, and for how long it must have
     * @param last the present activation or the last one; absent if it never woke
     */
    public record Situation(ScalingPolicy policy, @Nullable Instant demandAt, @Nullable Instant sleepAt,
            @Nullable Activation last, InitialStart initialStart, Load load, List<Replica> replicas,
            Optional<Watching> watching) {
        public Situation {
            replicas = List.copyOf(replicas);
        }

        /** Of a model that nobody told to sleep, and an operator that has watched for long. */
        public Situation(ScalingPolicy policy, @Nullable Instant demandAt, @Nullable Activation last,
                InitialStart initialStart, Load load, List<Replica> replicas) {
            this(policy, demandAt, null, last, initialStart, load, replicas, Optional.empty());
        }

        /** Nobody has asked for it since somebody told it to sleep. */
        boolean isToSleep() {
            return sleepAt != null && (demandAt == null || !demandAt.isAfter(sleepAt));
        }
    }

    private static final Duration OLDEST_COUNT = Duration.ofSeconds(15);

    /** An operator that has just begun to lead puts nothing to sleep that another one woke before {@code window} is over. */
    public record Watching(Instant since, Duration window) {}

    private ActivationRule() {}

    public static ActivationDecision decide(Situation s, Instant now) {
        return s.last() != null && s.last().open() ? whileAwake(s, s.last(), now) : whileAsleep(s, now);
    }

    private static ActivationDecision whileAsleep(Situation s, Instant now) {
        Activation last = s.last();
        long number = last == null ? 1 : last.number() + 1;
        Instant lastEnd = last == null || last.endedAt() == null ? Instant.MIN : last.endedAt();
        if (s.demandAt() != null && s.demandAt().isAfter(lastEnd)) {
            return new Wake(new Activation(number, Reason.Demand, now, null),
                    "a request asked for it at " + s.demandAt());
        }
        // A count of those who wait may be older than the order to sleep, which told them all.
        if (s.load().hasWaiting() && !(s.isToSleep() && s.sleepAt() != null
                && now.isBefore(s.sleepAt().plus(OLDEST_COUNT)))) {
            return new Wake(new Activation(number, Reason.Demand, now, null), "a gateway holds requests for it");
        }
        if (s.policy().replicas() > 0) {
            return new Wake(new Activation(number, Reason.Replicas, now, null),
                    "spec.replicas is " + s.policy().replicas());
        }
        if (s.policy().minReplicas() > 0) {
            return new Wake(new Activation(number, Reason.MinReplicas, now, null),
                    "scaling.minReplicas is " + s.policy().minReplicas());
        }
        if (s.policy().standby() > 0) {
            return new Wake(new Activation(number, Reason.MinReplicas, now, null),
                    "scaling.standbyReplicas is " + s.policy().standby());
        }
        if (s.initialStart() == InitialStart.Pending) {
            return new Wake(new Activation(number, Reason.InitialStart, now, null),
                    "the first start proves the model and takes its snapshot");
        }
        return new Asleep(last == null ? "no request so far" : "no request since " + lastEnd);
    }

    private static ActivationDecision whileAwake(Situation s, Activation activation, Instant now) {
        if (!s.policy().maySleep()) {
            return new Awake(activation, "a lower bound of replicas holds it awake", Optional.empty());
        }
        if (s.isToSleep() && s.sleepAt() != null && s.sleepAt().isAfter(activation.startedAt())) {
            // Its replicas drain: what runs may finish within the grace that the gateways give it.
            return new Sleep(activation.endedAt(now), "it was told to sleep at " + s.sleepAt());
        }
        if (s.load().requests() > 0) {
            return new Awake(activation, s.load().requests() + " requests are in flight or held", Optional.empty());
        }
        if (s.load() instanceof Load.Unknown unknown) {
            return new Awake(activation, "it may be in use: " + unknown.why(), Optional.empty());
        }
        if (activation.reason() == Reason.InitialStart && unused(s, activation)) {
            return s.initialStart() == InitialStart.Pending
                    ? new Awake(activation, "the first start is under way", Optional.empty())
                    : new Sleep(activation.endedAt(now), s.initialStart() == InitialStart.Failed
                            ? "the first start failed"
                            : "the first start is done and nobody waits");
        }
        if (s.replicas().stream().anyMatch(ActivationRule::comingUp)) {
            // Whoever asked may have left, but the work is nearly done and its snapshot is worth having.
            return new Awake(activation, "a replica is warming up", Optional.empty());
        }
        if (s.replicas().isEmpty() && s.load() instanceof Load.NoGateway) {
            return new Awake(activation, "its first replica is still to come", Optional.empty());
        }
        return idleOrNot(s, activation, now);
    }

    private static ActivationDecision idleOrNot(Situation s, Activation activation, Instant now) {
        Instant quietUntil = lastUse(s, activation).plus(s.policy().idle());
        if (s.load() instanceof Load.Known known && known.watched().compareTo(s.policy().idle()) < 0) {
            Instant trusted = now.plus(s.policy().idle()).minus(known.watched());
            quietUntil = trusted.isAfter(quietUntil) ? trusted : quietUntil;
        }
        Optional<Instant> watched = s.watching()
                .filter(watching -> activation.startedAt().isBefore(watching.since()))
                .map(watching -> watching.since().plus(watching.window()));
        if (watched.isPresent() && watched.get().isAfter(quietUntil)) {
            quietUntil = watched.get();
        }
        if (quietUntil.isAfter(now)) {
            return new Awake(activation, "it sleeps at " + quietUntil + " unless a request comes",
                    Optional.of(quietUntil));
        }
        return new Sleep(activation.endedAt(now),
                "no request for " + s.policy().idle().toSeconds() + " s (scaling.idleSeconds)");
    }

    private static boolean unused(Situation s, Activation activation) {
        boolean asked = s.demandAt() != null && s.demandAt().isAfter(activation.startedAt());
        boolean served = s.load() instanceof Load.Known known && known.lastRequestAt() != null
                && known.lastRequestAt().isAfter(activation.startedAt());
        return !asked && !served;
    }

    private static boolean comingUp(Replica replica) {
        return !replica.draining() && replica.holdsWarmupSlot();
    }

    private static Instant lastUse(Situation s, Activation activation) {
        Stream<@Nullable Instant> seen = Stream.of(activation.startedAt(), s.demandAt(),
                s.load() instanceof Load.Known known ? known.lastRequestAt() : null);
        Stream<@Nullable Instant> ready = s.replicas().stream().map(Replica::readyAt);
        Instant latest = activation.startedAt();
        for (Instant at : Stream.concat(seen, ready).toList()) {
            if (at != null && at.isAfter(latest)) {
                latest = at;
            }
        }
        return latest;
    }
}

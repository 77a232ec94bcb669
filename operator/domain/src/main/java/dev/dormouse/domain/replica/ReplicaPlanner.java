package dev.dormouse.domain.replica;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem.Blame;
import dev.dormouse.domain.replica.ReplicaAction.Create;
import dev.dormouse.domain.replica.ReplicaAction.Delete;
import dev.dormouse.domain.replica.ReplicaAction.Drain;
import dev.dormouse.domain.replica.ReplicaLifecycle.Step;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.domain.scaling.ScaleAdvice;
import dev.dormouse.domain.scaling.ScalingPolicy;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Turns "awake" or "asleep" into steps for single pods. A pod that may carry requests is drained first and deleted only
 * when every gateway has let go of it: no victim with work in flight is ever killed.
 */
public final class ReplicaPlanner {

    /**
     * @param activation the open activation; absent while the model sleeps
     * @param template hash of the template that new pods are made from
     * @param urgency whether a client waits
     * @param rollout how replicas of an older template go
     * @param advice what the load of the last windows asks for; absent while it is not known
     */
    public record Situation(String model, String modelUid, ScalingPolicy policy, @Nullable Activation activation,
            String template, List<Replica> replicas, Load load, Optional<ScaleAdvice> advice, Backoff backoff,
            Urgency urgency, Rollout rollout) {
        public Situation {
            replicas = List.copyOf(replicas);
        }
    }

    private final Situation s;
    private final Instant now;
    private final List<ReplicaAction> actions = new ArrayList<>();
    private @Nullable Instant recheckAt;

    private ReplicaPlanner(Situation situation, Instant now) {
        this.s = situation;
        this.now = now;
    }

    public static ReplicaPlan plan(Situation situation, Instant now) {
        return new ReplicaPlanner(situation, now).plan();
    }

    private ReplicaPlan plan() {
        int desired = s.activation() == null ? 0 : needed();
        List<Replica> kept = new ArrayList<>();
        for (Replica replica : s.replicas()) {
            if (apply(replica, reasonToGo(replica)) == Step.Keep) {
                kept.add(replica);
            }
        }
        if (s.activation() != null) {
            int wanted = desired + surge(kept);
            grow(s.activation(), wanted - kept.size());
            shrink(kept, wanted);
        }
        return new ReplicaPlan(desired, actions, Optional.ofNullable(recheckAt));
    }

    private int needed() {
        return s.advice()
                .map(advice -> s.policy().within(advice.wanted()))
                .orElseGet(() -> s.policy().replicasFor(s.load().requests()));
    }

    /** Why a replica has no place in the plan; absent while it has one. */
    private @Nullable String reasonToGo(Replica replica) {
        if (replica.draining()) {
            return "it is drained";
        }
        if (s.activation() == null) {
            return "the model sleeps";
        }
        if (replica.phase() == Phase.Failed) {
            return reasonToReplaceFailed(replica);
        }
        return outOfDate(replica) && replaceable(replica) ? "it was made from an older spec" : null;
    }

    /** Failed pods keep their place until the pause is over, so that their logs can be read and nothing spins. */
    private @Nullable String reasonToReplaceFailed(Replica replica) {
        if (outOfDate(replica)) {
            return "it failed and was made from an older spec";
        }
        if (replica.problem() != null && replica.problem().blame() == Blame.Cluster) {
            return "it is lost: " + replica.problem().reason();
        }
        if (s.backoff().retryAt().isAfter(now)) {
            recheck(s.backoff().retryAt());
            return null;
        }
        return "it failed; attempt " + (s.backoff().failures() + 1) + " follows";
    }

    /** One more than wanted while any old replica serves: its successor comes before it goes. */
    private int surge(List<Replica> kept) {
        return s.rollout() == Rollout.Surge && kept.stream().anyMatch(this::outOfDate) ? 1 : 0;
    }

    private void grow(Activation activation, int missing) {
        if (missing <= 0) {
            return;
        }
        if (s.backoff().retryAt().isAfter(now)) {
            recheck(s.backoff().retryAt());
            return;
        }
        Set<String> taken = new HashSet<>();
        s.replicas().forEach(r -> taken.add(r.pod()));
        for (int ordinal = 0; missing > 0; ordinal++) {
            String pod = ReplicaNames.of(s.model(), s.modelUid(), activation.number(), ordinal);
            if (taken.add(pod)) {
                actions.add(new Create(pod, s.urgency(), activation.reason().name()));
                missing--;
            }
        }
    }

    private void shrink(List<Replica> kept, int desired) {
        int surplus = kept.size() - (s.policy().replicas() > 0 ? desired : Math.max(desired, recentlyNeeded(kept)));
        if (surplus <= 0) {
            return;
        }
        // A busy one too: under even load none is ever idle. It is drained, and finishes what it has.
        kept.stream()
                .sorted(leastToLoseFirst())
                .limit(surplus)
                .forEach(r -> apply(r, desired + " replicas are enough"));
    }

    /** Replicas are taken away only when a whole window needed fewer; without gateways nothing is known about load. */
    private int recentlyNeeded(List<Replica> kept) {
        if (s.load() instanceof Load.NoGateway) {
            return Math.max(1, s.policy().minReplicas());
        }
        OptionalInt keep = s.advice().map(ScaleAdvice::keep).orElse(OptionalInt.empty());
        return keep.isPresent() ? s.policy().within(keep.getAsInt()) : kept.size();
    }

    /**
     * What does not serve goes before what does, and what has begun least goes first; then what an older spec made, what has
     * the fewest requests, what saves nothing and came from a snapshot; the youngest among equals, whose caches are the
     * coldest.
     */
    private Comparator<Replica> leastToLoseFirst() {
        return Comparator.comparingInt(ReplicaPlanner::progress)
                .thenComparing(r -> !outOfDate(r))
                .thenComparingInt(r -> s.load().inFlight(r.uid()))
                .thenComparing(r -> r.phase() == Phase.Ready && !r.snapshotSettled())
                .thenComparing(r -> !r.restored())
                .thenComparing(Replica::createdAt, Comparator.reverseOrder())
                .thenComparing(Replica::pod);
    }

    private static int progress(Replica replica) {
        return switch (replica.phase()) {
            case Failed, Terminating -> 0;
            case Pending -> 1;
            case Warming -> 2;
            case Ready -> 3;
        };
    }

    private Step apply(Replica replica, @Nullable String reasonToGo) {
        Step step = ReplicaLifecycle.step(replica, reasonToGo == null, s.load().released(replica.uid()));
        String why = reasonToGo == null ? "" : reasonToGo;
        switch (step) {
            case Drain -> actions.add(new Drain(replica.pod(), replica.uid(), why));
            case Delete -> actions.add(new Delete(replica.pod(), replica.uid(), why));
            case Keep, Await -> {
            }
        }
        return step;
    }

    private boolean outOfDate(Replica replica) {
        return !replica.template().equals(s.template());
    }

    private boolean replaceable(Replica replica) {
        if (replica.phase() != Phase.Ready) {
            return true;
        }
        return switch (s.rollout()) {
            case WhenIdle -> s.load().idle(replica.uid()) && s.load().requests() == 0;
            case Recreate -> true;
            case Surge -> oldestFirst().indexOf(replica) < readyBeyondWanted();
        };
    }

    private long readyBeyondWanted() {
        long ready = s.replicas().stream().filter(r -> r.phase() == Phase.Ready && !r.draining()).count();
        return ready - needed();
    }

    private List<Replica> oldestFirst() {
        return s.replicas()
                .stream()
                .filter(r -> r.phase() == Phase.Ready && !r.draining() && outOfDate(r))
                .sorted(Comparator.comparing(Replica::createdAt).thenComparing(Replica::pod))
                .toList();
    }

    private void recheck(Instant at) {
        if (recheckAt == null || at.isBefore(recheckAt)) {
            recheckAt = at;
        }
    }
}

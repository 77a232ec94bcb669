package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.replica.Backoff;
import dev.dormouse.domain.replica.ReplicaLifecycle;
import dev.dormouse.domain.scaling.Autoscaler;
import dev.dormouse.domain.warmup.Ladder;
import dev.dormouse.domain.warmup.Ladder.Rung;
import dev.dormouse.operator.status.ModelView.Rejection;
import dev.dormouse.operator.status.ObservedReplica;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What one model's reconciles remember from one to the next; all of it can be lost. Confined to the reconciles of its
 * model, of which there is one at a time.
 */
final class ModelMemory {
    private static final Duration REJECTION_PAUSE = Duration.ofSeconds(10);

    final Autoscaler autoscaler = new Autoscaler();
    /** When this process began to watch the model. */
    final Instant since;
    Backoff backoff;
    private @Nullable Refused refused;
    private @Nullable Fallen fallen;
    private int lastWanted;

    /** Live pods by UID, as they were last known. */
    private Map<String, Replica> known = Map.of();

    private record Refused(Rejection rejection, String template, Instant retryAt) {}

    private record Fallen(Ladder.Fall fall, String template) {}

    /** After a restart the row of failures goes on from the attempt that status tells. */
    ModelMemory(ModelStatus previous, String template, Instant now) {
        since = now;
        int attempt = previous.warmup == null || previous.warmup.attempt() == null ? 1 : previous.warmup.attempt();
        boolean failing = previous.warmup != null && !"Ready".equals(previous.warmup.phase());
        backoff = new Backoff(template, failing ? Math.max(0, attempt - 1) : 0, Set.of(), Instant.MIN);
    }

    /** Holds what is seen now against what was known: a pod that failed does not look started again between two crashes. */
    List<ObservedReplica> reconsider(List<ObservedReplica> seen) {
        List<ObservedReplica> settled = seen.stream().map(this::reconsider).toList();
        known = settled.stream()
                .map(ObservedReplica::replica)
                .collect(Collectors.toUnmodifiableMap(Replica::uid, replica -> replica));
        return settled;
    }

    /** Where the next replica of this template may come up from: not from where the last one hung. */
    Ladder.Climb climb(List<ObservedReplica> observed, String template, Duration deadline, boolean snapshots) {
        for (ObservedReplica pod : observed) {
            if (!pod.replica().template().equals(template)) {
                continue;
            }
            if (pod.replica().phase() == Phase.Ready) {
                fallen = null;
            } else if (pod.replica().phase() == Phase.Failed && pod.replica().problem() != null) {
                boolean overran = pod.replica().problem().reason().equals(PodObserver.DEADLINE_EXCEEDED);
                fallen = new Fallen(new Ladder.Fall(pod.replica().restored() ? Rung.Volume : Rung.Cold, overran),
                        template);
            }
        }
        Fallen last = fallen;
        return Ladder.climb(deadline, snapshots, last != null && last.template().equals(template)
                ? Optional.of(last.fall())
                : Optional.empty());
    }

    private ObservedReplica reconsider(ObservedReplica seen) {
        Replica before = known.get(seen.replica().uid());
        if (before == null || seen.replica().phase() == Phase.Failed) {
            return seen;
        }
        return ReplicaLifecycle.next(before.phase(), seen.replica().phase()) == Phase.Failed
                ? seen.with(seen.replica().failed(before.problem()))
                : seen;
    }

    void refuse(Rejection rejection, String template, Instant now) {
        refused = new Refused(rejection, template, now.plus(REJECTION_PAUSE));
    }

    /** @return how many were wanted before, if that is known and neither then nor now none; 0 if not */
    int scaledFrom(int wanted) {
        int before = lastWanted;
        lastWanted = wanted;
        return before == wanted || wanted == 0 ? 0 : before;
    }

    /** Why no pod of this template is to be tried at present. */
    Optional<Rejection> rejection(String template, Instant now) {
        Refused last = refused;
        boolean holds = last != null && last.template().equals(template)
                && (last.rejection().forGood() || last.retryAt().isAfter(now));
        return holds && last != null ? Optional.of(last.rejection()) : Optional.empty();
    }
}

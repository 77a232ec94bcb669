package dev.dormouse.domain.hold;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What waits and what is served. The {@link HoldCore} alone changes it; whoever only looks is given this. Not safe for
 * threads.
 */
public abstract sealed class HoldState permits HoldCore {

    record Serving(HeldRequest request, String pod) {}

    final Map<ModelKey, ModelQueue> models = new HashMap<>();
    final WaitingRoom room = new WaitingRoom();
    final Map<Long, Serving> serving = new HashMap<>();
    int gateways = 1;

    /** {@code concurrency × max(1, ready replicas)}, this gateway's share, rounded up. */
    final int limitOf(ModelLimits own, int replicas) {
        long all = (long) own.concurrency() * Math.max(1, replicas);
        return (int) Math.min(Integer.MAX_VALUE, (all + gateways - 1) / gateways);
    }

    /** Requests of this model that wait. */
    public int waiting(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null ? 0 : model.waiting.size();
    }

    /** Requests of this model that wait, the next to go first: the first has position 1 (L33, L59). */
    public List<HeldRequest> queued(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null ? List.of() : List.copyOf(model.waiting);
    }

    /** The request of this model that will go next. */
    public Optional<HeldRequest> next(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null || model.waiting.isEmpty() ? Optional.empty() : Optional.of(model.waiting.first());
    }

    /** Requests of this model at a replica. */
    public int serving(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null ? 0 : model.servingInAll();
    }

    /** Whether any replica of the model may be given requests, with room or without. */
    public boolean hasReplica(ModelKey key) {
        ModelQueue model = models.get(key);
        return model != null && model.replicas() > 0;
    }

    /** This gateway's present limit of the model, waiting requests included; 0 for an unknown model. */
    public int limit(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null || model.limits == null ? 0 : limitOf(model.limits, model.replicas());
    }

    /** Until when requests are turned away after a failed wake; absent when none failed since a replica answered. */
    public Optional<Instant> retryAt(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null || model.wakes.retryAt().equals(Instant.MIN)
                ? Optional.empty()
                : Optional.of(model.wakes.retryAt());
    }

    /** When the longest-waiting request of this model came. */
    public Optional<Instant> oldestWaiting(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null
                ? Optional.empty()
                : model.waiting.stream().map(HeldRequest::arrivedAt).min(Comparator.naturalOrder());
    }

    /** Requests per replica of this model; replicas without any are left out. */
    public Map<String, Integer> servingByPod(ModelKey key) {
        ModelQueue model = models.get(key);
        return model == null ? Map.of() : model.serving();
    }

    /** Whether nothing waits and nothing is at a replica. */
    public boolean idle() {
        return room.size() == 0 && serving.isEmpty();
    }

    public int waitingInAll() {
        return room.size();
    }

    /** Bytes that waiting requests keep in memory. */
    public long heldBytes() {
        return room.bytes();
    }

    public int servingInAll() {
        return serving.size();
    }

    /** Models that something is kept for: known ones, and those that requests or replicas remain of. */
    public int models() {
        return models.size();
    }
}

package dev.dormouse.domain.hold;

import dev.dormouse.domain.balance.Balancer;
import dev.dormouse.domain.balance.Candidate;
import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What is known of one model. Kept while anything is reserved, also after the model itself is gone. */
final class ModelQueue {
    final ModelKey key;
    final TreeSet<HeldRequest> waiting;
    final WakeRow wakes = new WakeRow();
    /** Absent while no such model exists. */
    @Nullable
    ModelLimits limits;
    /** Waiting requests that may still be let go before the next tick. */
    int pace;
    /** As many as could be let go at the last tick. */
    private int stride;
    /** Requests at each replica that may be given more. */
    private final Map<String, Candidate> open = new LinkedHashMap<>();
    /** Requests at each replica that has any, also at those that may not be given more. */
    private final Map<String, Integer> serving = new HashMap<>();
    private Balancer balancer = new Balancer(Strategy.DEFAULT);
    private int servingInAll;

    ModelQueue(ModelKey key, HoldLimits limits) {
        this.key = key;
        this.pace = limits.pace();
        this.stride = limits.pace();
        this.waiting = new TreeSet<>(
                Comparator.comparing((HeldRequest request) -> request.rank(limits.ageing()))
                        .thenComparingLong(HeldRequest::id));
    }

    int reserved() {
        return servingInAll + waiting.size();
    }

    int servingInAll() {
        return servingInAll;
    }

    Map<String, Integer> serving() {
        return Map.copyOf(serving);
    }

    int replicas() {
        return open.size();
    }

    boolean hasRoom() {
        ModelLimits known = limits;
        return known != null && open.values().stream().anyMatch(replica -> replica.load() < known.concurrency());
    }

    /** The replica for this request; absent if none has room. */
    @Nullable
    String choose(HeldRequest request) {
        return limits == null
                ? null
                : balancer.choose(List.copyOf(open.values()), limits.concurrency(), request.affinity());
    }

    void balance(Strategy strategy) {
        if (!strategy.equals(balancer.strategy())) {
            balancer = new Balancer(strategy);
        }
    }

    /** @param weights of the pods that may be given more, by pod */
    void open(Map<String, Integer> weights) {
        open.keySet().retainAll(weights.keySet());
        // One that comes back, e.g. after it refused a connection, may still carry some.
        weights.forEach((pod, weight) -> open.put(pod, new Candidate(pod, serving.getOrDefault(pod, 0), weight)));
    }

    void shut(String pod) {
        open.remove(pod);
    }

    void began(String pod) {
        servingInAll++;
        serving.merge(pod, 1, Integer::sum);
        changeLoad(pod, 1);
    }

    void ended(String pod) {
        servingInAll--;
        serving.computeIfPresent(pod, (same, count) -> count == 1 ? null : count - 1);
        changeLoad(pod, -1);
    }

    private void changeLoad(String pod, int by) {
        open.computeIfPresent(pod, (same, at) -> new Candidate(pod, at.load() + by, at.weight()));
    }

    /** A tick: whoever was kept back by the pace goes a quarter faster, so that a long queue does not become a delay. */
    void rest(HoldLimits limits) {
        boolean keptBack = pace == 0 && !waiting.isEmpty();
        stride = keptBack ? stride + Math.max(1, stride / 4) : limits.pace();
        pace = stride;
    }

    boolean isForgettable() {
        return limits == null && reserved() == 0 && open.isEmpty();
    }
}

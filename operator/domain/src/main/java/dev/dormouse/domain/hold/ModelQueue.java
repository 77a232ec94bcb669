package dev.dormouse.domain.hold;

import dev.dormouse.domain.fleet.ModelKey;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
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
    /** Requests at each replica that may be given more. */
    private final Map<String, Integer> open = new LinkedHashMap<>();
    /** Requests at each replica that has any, also at those that may not be given more. */
    private final Map<String, Integer> serving = new HashMap<>();
    private int servingInAll;

    ModelQueue(ModelKey key, HoldLimits limits) {
        this.key = key;
        this.pace = limits.pace();
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

    /** The replica with the fewest requests, if that one has room. */
    @Nullable
    String roomiest() {
        if (limits == null) {
            return null;
        }
        String best = null;
        int fewest = limits.concurrency();
        for (Map.Entry<String, Integer> replica : open.entrySet()) {
            if (replica.getValue() < fewest) {
                best = replica.getKey();
                fewest = replica.getValue();
            }
        }
        return best;
    }

    void open(Collection<String> pods) {
        open.keySet().retainAll(pods);
        for (String pod : pods) {
            // One that comes back, e.g. after it refused a connection, may still carry some.
            open.computeIfAbsent(pod, added -> serving.getOrDefault(added, 0));
        }
    }

    void shut(String pod) {
        open.remove(pod);
    }

    void began(String pod) {
        servingInAll++;
        serving.merge(pod, 1, Integer::sum);
        open.computeIfPresent(pod, (same, count) -> count + 1);
    }

    void ended(String pod) {
        servingInAll--;
        serving.computeIfPresent(pod, (same, count) -> count == 1 ? null : count - 1);
        open.computeIfPresent(pod, (same, count) -> count - 1);
    }

    boolean isForgettable() {
        return limits == null && reserved() == 0 && open.isEmpty();
    }
}

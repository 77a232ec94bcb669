package dev.dormouse.domain.warmup;

import dev.dormouse.domain.fleet.ReplicaId;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The GPUs of a pool and who has them. A replica takes all of its GPUs on one node. Counts only what Dormouse placed: GPUs
 * that others use show as pods that cannot be scheduled. Not thread-safe.
 */
final class Room {

    /** Where a replica may start. @param node absent: the cluster chooses */
    record Place(@Nullable String node) {
        static final Place ANYWHERE = new Place(null);
    }

    private record Occupancy(int gpus, @Nullable String node) {}

    private RoomLimits limits = RoomLimits.UNLIMITED;
    private final Map<ReplicaId, Occupancy> occupied = new HashMap<>();
    private final Map<String, Integer> usedByNode = new HashMap<>();
    private int used;

    void observe(RoomLimits now) {
        limits = now;
    }

    RoomLimits limits() {
        return limits;
    }

    int used() {
        return used;
    }

    void occupy(ReplicaId replica, int gpus, @Nullable String node) {
        vacate(replica);
        occupied.put(replica, new Occupancy(gpus, node));
        used += gpus;
        if (node != null) {
            usedByNode.merge(node, gpus, Integer::sum);
        }
    }

    void vacate(ReplicaId replica) {
        Occupancy before = occupied.remove(replica);
        if (before != null) {
            used -= before.gpus();
            if (before.node() != null) {
                usedByNode.computeIfPresent(before.node(), (node, gpus) -> gpus == before.gpus()
                        ? null
                        : Integer.valueOf(gpus - before.gpus()));
            }
        }
    }

    boolean occupies(ReplicaId replica) {
        return occupied.containsKey(replica);
    }

    /** Where it was placed or seen; absent when it is not here, or nobody knows. */
    Optional<String> node(ReplicaId replica) {
        return Optional.ofNullable(occupied.get(replica)).map(Occupancy::node);
    }

    /**
     * @param warming replicas that warm up, by node
     * @return empty when there is no room now; linear in the nodes of the pool
     */
    Optional<Place> place(int gpus, Map<String, Integer> warming, int perNode) {
        if (!limits.bounded()) {
            return Optional.of(Place.ANYWHERE);
        }
        // Replicas that are not bound to a node yet will take theirs somewhere.
        int unbound = used - usedByNode.values().stream().mapToInt(Integer::intValue).sum();
        int free = limits.gpusByNode().entrySet().stream().mapToInt(this::free).sum() - unbound;
        Optional<Place> onNode = free < gpus
                ? Optional.empty()
                : limits.gpusByNode()
                        .entrySet()
                        .stream()
                        .filter(node -> free(node) >= gpus
                                && (perNode == 0 || warming.getOrDefault(node.getKey(), 0) < perNode))
                        .min(Comparator.<Map.Entry<String, Integer>>comparingInt(
                                node -> warming.getOrDefault(node.getKey(), 0))
                                .thenComparingInt(this::free)
                                .thenComparing(Map.Entry::getKey))
                        .map(node -> new Place(node.getKey()));
        if (onNode.isPresent()) {
            return onNode;
        }
        // An elastic pool makes a node autoscaler add one; which one nobody knows yet.
        return used + gpus <= limits.elasticGpus() ? Optional.of(Place.ANYWHERE) : Optional.empty();
    }

    /** Whether it would fit if nobody else were there. */
    boolean everFits(int gpus) {
        return gpus <= limits.elasticGpus() || limits.gpusByNode().values().stream().anyMatch(size -> size >= gpus);
    }

    /** Why a replica of this size does not fit; for people. */
    String shortage(int gpus, Map<String, Integer> warming, int perNode) {
        int total = limits.gpusByNode().values().stream().mapToInt(Integer::intValue).sum();
        String pool = "pool " + limits.pool() + " has " + total + " on " + limits.gpusByNode().size()
                + (limits.gpusByNode().size() == 1 ? " node, " : " nodes, ") + used + " in use";
        if (!everFits(gpus)) {
            return "it needs " + gpus + " " + limits.resource() + " on one node, and no node has as many: " + pool;
        }
        boolean roomButBusy = limits.gpusByNode().entrySet().stream().anyMatch(node -> free(node) >= gpus);
        if (roomButBusy && perNode > 0) {
            String busy = limits.gpusByNode()
                    .entrySet()
                    .stream()
                    .filter(node -> free(node) >= gpus)
                    .map(node -> node.getKey() + " " + warming.getOrDefault(node.getKey(), 0))
                    .sorted()
                    .limit(3)
                    .collect(Collectors.joining(", "));
            return "every node with room warms up " + perNode + " replicas already (" + busy + ")";
        }
        return "it needs " + gpus + " " + limits.resource() + " on one node; " + pool;
    }

    private int free(Map.Entry<String, Integer> node) {
        return node.getValue() - usedByNode.getOrDefault(node.getKey(), 0);
    }
}

package dev.dormouse.domain.warmup;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.WaitingLine.Waiting;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Hands out warmup slots: waiting clients before pre-warming, then higher priority, then arrival, with ageing; never
 * more slots than the limit. Owns the queue and the set of active replicas, and nothing else: it neither creates pods
 * nor reads a clock.
 *
 * <p>Single-writer: not thread-safe (H50). Every operation is O(log n) in the number of waiting replicas, and linear in the
 * slots, in the nodes of the pool and in the different sizes that wait (H75).
 *
 * <p>INVARIANT: a replica is either waiting or active, never both, and never twice (H68).
 */
public final class WarmupScheduler {

    private WarmupLimits limits;
    private final Room room = new Room();
    private final WaitingLine line = new WaitingLine();
    private final Map<ModelKey, Set<ReplicaId>> byModel = new HashMap<>();
    private final Map<String, Integer> warmingByNode = new HashMap<>();
    private final Map<ReplicaId, Active> active = new LinkedHashMap<>();
    /** Models whose pre-warming pod gave way to a client, with its arrival: being replaced costs no place. */
    private final Map<ModelKey, Instant> replaced = new HashMap<>();
    private final SlotTimes slotTimes = new SlotTimes();
    private long arrivals;

    public WarmupScheduler(WarmupLimits limits) {
        this.limits = limits;
    }

    /** What a pool allows and has now; whoever warms up already goes on. */
    public void observe(WarmupLimits allowed, RoomLimits has) {
        limits = allowed;
        room.observe(has);
    }

    /**
     * Queues a replica (H42, H43). One that waits already keeps its place in the order of arrival and takes the new
     * priority and urgency; one that is active is left alone (H68).
     */
    public void schedule(WarmupRequest request, Instant now) {
        if (active.containsKey(request.replica())) {
            return;
        }
        Waiting old = line.remove(request.replica());
        Instant since = old == null ? replaced.getOrDefault(request.replica().model(), now) : old.since();
        long sequence = old == null ? arrivals++ : old.sequence();
        boolean patienceOver = !since.plus(limits.preWarmPatience()).isAfter(now);
        line.add(new Waiting(patienceOver ? request.as(Urgency.Demand) : request, since, sequence,
                limits.ageingStep()));
        index(request.replica());
    }

    /** The next replica to warm up; none while all slots are taken (H44) or nobody waits (H45). */
    public Optional<ReplicaId> next(Instant now) {
        expire(now);
        promotePatient(now);
        if (active.size() >= limits.maxConcurrent() || line.isEmpty()) {
            return Optional.empty();
        }
        for (Waiting best : line.heads()) {
            Optional<Room.Place> place = room.place(best.request().gpus(), warmingByNode,
                    limits.maxConcurrentPerNode());
            if (place.isPresent()) {
                return Optional.of(admit(best, place.get(), now));
            }
            boolean waitedLong = !best.since().plus(limits.preWarmPatience()).isAfter(now);
            if (waitedLong && room.everFits(best.request().gpus())) {
                // Smaller ones have passed it for long enough: what comes free now is kept for it.
                return Optional.empty();
            }
        }
        return Optional.empty();
    }

    private ReplicaId admit(Waiting best, Room.Place place, Instant now) {
        ReplicaId replica = best.replica();
        line.remove(replica);
        room.occupy(replica, best.request().gpus(), place.node());
        activate(replica, new Active(now, now.plus(best.request().lease()), best.since(),
                best.urgency() == Urgency.PreWarm, place.node()));
        return replica;
    }

    /** The node chosen for a replica that was admitted, or where it was seen; absent: the cluster chooses. */
    public Optional<String> node(ReplicaId replica) {
        return room.node(replica);
    }

    /** GPUs of the pool's ready nodes. */
    public int gpus() {
        return room.limits().gpusByNode().values().stream().mapToInt(Integer::intValue).sum();
    }

    /** GPUs that replicas of this pool have, those admitted and not yet created included. */
    public int gpusInUse() {
        return room.used();
    }

    /**
     * Counts the GPUs of a live replica, whatever it does.
     *
     * @param node absent while the cluster has not chosen: then the one chosen here, if any, still counts
     */
    public void occupy(ReplicaId replica, int gpus, @Nullable String node) {
        room.occupy(replica, gpus, node == null ? room.node(replica).orElse(null) : node);
        index(replica);
    }

    /** Forgets the GPUs of every replica of a model except these. */
    public void vacate(ModelKey model, Set<ReplicaId> live) {
        for (ReplicaId replica : List.copyOf(byModel.getOrDefault(model, Set.of()))) {
            if (!live.contains(replica) && !active.containsKey(replica)) {
                room.vacate(replica);
                unindex(replica);
            }
        }
    }

    /**
     * Takes the slot of a pre-warming replica that has not begun to restore and gives it back, when a client waits and
     * every slot is taken: the latest such replica, which loses least. Its pod is to be deleted; it asks again with the
     * arrival it had, so that after {@link WarmupLimits#preWarmPatience} it counts as demand and is not replaced any more.
     */
    public Optional<ReplicaId> replacePreWarming(Instant now) {
        expire(now);
        promotePatient(now);
        Waiting first = line.first();
        boolean clientWaits = first != null && first.urgency() == Urgency.Demand;
        if (!clientWaits || active.size() < limits.maxConcurrent()) {
            return Optional.empty();
        }
        Optional<Map.Entry<ReplicaId, Active>> victim = active.entrySet()
                .stream()
                .filter(entry -> entry.getValue().replaceable())
                .max(Map.Entry.comparingByValue(Comparator.comparing(Active::since)))
                .map(Map.Entry::copyOf);
        victim.ifPresent(entry -> {
            deactivate(entry.getKey());
            room.vacate(entry.getKey());
            replaced.put(entry.getKey().model(), entry.getValue().arrived());
        });
        return victim.map(Map.Entry::getKey);
    }

    /** A replica has begun to restore or to load: from here on it keeps its slot. */
    public void begun(ReplicaId replica) {
        active.computeIfPresent(replica, (id, slot) -> slot.begun());
        replaced.remove(replica.model());
    }

    /**
     * Counts a replica that is warming up already, whoever let it: after a restart the active set is rebuilt from the
     * live pods (H70). May exceed the limit; then nobody is admitted until enough have finished.
     *
     * @param since when it began; a lease that ended before {@code now} is not taken up again
     */
    public void adopt(ReplicaId replica, Instant since, Duration lease, Instant now) {
        Instant end = since.plus(lease);
        if (active.containsKey(replica) || !end.isAfter(now)) {
            return;
        }
        line.remove(replica);
        activate(replica, new Active(since, end, since, false, room.node(replica).orElse(null)));
    }

    /** Gives back the slot of a replica, whatever became of it, or takes it out of the queue. Idempotent (H47, H69). */
    public void complete(ReplicaId replica, Instant now) {
        Active slot = deactivate(replica);
        if (slot != null) {
            slotTimes.held(Duration.between(slot.since(), now));
        }
        line.remove(replica);
        unindex(replica);
    }

    /** Forgets every replica of a model except these (H70): what nobody wants any more holds neither slot nor place. */
    public void retain(ModelKey model, Set<ReplicaId> wanted, Instant now) {
        List.copyOf(byModel.getOrDefault(model, Set.of()))
                .stream()
                .filter(id -> !wanted.contains(id))
                .forEach(id -> complete(id, now));
        if (wanted.isEmpty()) {
            replaced.remove(model);
        }
    }

    public boolean isActive(ReplicaId replica) {
        return active.containsKey(replica);
    }

    /** Place and reason of a waiting replica; none if it does not wait. */
    public Optional<QueuePosition> position(ReplicaId replica) {
        Waiting entry = line.find(replica);
        if (entry == null) {
            return Optional.empty();
        }
        int ahead = line.rank(entry);
        String before = ahead == 0 ? "" : ", " + ahead + (ahead == 1 ? " replica" : " replicas") + " first";
        boolean fits = room.place(entry.request().gpus(), warmingByNode, limits.maxConcurrentPerNode()).isPresent();
        if (!fits && active.size() < limits.maxConcurrent()) {
            return Optional.of(new QueuePosition(ahead + 1,
                    room.shortage(entry.request().gpus(), warmingByNode, limits.maxConcurrentPerNode()) + before));
        }
        String slots = "%d of %d warmup slots are in use".formatted(active.size(), limits.maxConcurrent());
        return Optional.of(new QueuePosition(ahead + 1, slots + before,
                slotTimes.until(ahead + 1, limits.maxConcurrent())));
    }

    public List<ReplicaId> queued() {
        return line.replicas();
    }

    /** H48. */
    public int pendingCount() {
        return line.size();
    }

    /** H49. */
    public int activeCount() {
        return active.size();
    }

    private void expire(Instant now) {
        List<ReplicaId> over = active.entrySet()
                .stream()
                .filter(slot -> !slot.getValue().leaseEnd().isAfter(now))
                .map(Map.Entry::getKey)
                .toList();
        over.forEach(this::deactivate);
    }

    private void promotePatient(Instant now) {
        Waiting oldest = line.oldestPreWarming();
        while (oldest != null && !oldest.since().plus(limits.preWarmPatience()).isAfter(now)) {
            schedule(oldest.request(), now);
            oldest = line.oldestPreWarming();
        }
    }

    private void activate(ReplicaId replica, Active slot) {
        active.put(replica, slot);
        index(replica);
        if (slot.node() != null) {
            warmingByNode.merge(slot.node(), 1, Integer::sum);
        }
    }

    private @Nullable Active deactivate(ReplicaId replica) {
        Active slot = active.remove(replica);
        if (slot != null && slot.node() != null) {
            warmingByNode.computeIfPresent(slot.node(), (node, count) -> count == 1 ? null : count - 1);
        }
        return slot;
    }

    private void index(ReplicaId replica) {
        byModel.computeIfAbsent(replica.model(), model -> new HashSet<>()).add(replica);
    }

    /** Once nothing is known of it any more. */
    private void unindex(ReplicaId replica) {
        if (active.containsKey(replica) || line.find(replica) != null || room.occupies(replica)) {
            return;
        }
        byModel.computeIfPresent(replica.model(), (model, ids) -> {
            ids.remove(replica);
            return ids.isEmpty() ? null : ids;
        });
    }

    /**
     * @param since when it got its slot
     * @param arrived when it came into the queue
     * @param replaceable whether nobody waits for it and it has not begun
     * @param node chosen for it, or where it was seen; absent when nobody knows
     */
    private record Active(Instant since, Instant leaseEnd, Instant arrived, boolean replaceable,
            @Nullable String node) {
        Active begun() {
            return new Active(since, leaseEnd, arrived, false, node);
        }
    }
}

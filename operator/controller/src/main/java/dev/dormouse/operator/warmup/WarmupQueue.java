package dev.dormouse.operator.warmup;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.domain.warmup.RoomLimits;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.domain.warmup.WarmupRequest;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import dev.dormouse.domain.warmup.WarmupScheduler;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The {@link WarmupScheduler}s of this process, one per pool and one for models without a pool, behind one lock. Reconciles
 * ask for slots; whoever gets one because somebody else finished is told by an event.
 */
public final class WarmupQueue {
    /** The pool of models that name none. */
    public static final String NO_POOL = "";
    /** A pool that nobody has observed yet gives nothing away; what warms up already goes on. */
    private static final WarmupLimits UNOBSERVED = WarmupLimits.ofConcurrent(1);

    private final Clock clock;
    private final Consumer<ModelKey> admitted;
    private final Map<String, WarmupScheduler> pools = new HashMap<>();
    private final Map<ModelKey, String> poolOf = new HashMap<>();
    /** Replicas whose slot was given to a client; their pods are still to be deleted. */
    private final Set<ReplicaId> yielding = new HashSet<>();
    private Consumer<String> poolChanged = pool -> {
    };

    /** @param gpus that replicas have or are about to get */
    public record Usage(int gpus, int warming, int queued) {}

    /** @param gpus of ready nodes */
    public record PoolView(int gpus, int inUse) {}

    /** @param limits for models without a pool */
    public WarmupQueue(WarmupLimits limits, Clock clock, Consumer<ModelKey> admitted) {
        this.clock = clock;
        this.admitted = admitted;
        pools.put(NO_POOL, new WarmupScheduler(limits));
    }

    /** @param listener told the name of a pool whose usage may have changed; must not call back */
    public synchronized void onPoolChange(Consumer<String> listener) {
        poolChanged = listener;
    }

    /** What a pool allows and has now. */
    public void observe(String pool, WarmupLimits limits, RoomLimits room) {
        Set<ModelKey> models;
        synchronized (this) {
            WarmupScheduler scheduler = scheduler(pool);
            scheduler.observe(limits, room);
            models = handOut(scheduler);
        }
        models.forEach(admitted);
    }

    /** A deleted pool gives nothing away any more; replicas that live on its nodes stay. */
    public synchronized void forgetPool(String pool) {
        scheduler(pool).observe(UNOBSERVED, nothing(pool));
    }

    public synchronized Usage usage(String pool) {
        WarmupScheduler scheduler = scheduler(pool);
        return new Usage(scheduler.gpusInUse(), scheduler.activeCount(), scheduler.pendingCount());
    }

    /** Says which pool a model's replicas come from; what it had in another one is given back. */
    public void assign(ModelKey model, String pool) {
        Set<ModelKey> others = Set.of();
        synchronized (this) {
            String before = poolOf.put(model, pool);
            if (before != null && !before.equals(pool)) {
                others = giveBack(model, scheduler(before), before, Set.of(), Set.of());
            }
        }
        others.forEach(admitted);
    }

    /** Asks for a slot. @return whether the replica's pod may be created now */
    public boolean admit(WarmupRequest request) {
        Set<ModelKey> others;
        boolean mine;
        synchronized (this) {
            WarmupScheduler scheduler = of(request.replica().model());
            scheduler.schedule(request, clock.instant());
            others = handOut(scheduler);
            mine = scheduler.isActive(request.replica());
            if (!mine && request.urgency() == Urgency.Demand) {
                others.addAll(makeRoom(scheduler));
                mine = scheduler.isActive(request.replica());
            }
            poolChanged.accept(poolOf.getOrDefault(request.replica().model(), NO_POOL));
        }
        others.remove(request.replica().model());
        others.forEach(admitted);
        return mine;
    }

    /** The node chosen for an admitted replica; absent: the cluster chooses. */
    public synchronized Optional<String> node(ReplicaId replica) {
        return of(replica.model()).node(replica);
    }

    /** Counts the GPUs of a live replica. */
    public synchronized void occupy(ReplicaId replica, int gpus, @Nullable String node) {
        if (gpus > 0 || node != null) {
            of(replica.model()).occupy(replica, gpus, node);
        }
    }

    /** The pod of this replica has begun to restore or to load: it keeps its slot now, whoever waits. */
    public synchronized void begun(ReplicaId replica) {
        yielding.remove(replica);
        of(replica.model()).begun(replica);
    }

    /** Whether this replica's pod is to go, because a client waits for its slot and it has not begun. */
    public synchronized boolean mustYield(ReplicaId replica) {
        return yielding.contains(replica);
    }

    /** Counts a pod that is warming up already. */
    public synchronized void adopt(ReplicaId replica, Instant since, Duration lease) {
        of(replica.model()).adopt(replica, since, lease, clock.instant());
    }

    /**
     * Gives back everything a model holds or waits for, except for these replicas.
     *
     * @param wanted replicas that warm up or are to be created
     * @param live replicas whose pods exist, and have their GPUs
     */
    public void retain(ModelKey model, Set<ReplicaId> wanted, Set<ReplicaId> live) {
        Set<ModelKey> others;
        synchronized (this) {
            others = giveBack(model, of(model), poolOf.getOrDefault(model, NO_POOL), wanted, live);
        }
        others.forEach(admitted);
    }

    /** The model is gone. */
    public void leave(ModelKey model) {
        retain(model, Set.of(), Set.of());
        synchronized (this) {
            poolOf.remove(model);
        }
    }

    public synchronized Optional<QueuePosition> position(ReplicaId replica) {
        return of(replica.model()).position(replica);
    }

    /** Every pool that was observed, by name. */
    public synchronized Map<String, PoolView> pools() {
        Map<String, PoolView> views = new HashMap<>();
        pools.forEach((name, scheduler) -> {
            if (!name.equals(NO_POOL)) {
                views.put(name, new PoolView(scheduler.gpus(), scheduler.gpusInUse()));
            }
        });
        return Map.copyOf(views);
    }

    public synchronized int pending() {
        return pools.values().stream().mapToInt(WarmupScheduler::pendingCount).sum();
    }

    public synchronized int active() {
        return pools.values().stream().mapToInt(WarmupScheduler::activeCount).sum();
    }

    private WarmupScheduler of(ModelKey model) {
        return scheduler(poolOf.getOrDefault(model, NO_POOL));
    }

    private WarmupScheduler scheduler(String pool) {
        return pools.computeIfAbsent(pool, name -> {
            WarmupScheduler scheduler = new WarmupScheduler(UNOBSERVED);
            scheduler.observe(UNOBSERVED, nothing(name));
            return scheduler;
        });
    }

    private static RoomLimits nothing(String pool) {
        return new RoomLimits(true, pool, "GPUs", Map.of(), 0);
    }

    private Set<ModelKey> giveBack(ModelKey model, WarmupScheduler scheduler, String pool, Set<ReplicaId> wanted,
            Set<ReplicaId> live) {
        scheduler.retain(model, wanted, clock.instant());
        scheduler.vacate(model, live);
        yielding.removeIf(id -> id.model().equals(model) && !wanted.contains(id));
        poolChanged.accept(pool);
        return handOut(scheduler);
    }

    /** @return whose pre-warming gave way, and who got its slot */
    private Set<ModelKey> makeRoom(WarmupScheduler scheduler) {
        Optional<ReplicaId> victim = scheduler.replacePreWarming(clock.instant());
        if (victim.isEmpty()) {
            return Set.of();
        }
        yielding.add(victim.get());
        Set<ModelKey> concerned = handOut(scheduler);
        concerned.add(victim.get().model());
        return concerned;
    }

    private Set<ModelKey> handOut(WarmupScheduler scheduler) {
        Set<ModelKey> models = new HashSet<>();
        Instant now = clock.instant();
        for (Optional<ReplicaId> next = scheduler.next(now); next.isPresent(); next = scheduler.next(now)) {
            models.add(next.get().model());
        }
        return models;
    }
}

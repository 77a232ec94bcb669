package dev.dormouse.operator.warmup;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.domain.warmup.WarmupRequest;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import dev.dormouse.domain.warmup.WarmupScheduler;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * The one {@link WarmupScheduler} of this process, behind a lock. Reconciles ask for slots; whoever gets one because
 * somebody else finished is told by an event.
 */
public final class WarmupQueue {
    private final WarmupScheduler scheduler;
    private final Clock clock;
    private final Consumer<ModelKey> admitted;
    /** Replicas whose slot was given to a client; their pods are still to be deleted. */
    private final Set<ReplicaId> yielding = new HashSet<>();

    public WarmupQueue(WarmupLimits limits, Clock clock, Consumer<ModelKey> admitted) {
        this.scheduler = new WarmupScheduler(limits);
        this.clock = clock;
        this.admitted = admitted;
    }

    /** Asks for a slot. @return whether the replica's pod may be created now */
    public boolean admit(WarmupRequest request) {
        Set<ModelKey> others;
        boolean mine;
        synchronized (this) {
            scheduler.schedule(request, clock.instant());
            others = handOut();
            mine = scheduler.isActive(request.replica());
            if (!mine && request.urgency() == Urgency.Demand) {
                others.addAll(makeRoom());
                mine = scheduler.isActive(request.replica());
            }
        }
        others.remove(request.replica().model());
        others.forEach(admitted);
        return mine;
    }

    /** The pod of this replica has begun to restore or to load: it keeps its slot now, whoever waits. */
    public synchronized void begun(ReplicaId replica) {
        yielding.remove(replica);
        scheduler.begun(replica);
    }

    /** Whether this replica's pod is to go, because a client waits for its slot and it has not begun. */
    public synchronized boolean mustYield(ReplicaId replica) {
        return yielding.contains(replica);
    }

    /** Counts a pod that is warming up already. */
    public synchronized void adopt(ReplicaId replica, Instant since, Duration lease) {
        scheduler.adopt(replica, since, lease, clock.instant());
    }

    /** Gives back everything a model holds or waits for, except for these replicas. */
    public void retain(ModelKey model, Set<ReplicaId> wanted) {
        Set<ModelKey> others;
        synchronized (this) {
            scheduler.retain(model, wanted, clock.instant());
            yielding.removeIf(id -> id.model().equals(model) && !wanted.contains(id));
            others = handOut();
        }
        others.forEach(admitted);
    }

    public synchronized Optional<QueuePosition> position(ReplicaId replica) {
        return scheduler.position(replica);
    }

    public synchronized int pending() {
        return scheduler.pendingCount();
    }

    public synchronized int active() {
        return scheduler.activeCount();
    }

    /** @return whose pre-warming gave way, and who got its slot */
    private Set<ModelKey> makeRoom() {
        Optional<ReplicaId> victim = scheduler.replacePreWarming(clock.instant());
        if (victim.isEmpty()) {
            return Set.of();
        }
        yielding.add(victim.get());
        Set<ModelKey> concerned = handOut();
        concerned.add(victim.get().model());
        return concerned;
    }

    private Set<ModelKey> handOut() {
        Set<ModelKey> models = new HashSet<>();
        Instant now = clock.instant();
        for (Optional<ReplicaId> next = scheduler.next(now); next.isPresent(); next = scheduler.next(now)) {
            models.add(next.get().model());
        }
        return models;
    }
}

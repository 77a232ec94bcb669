package dev.dormouse.domain.hold;

import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect.Demand;
import dev.dormouse.domain.hold.Effect.Grant;
import dev.dormouse.domain.hold.Effect.Reason;
import dev.dormouse.domain.hold.Effect.Reject;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The gateway's decision table (requirement D4, design §6), in order: unknown → reject; over the model's limit, waiting
 * requests included → reject; a replica has room and nobody waits → go; its wake failed just now → reject; it may not
 * wait for a wake → reject, and demand the model; else hold and demand the model once, however many wait.
 *
 * <p>A request is reserved when it is admitted (L47) and ends exactly once: served, rejected or cancelled. Not safe for
 * threads: one event loop owns it, carries out the effects in their order and only then brings the next event.
 *
 * <p>INVARIANT: after every event, a model whose requests wait has no replica with room, or has been let go as many as
 * its pace allows until the next tick.
 */
public final class HoldCore extends HoldState {
    private final HoldLimits limits;
    /** Models that have used some of their pace since the last tick. */
    private final Set<ModelQueue> paced = new LinkedHashSet<>();
    private boolean closed;
    private boolean abandoned;

    public HoldCore(HoldLimits limits) {
        this.limits = limits;
    }

    /**
     * A request came.
     *
     * @throws IllegalStateException when a request of this id is held or served already
     */
    public List<Effect> arrived(HeldRequest request) {
        if (room.find(request.id()) != null || serving.containsKey(request.id())) {
            throw new IllegalStateException("request " + request.id() + " is here already");
        }
        if (closed) {
            return List.of(new Reject(request.id(), Reason.ShuttingDown));
        }
        ModelQueue model = models.get(request.model());
        if (model == null || model.limits == null) {
            return List.of(new Reject(request.id(), Reason.UnknownModel));
        }
        if (!model.limits.queues() && model.reserved() >= limitOf(model.limits, model.replicas())) {
            return List.of(new Reject(request.id(), Reason.OverLimit));
        }
        String pod = model.waiting.isEmpty() ? model.choose(request) : null;
        if (pod != null) {
            return List.of(grant(model, request, pod));
        }
        if (model.wakes.pausing(request.arrivedAt()) && model.replicas() == 0) {
            return List.of(new Reject(request.id(), Reason.WakeFailed));
        }
        if (!request.mayWait() && model.replicas() == 0) {
            return List.of(new Demand(request.model()), new Reject(request.id(), Reason.Waking));
        }
        if (model.waiting.size() >= Math.min(limits.perModel(), model.limits.maxQueued())
                || room.size() >= limits.inAll()
                || room.bytes() + request.bytes() > limits.bytesInAll()) {
            return List.of(new Reject(request.id(), Reason.QueueFull));
        }
        hold(model, request);
        return model.waiting.size() == 1 ? List.of(new Demand(request.model())) : List.of();
    }

    private Grant grant(ModelQueue model, HeldRequest request, String pod) {
        model.began(pod);
        serving.put(request.id(), new Serving(request, pod));
        return new Grant(request.id(), pod);
    }

    private void hold(ModelQueue model, HeldRequest request) {
        model.waiting.add(request);
        room.add(request);
    }

    /** The client went away. A request that is not here is nobody's business (L16). */
    public List<Effect> cancelled(long id) {
        HeldRequest held = room.find(id);
        if (held == null) {
            return serving.containsKey(id) ? served(id) : List.of();
        }
        leaveQueue(held);
        return List.of();
    }

    private void leaveQueue(HeldRequest held) {
        room.remove(held);
        ModelQueue model = known(held.model());
        model.waiting.remove(held);
        forgetIfEmpty(model);
    }

    /**
     * A granted request ended, however.
     *
     * @throws IllegalStateException when it was not granted: a count would go wrong (L56)
     */
    public List<Effect> served(long id) {
        ModelQueue model = known(leaveReplica(id).request().model());
        List<Effect> effects = drain(model);
        forgetIfEmpty(model);
        return effects;
    }

    /**
     * A granted request never reached its replica: it waits again, in its old place, and nothing is offered to that
     * replica until the next {@link #replicas}.
     *
     * @throws IllegalStateException when it was not granted
     */
    public List<Effect> returned(long id) {
        Serving undone = leaveReplica(id);
        ModelQueue model = known(undone.request().model());
        model.shut(undone.pod());
        if (abandoned || model.limits == null) {
            forgetIfEmpty(model);
            return List.of(new Reject(id, abandoned ? Reason.ShuttingDown : Reason.UnknownModel));
        }
        boolean nobodyWaited = model.waiting.isEmpty();
        hold(model, undone.request());
        List<Effect> effects = drain(model);
        if (nobodyWaited && !model.waiting.isEmpty() && !model.hasRoom()) {
            effects.add(new Demand(model.key));
        }
        return effects;
    }

    private Serving leaveReplica(long id) {
        Serving gone = serving.remove(id);
        if (gone == null) {
            throw new IllegalStateException("request " + id + " was not being served");
        }
        known(gone.request().model()).ended(gone.pod());
        return gone;
    }

    /** The replicas that may be given requests now: ready, and not draining. */
    public List<Effect> replicas(ModelKey key, Collection<String> pods) {
        return weightedReplicas(key, pods.stream().collect(Collectors.toMap(pod -> pod, pod -> 1)));
    }

    /** The same, with the share of each replica under {@link Strategy.Weighted}; at least 1. */
    public List<Effect> weightedReplicas(ModelKey key, Map<String, Integer> weights) {
        ModelQueue model = queue(key);
        model.open(weights);
        if (!weights.isEmpty()) {
            model.wakes.succeeded();
        }
        List<Effect> effects = drain(model);
        forgetIfEmpty(model);
        return effects;
    }

    /** A model appeared, or its limit changed. */
    public List<Effect> model(ModelKey key, ModelLimits changed) {
        return model(key, changed, Strategy.DEFAULT);
    }

    /** The same, with the way in which its requests are spread over its replicas. */
    public List<Effect> model(ModelKey key, ModelLimits changed, Strategy strategy) {
        ModelQueue model = queue(key);
        model.balance(strategy);
        model.limits = changed;
        return drain(model);
    }

    /** A model is gone: its waiters are told; requests at a replica run on. */
    public List<Effect> removed(ModelKey key) {
        ModelQueue model = models.get(key);
        if (model == null) {
            return List.of();
        }
        model.limits = null;
        List<Effect> effects = rejectWaiting(model, Reason.UnknownModel);
        forgetIfEmpty(model);
        return effects;
    }

    /**
     * An attempt to wake the model failed: all who wait get one answer, and until {@link #retryAt} whoever comes. Said
     * twice, or said of an older attempt than the newest known, it is nothing (L21, L50).
     */
    public List<Effect> wakeFailed(ModelKey key, Wake wake, Instant now) {
        ModelQueue model = models.get(key);
        if (model == null || model.replicas() > 0 || !model.wakes.failed(wake, now)) {
            return List.of();
        }
        return rejectWaiting(model, Reason.WakeFailed);
    }

    /**
     * The model was told to sleep (L20): its waiters are told; requests at a replica run on. Requests that come from here
     * on wake it again.
     *
     * @param wake the present attempt, about which nothing counts that is said later
     */
    public List<Effect> unloaded(ModelKey key, Optional<Wake> wake) {
        ModelQueue model = models.get(key);
        if (model == null) {
            return List.of();
        }
        wake.ifPresent(model.wakes::forgetUpTo);
        return rejectWaiting(model, Reason.Unloaded);
    }

    /** So many gateways share each model's limit; at least 1. It holds for requests that come from here on. */
    public void gateways(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("this gateway itself is one: " + count);
        }
        gateways = count;
    }

    /**
     * Time passed: whoever waited too long is told, the earliest deadline first; then more are let go of those that were
     * held back by the pace.
     */
    public List<Effect> tick(Instant now) {
        List<Effect> effects = new ArrayList<>();
        for (Optional<HeldRequest> late = room.late(now); late.isPresent(); late = room.late(now)) {
            leaveQueue(late.get());
            effects.add(new Reject(late.get().id(), Reason.DeadlineExceeded));
        }
        List<ModelQueue> rested = List.copyOf(paced);
        paced.clear();
        for (ModelQueue model : rested) {
            model.rest(limits);
            effects.addAll(drain(model));
        }
        return effects;
    }

    /** From here on new requests are refused; held ones still get their answer (L51). */
    public void close() {
        closed = true;
    }

    /** The time to finish is over: everybody who waits is told (L23). */
    public List<Effect> abandon() {
        closed = true;
        abandoned = true;
        List<Effect> effects = new ArrayList<>();
        for (ModelQueue model : models.values()) {
            effects.addAll(rejectWaiting(model, Reason.ShuttingDown));
        }
        return effects;
    }

    private List<Effect> drain(ModelQueue model) {
        List<Effect> effects = new ArrayList<>();
        while (!model.waiting.isEmpty() && model.pace > 0) {
            String pod = model.choose(model.waiting.first());
            if (pod == null) {
                return effects;
            }
            HeldRequest next = model.waiting.removeFirst();
            room.remove(next);
            effects.add(grant(model, next, pod));
            model.pace--;
            paced.add(model);
        }
        return effects;
    }

    private List<Effect> rejectWaiting(ModelQueue model, Reason reason) {
        List<Effect> effects = new ArrayList<>();
        for (HeldRequest request : model.waiting) {
            room.remove(request);
            effects.add(new Reject(request.id(), reason));
        }
        model.waiting.clear();
        return effects;
    }

    private ModelQueue queue(ModelKey key) {
        return models.computeIfAbsent(key, unknown -> new ModelQueue(unknown, limits));
    }

    private ModelQueue known(ModelKey key) {
        ModelQueue model = models.get(key);
        if (model == null) {
            throw new IllegalStateException(key + " has requests and is not known");
        }
        return model;
    }

    private void forgetIfEmpty(ModelQueue model) {
        if (model.isForgettable()) {
            models.remove(model.key);
            paced.remove(model);
        }
    }
}

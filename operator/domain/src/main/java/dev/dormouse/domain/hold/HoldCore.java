package dev.dormouse.domain.hold;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect.Demand;
import dev.dormouse.domain.hold.Effect.Grant;
import dev.dormouse.domain.hold.Effect.Reason;
import dev.dormouse.domain.hold.Effect.Reject;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The gateway's decision table (requirement D4, design §6), in order: unknown → reject; over the model's limit, waiting
 * requests included → reject; a replica has room → go; else hold and demand the model once, however many wait.
 *
 * <p>A request is reserved when it is admitted (L47) and ends exactly once: served, rejected or cancelled. Not safe for
 * threads: one event loop owns it, carries out the effects in their order and only then brings the next event.
 *
 * <p>INVARIANT: after every event, a model whose requests wait has no replica with room.
 */
public final class HoldCore {
    private static final Comparator<HeldRequest> ORDER = Comparator.comparingInt(HeldRequest::priority)
            .reversed()
            .thenComparing(HeldRequest::arrivedAt)
            .thenComparingLong(HeldRequest::id);
    private static final Comparator<HeldRequest> BY_DEADLINE = Comparator.comparing(HeldRequest::deadline)
            .thenComparingLong(HeldRequest::id);

    /** What is known of one model. Kept while anything is reserved, also after the model itself is gone. */
    private static final class Model {
        private @Nullable ModelLimits limits;
        /** Requests at each replica that may be given more. */
        private final Map<String, Integer> replicas = new LinkedHashMap<>();
        private final TreeSet<HeldRequest> waiting = new TreeSet<>(ORDER);
        /** Requests at any replica, also at those that may not be given more. */
        private int serving;

        int reserved() {
            return serving + waiting.size();
        }
    }

    private record Serving(HeldRequest request, String pod) {}

    private final HoldLimits limits;
    private final Map<ModelKey, Model> models = new HashMap<>();
    private final Map<Long, HeldRequest> waiting = new HashMap<>();
    private final TreeSet<HeldRequest> deadlines = new TreeSet<>(BY_DEADLINE);
    private final Map<Long, Serving> serving = new HashMap<>();
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
        if (waiting.containsKey(request.id()) || serving.containsKey(request.id())) {
            throw new IllegalStateException("request " + request.id() + " is here already");
        }
        if (closed) {
            return List.of(new Reject(request.id(), Reason.ShuttingDown));
        }
        Model model = models.get(request.model());
        if (model == null || model.limits == null) {
            return List.of(new Reject(request.id(), Reason.UnknownModel));
        }
        if (model.reserved() >= limitOf(model.limits, model.replicas.size())) {
            return List.of(new Reject(request.id(), Reason.OverLimit));
        }
        String pod = roomiest(model);
        if (pod != null) {
            return List.of(grant(model, request, pod));
        }
        if (model.waiting.size() >= limits.perModel() || waiting.size() >= limits.inAll()) {
            return List.of(new Reject(request.id(), Reason.QueueFull));
        }
        hold(model, request);
        return model.waiting.size() == 1 ? List.of(new Demand(request.model())) : List.of();
    }

    /** {@code concurrency × max(1, ready replicas)}, this gateway's share, rounded up. */
    private int limitOf(ModelLimits own, int replicas) {
        long all = (long) own.concurrency() * Math.max(1, replicas);
        return (int) Math.min(Integer.MAX_VALUE, (all + limits.gateways() - 1) / limits.gateways());
    }

    /** The replica with the fewest requests, if that one has room. */
    private static @Nullable String roomiest(Model model) {
        if (model.limits == null) {
            return null;
        }
        String best = null;
        int fewest = model.limits.concurrency();
        for (Map.Entry<String, Integer> replica : model.replicas.entrySet()) {
            if (replica.getValue() < fewest) {
                best = replica.getKey();
                fewest = replica.getValue();
            }
        }
        return best;
    }

    private Grant grant(Model model, HeldRequest request, String pod) {
        model.serving++;
        model.replicas.merge(pod, 1, Integer::sum);
        serving.put(request.id(), new Serving(request, pod));
        return new Grant(request.id(), pod);
    }

    private void hold(Model model, HeldRequest request) {
        model.waiting.add(request);
        waiting.put(request.id(), request);
        deadlines.add(request);
    }

    private void unhold(HeldRequest request) {
        waiting.remove(request.id());
        deadlines.remove(request);
    }

    /** The client went away. A request that is not here is nobody's business (L16). */
    public List<Effect> cancelled(long id) {
        HeldRequest held = waiting.get(id);
        if (held == null) {
            return serving.containsKey(id) ? served(id) : List.of();
        }
        leaveQueue(held);
        return List.of();
    }

    private void leaveQueue(HeldRequest held) {
        unhold(held);
        Model model = known(held.model());
        model.waiting.remove(held);
        forgetIfEmpty(held.model(), model);
    }

    /**
     * A granted request ended, however.
     *
     * @throws IllegalStateException when it was not granted: a count would go wrong (L56)
     */
    public List<Effect> served(long id) {
        Serving ended = leaveReplica(id);
        Model model = known(ended.request.model());
        List<Effect> effects = drain(model);
        forgetIfEmpty(ended.request.model(), model);
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
        ModelKey key = undone.request.model();
        Model model = known(key);
        model.replicas.remove(undone.pod);
        if (abandoned || model.limits == null) {
            forgetIfEmpty(key, model);
            return List.of(new Reject(id, abandoned ? Reason.ShuttingDown : Reason.UnknownModel));
        }
        boolean nobodyWaited = model.waiting.isEmpty();
        hold(model, undone.request);
        List<Effect> effects = drain(model);
        if (nobodyWaited && !model.waiting.isEmpty()) {
            effects.add(new Demand(key));
        }
        return effects;
    }

    private Serving leaveReplica(long id) {
        Serving gone = serving.remove(id);
        if (gone == null) {
            throw new IllegalStateException("request " + id + " was not being served");
        }
        known(gone.request.model()).serving--;
        known(gone.request.model()).replicas.computeIfPresent(gone.pod, (pod, count) -> count - 1);
        return gone;
    }

    /** The replicas that may be given requests now: ready, and not draining. */
    public List<Effect> replicas(ModelKey key, Collection<String> pods) {
        Model model = models.computeIfAbsent(key, unknown -> new Model());
        model.replicas.keySet().retainAll(pods);
        for (String pod : pods) {
            // One that comes back, e.g. after it refused a connection, may still carry some.
            model.replicas.computeIfAbsent(pod, added -> servingAt(key, added));
        }
        List<Effect> effects = drain(model);
        forgetIfEmpty(key, model);
        return effects;
    }

    private int servingAt(ModelKey key, String pod) {
        return servingByPod(key).getOrDefault(pod, 0);
    }

    /** A model appeared, or its limit changed. */
    public List<Effect> model(ModelKey key, ModelLimits changed) {
        Model model = models.computeIfAbsent(key, unknown -> new Model());
        model.limits = changed;
        return drain(model);
    }

    /** A model is gone: its waiters are told; requests at a replica run on. */
    public List<Effect> removed(ModelKey key) {
        Model model = models.get(key);
        if (model == null) {
            return List.of();
        }
        model.limits = null;
        List<Effect> effects = rejectWaiting(model, Reason.UnknownModel);
        forgetIfEmpty(key, model);
        return effects;
    }

    /** Time passed: whoever waited too long is told, the earliest deadline first. */
    public List<Effect> tick(Instant now) {
        List<Effect> effects = new ArrayList<>();
        while (!deadlines.isEmpty() && !now.isBefore(deadlines.first().deadline())) {
            HeldRequest late = deadlines.first();
            leaveQueue(late);
            effects.add(new Reject(late.id(), Reason.DeadlineExceeded));
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
        for (Model model : models.values()) {
            effects.addAll(rejectWaiting(model, Reason.ShuttingDown));
        }
        return effects;
    }

    private List<Effect> drain(Model model) {
        List<Effect> effects = new ArrayList<>();
        for (String pod = roomiest(model); pod != null && !model.waiting.isEmpty(); pod = roomiest(model)) {
            HeldRequest next = model.waiting.removeFirst();
            unhold(next);
            effects.add(grant(model, next, pod));
        }
        return effects;
    }

    private List<Effect> rejectWaiting(Model model, Reason reason) {
        List<Effect> effects = new ArrayList<>();
        for (HeldRequest request : model.waiting) {
            unhold(request);
            effects.add(new Reject(request.id(), reason));
        }
        model.waiting.clear();
        return effects;
    }

    private Model known(ModelKey key) {
        Model model = models.get(key);
        if (model == null) {
            throw new IllegalStateException(key + " has requests and is not known");
        }
        return model;
    }

    private void forgetIfEmpty(ModelKey key, Model model) {
        if (model.limits == null && model.reserved() == 0 && model.replicas.isEmpty()) {
            models.remove(key);
        }
    }

    /** Requests of this model that wait. */
    public int waiting(ModelKey key) {
        Model model = models.get(key);
        return model == null ? 0 : model.waiting.size();
    }

    /** Requests of this model at a replica. */
    public int serving(ModelKey key) {
        Model model = models.get(key);
        return model == null ? 0 : model.serving;
    }

    /** This gateway's present limit of the model, waiting requests included; 0 for an unknown model. */
    public int limit(ModelKey key) {
        Model model = models.get(key);
        return model == null || model.limits == null ? 0 : limitOf(model.limits, model.replicas.size());
    }

    /** When the longest-waiting request of this model came. */
    public Optional<Instant> oldestWaiting(ModelKey key) {
        Model model = models.get(key);
        return model == null
                ? Optional.empty()
                : model.waiting.stream().map(HeldRequest::arrivedAt).min(Comparator.naturalOrder());
    }

    /** Requests per replica of this model; replicas without any are left out. */
    public Map<String, Integer> servingByPod(ModelKey key) {
        Map<String, Integer> counts = new HashMap<>();
        for (Serving request : serving.values()) {
            if (request.request.model().equals(key)) {
                counts.merge(request.pod, 1, Integer::sum);
            }
        }
        return counts;
    }

    /** Whether nothing waits and nothing is at a replica. */
    public boolean idle() {
        return waiting.isEmpty() && serving.isEmpty();
    }

    public int waitingInAll() {
        return waiting.size();
    }

    public int servingInAll() {
        return serving.size();
    }

    /** Models that something is kept for: known ones, and those that requests or replicas remain of. */
    public int models() {
        return models.size();
    }
}

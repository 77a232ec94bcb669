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
 * threads: one event loop owns it.
 */
public final class HoldCore {
    private static final Comparator<HeldRequest> ORDER = Comparator.comparingInt(HeldRequest::priority)
            .reversed()
            .thenComparing(HeldRequest::arrivedAt)
            .thenComparingLong(HeldRequest::id);

    /** What is known of one model. Kept while anything is reserved, also after the model itself is gone. */
    private static final class Model {
        private @Nullable ModelLimits limits;
        private final Map<String, Integer> replicas = new LinkedHashMap<>();
        private final TreeSet<HeldRequest> waiting = new TreeSet<>(ORDER);
        private int serving;

        int reserved() {
            return serving + waiting.size();
        }
    }

    private record Serving(HeldRequest request, String pod) {}

    private final HoldLimits limits;
    private final Map<ModelKey, Model> models = new HashMap<>();
    private final Map<Long, HeldRequest> waiting = new HashMap<>();
    private final Map<Long, Serving> serving = new HashMap<>();
    private boolean closed;

    public HoldCore(HoldLimits limits) {
        this.limits = limits;
    }

    /** A request came. */
    public List<Effect> arrived(HeldRequest request) {
        if (closed) {
            return List.of(new Reject(request.id(), Reason.ShuttingDown));
        }
        Model model = models.get(request.model());
        if (model == null || model.limits == null) {
            return List.of(new Reject(request.id(), Reason.UnknownModel));
        }
        if (model.reserved() >= limitOf(model)) {
            return List.of(new Reject(request.id(), Reason.OverLimit));
        }
        Optional<String> pod = model.waiting.isEmpty() ? roomiest(model) : Optional.empty();
        if (pod.isPresent()) {
            return List.of(grant(model, request, pod.get()));
        }
        if (model.waiting.size() >= limits.perModel() || waiting.size() >= limits.inAll()) {
            return List.of(new Reject(request.id(), Reason.QueueFull));
        }
        return hold(model, request);
    }

    private List<Effect> hold(Model model, HeldRequest request) {
        boolean first = model.waiting.isEmpty();
        model.waiting.add(request);
        waiting.put(request.id(), request);
        return first ? List.of(new Demand(request.model())) : List.of();
    }

    /** {@code concurrencyLimit × max(1, ready replicas)}, this gateway's share, rounded up. */
    private int limitOf(Model model) {
        ModelLimits own = model.limits;
        if (own == null) {
            return 0;
        }
        long all = (long) own.concurrency() * Math.max(1, model.replicas.size());
        return (int) Math.min(Integer.MAX_VALUE, (all + limits.gateways() - 1) / limits.gateways());
    }

    private static Optional<String> roomiest(Model model) {
        ModelLimits own = model.limits;
        if (own == null) {
            return Optional.empty();
        }
        return model.replicas.entrySet()
                .stream()
                .filter(replica -> replica.getValue() < own.concurrency())
                .min(Map.Entry.comparingByValue())
                .map(Map.Entry::getKey);
    }

    private Grant grant(Model model, HeldRequest request, String pod) {
        model.serving++;
        model.replicas.merge(pod, 1, Integer::sum);
        serving.put(request.id(), new Serving(request, pod));
        return new Grant(request.id(), pod);
    }

    /** The client went away. A request that is not held here is nobody's business (L16). */
    public List<Effect> cancelled(long id) {
        HeldRequest held = waiting.remove(id);
        if (held == null) {
            return serving.containsKey(id) ? served(id) : List.of();
        }
        Model model = known(held.model());
        model.waiting.remove(held);
        forgetIfEmpty(held.model(), model);
        return List.of();
    }

    /**
     * A granted request ended, however.
     *
     * @throws IllegalStateException when it was not granted: a count would go wrong (L56)
     */
    public List<Effect> served(long id) {
        Serving ended = serving.remove(id);
        if (ended == null) {
            throw new IllegalStateException("request " + id + " was not being served");
        }
        Model model = known(ended.request.model());
        model.serving--;
        model.replicas.computeIfPresent(ended.pod, (pod, count) -> count - 1);
        List<Effect> effects = drain(model);
        forgetIfEmpty(ended.request.model(), model);
        return effects;
    }

    /** A granted request never reached its replica: it waits again, in its old place, and the replica is not offered. */
    public List<Effect> returned(long id) {
        Serving undone = serving.remove(id);
        if (undone == null) {
            throw new IllegalStateException("request " + id + " was not being served");
        }
        Model model = known(undone.request.model());
        model.serving--;
        model.replicas.remove(undone.pod);
        if (closed || model.limits == null) {
            forgetIfEmpty(undone.request.model(), model);
            return List.of(new Reject(id, closed ? Reason.ShuttingDown : Reason.UnknownModel));
        }
        List<Effect> demand = hold(model, undone.request);
        List<Effect> effects = drain(model);
        if (!model.waiting.isEmpty()) {
            effects.addAll(demand);
        }
        return effects;
    }

    /** The replicas that may be given requests now: ready, and not draining. */
    public List<Effect> replicas(ModelKey key, Collection<String> pods) {
        Model model = models.computeIfAbsent(key, unknown -> new Model());
        model.replicas.keySet().retainAll(pods);
        for (String pod : pods) {
            model.replicas.computeIfAbsent(pod, added -> (int) serving.values()
                    .stream()
                    .filter(request -> request.pod.equals(pod))
                    .count());
        }
        List<Effect> effects = drain(model);
        forgetIfEmpty(key, model);
        return effects;
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

    /** Time passed: whoever waited too long is told. */
    public List<Effect> tick(Instant now) {
        List<Effect> effects = new ArrayList<>();
        for (HeldRequest request : List.copyOf(waiting.values())) {
            if (!now.isBefore(request.deadline())) {
                cancelled(request.id());
                effects.add(new Reject(request.id(), Reason.DeadlineExceeded));
            }
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
        List<Effect> effects = new ArrayList<>();
        for (Model model : models.values()) {
            effects.addAll(rejectWaiting(model, Reason.ShuttingDown));
        }
        return effects;
    }

    private List<Effect> drain(Model model) {
        List<Effect> effects = new ArrayList<>();
        while (!model.waiting.isEmpty()) {
            Optional<String> pod = roomiest(model);
            if (pod.isEmpty()) {
                break;
            }
            HeldRequest next = model.waiting.removeFirst();
            waiting.remove(next.id());
            effects.add(grant(model, next, pod.get()));
        }
        return effects;
    }

    private List<Effect> rejectWaiting(Model model, Reason reason) {
        List<Effect> effects = new ArrayList<>();
        for (HeldRequest request : model.waiting) {
            waiting.remove(request.id());
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
}

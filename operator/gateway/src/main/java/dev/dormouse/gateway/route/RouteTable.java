package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The models and pods this gateway knows. Kept up to date event by event, so that a change among ten thousand models
 * costs what the change costs. Not safe for threads: the gateway's event loop owns it.
 */
public final class RouteTable {
    private static final Comparator<ModelKey> BY_NAME = Comparator.comparing(ModelKey::toString);
    private static final Comparator<ModelRoute> BY_AGE = Comparator.comparing(ModelRoute::createdAt)
            .thenComparing(ModelRoute::key, BY_NAME);

    private final Map<ModelKey, ModelRoute> models = new HashMap<>();
    private final Map<String, Map<ModelKey, ModelRoute>> byClientName = new HashMap<>();
    private final Map<String, Map<ModelKey, ModelRoute>> byAlias = new HashMap<>();
    private final Map<String, PodRoute> pods = new HashMap<>();
    private final Map<ModelKey, Map<String, PodRoute>> podsByModel = new HashMap<>();

    /** A model appeared or changed. */
    public void put(ModelRoute model) {
        remove(model.key());
        models.put(model.key(), model);
        byClientName.computeIfAbsent(model.clientName(), name -> new TreeMap<>(BY_NAME)).put(model.key(), model);
        for (String alias : model.aliases()) {
            byAlias.computeIfAbsent(alias, name -> new HashMap<>()).put(model.key(), model);
        }
    }

    /** A model is gone. */
    public void remove(ModelKey key) {
        ModelRoute old = models.remove(key);
        if (old != null) {
            removeFrom(byClientName, old.clientName(), key);
            old.aliases().forEach(alias -> removeFrom(byAlias, alias, key));
        }
    }

    /** A pod appeared or changed. */
    public void put(PodRoute pod) {
        removePod(pod.uid());
        pods.put(pod.uid(), pod);
        podsByModel.computeIfAbsent(pod.model(), model -> new LinkedHashMap<>()).put(pod.uid(), pod);
    }

    /** A pod is gone; absent if it was not known. */
    public Optional<PodRoute> removePod(String uid) {
        PodRoute old = pods.remove(uid);
        if (old != null) {
            removeFrom(podsByModel, old.model(), uid);
        }
        return Optional.ofNullable(old);
    }

    private static <K, L> void removeFrom(Map<K, ? extends Map<L, ?>> groups, K group, L member) {
        Map<L, ?> members = groups.get(group);
        if (members != null) {
            members.remove(member);
            if (members.isEmpty()) {
                groups.remove(group);
            }
        }
    }

    public Optional<ModelRoute> model(ModelKey key) {
        return Optional.ofNullable(models.get(key));
    }

    public Optional<PodRoute> pod(String uid) {
        return Optional.ofNullable(pods.get(uid));
    }

    /** In the order in which they were last seen. */
    public Collection<PodRoute> pods(ModelKey model) {
        return Collections.unmodifiableCollection(podsByModel.getOrDefault(model, Map.of()).values());
    }

    /** UIDs of the pods that carry the draining mark. */
    public List<String> draining() {
        return pods.values().stream().filter(PodRoute::draining).map(PodRoute::uid).sorted().toList();
    }

    /**
     * Which model a client means by a name, in this order: the own name of a model while only one has it; an alias, which
     * belongs to the oldest model that claims it; {@code namespace/name}.
     */
    public Selection select(String name) {
        Map<ModelKey, ModelRoute> named = byClientName.getOrDefault(name, Map.of());
        if (named.size() == 1) {
            return new Selection.Found(named.values().iterator().next());
        }
        if (named.size() > 1) {
            return new Selection.Ambiguous(List.copyOf(named.keySet()));
        }
        Optional<ModelRoute> aliased = byAlias.getOrDefault(name, Map.of()).values().stream().min(BY_AGE);
        if (aliased.isPresent()) {
            return new Selection.Found(aliased.get());
        }
        int slash = name.indexOf('/');
        return slash <= 0 || slash == name.length() - 1 ? new Selection.Unknown() : select(ModelKey.parse(name));
    }

    /** The model of this namespace and resource name, client's name or alias. */
    public Selection select(ModelKey key) {
        ModelRoute exact = models.get(key);
        if (exact != null) {
            return new Selection.Found(exact);
        }
        List<ModelRoute> named = byClientName.getOrDefault(key.name(), Map.of())
                .values()
                .stream()
                .filter(model -> model.key().namespace().equals(key.namespace()))
                .toList();
        return switch (named.size()) {
            case 0 -> aliased(key);
            case 1 -> new Selection.Found(named.getFirst());
            default -> new Selection.Ambiguous(named.stream().map(ModelRoute::key).toList());
        };
    }

    private Selection aliased(ModelKey key) {
        return byAlias.getOrDefault(key.name(), Map.of())
                .values()
                .stream()
                .filter(model -> model.key().namespace().equals(key.namespace()))
                .min(BY_AGE)
                .<Selection>map(Selection.Found::new)
                .orElseGet(Selection.Unknown::new);
    }

    /** Every model under the name by which a client reaches it, in the order of the names. */
    public Stream<Map.Entry<String, ModelRoute>> listing() {
        return models.values()
                .stream()
                .map(model -> Map.entry(shortestName(model), model))
                .sorted(Map.Entry.comparingByKey());
    }

    private String shortestName(ModelRoute model) {
        boolean unique = byClientName.getOrDefault(model.clientName(), Map.of()).size() == 1;
        return unique ? model.clientName() : model.key().toString();
    }
}

package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Models by the names clients use. Owned by the event loop. */
public final class RouteTable {

    /** How a name was understood. */
    public sealed interface Match {
        record Found(ServedModel model) implements Match {}

        record Unknown() implements Match {}

        /** The name is used in several namespaces. */
        record Ambiguous(List<ModelKey> candidates) implements Match {}
    }

    private final Map<ModelKey, ServedModel> models = new TreeMap<>(
            Comparator.comparing(ModelKey::namespace).thenComparing(ModelKey::name));
    private final Map<String, List<ModelKey>> byName = new HashMap<>();

    public void put(ServedModel model) {
        remove(model.key());
        models.put(model.key(), model);
        byName.computeIfAbsent(model.clientName(), name -> new ArrayList<>()).add(model.key());
    }

    public void remove(ModelKey key) {
        ServedModel old = models.remove(key);
        if (old != null) {
            byName.computeIfPresent(old.clientName(), (name, keys) -> {
                keys.remove(key);
                return keys.isEmpty() ? null : keys;
            });
        }
    }

    public Optional<ServedModel> get(ModelKey key) {
        return Optional.ofNullable(models.get(key));
    }

    /** A bare name while it is unique, or {@code namespace/name} with the name clients use or the resource's. */
    public Match find(String name) {
        List<ModelKey> bare = byName.getOrDefault(name, List.of());
        if (bare.size() == 1) {
            return found(bare.getFirst());
        }
        if (bare.size() > 1) {
            return new Match.Ambiguous(List.copyOf(bare));
        }
        int slash = name.indexOf('/');
        return slash <= 0 ? new Match.Unknown() : find(name.substring(0, slash), name.substring(slash + 1));
    }

    private Match find(String namespace, String name) {
        ModelKey resource = new ModelKey(namespace, name);
        if (models.containsKey(resource)) {
            return found(resource);
        }
        return byName.getOrDefault(name, List.of())
                .stream()
                .filter(key -> key.namespace().equals(namespace))
                .findFirst()
                .<Match>map(this::found)
                .orElseGet(Match.Unknown::new);
    }

    private Match found(ModelKey key) {
        ServedModel model = models.get(key);
        return model == null ? new Match.Unknown() : new Match.Found(model);
    }

    public Collection<ServedModel> all() {
        return List.copyOf(models.values());
    }

    /** How a client must write this model's name: bare while that is unique. */
    public String nameFor(ServedModel model) {
        return byName.getOrDefault(model.clientName(), List.of()).size() > 1
                ? model.key().namespace() + "/" + model.clientName()
                : model.clientName();
    }
}

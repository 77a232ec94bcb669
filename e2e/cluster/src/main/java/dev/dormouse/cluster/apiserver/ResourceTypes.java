package dev.dormouse.cluster.apiserver;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;

/** Every served kind. CustomResourceDefinitions add to it and take away from it while the server runs. */
final class ResourceTypes {
    private final Map<String, ResourceType> byGroupResource = new ConcurrentSkipListMap<>();

    ResourceTypes(List<ResourceType> builtIn) {
        builtIn.forEach(this::put);
    }

    void put(ResourceType type) {
        byGroupResource.put(type.groupResource(), type);
    }

    void remove(String groupResource) {
        byGroupResource.remove(groupResource);
    }

    Optional<ResourceType> find(String group, String version, String plural) {
        return find(group.isEmpty() ? plural : plural + "." + group).filter(type -> type.version().equals(version));
    }

    Optional<ResourceType> find(String groupResource) {
        return Optional.ofNullable(byGroupResource.get(groupResource));
    }

    ResourceType get(String groupResource) {
        return find(groupResource).orElseThrow(() -> new IllegalStateException("no such type: " + groupResource));
    }

    Collection<ResourceType> all() {
        return byGroupResource.values();
    }
}

package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Key;
import dev.dormouse.cluster.apiserver.Store.Ref;
import java.util.ArrayList;
import java.util.List;

/**
 * Finishes what deletions leave behind: objects whose owners are gone, contents of deleted namespaces and of deleted
 * CustomResourceDefinitions, and the foreground and orphan policies.
 */
final class GarbageCollector implements Controllers.Controller {
    private static final WriteOptions OPTIONS = WriteOptions.internal("garbage-collector");

    private final Store store;
    private final ResourceTypes types;
    private final ObjectLifecycle objects;

    GarbageCollector(Store store, ResourceTypes types, ObjectLifecycle objects) {
        this.store = store;
        this.types = types;
        this.objects = objects;
    }

    @Override
    public void deleted(String resource, ApiObject object) {
        store.dependentsOf(object.uid()).forEach(this::releaseOrDelete);
        for (JsonNode owner : object.metadata().path("ownerReferences")) {
            store.find(owner.path("uid").asText())
                    .ifPresent(ref -> store.get(ref.resource(), ref.key())
                            .ifPresent(waiting -> changed(ref.resource(), waiting)));
        }
        if (!object.namespace().isEmpty()) {
            store.get("namespaces", new Key("", object.namespace()))
                    .ifPresent(namespace -> changed("namespaces", namespace));
        }
        types.find(resource)
                .filter(ResourceType::custom)
                .flatMap(type -> store.get(CustomResources.RESOURCE, new Key("", type.groupResource())))
                .ifPresent(crd -> changed(CustomResources.RESOURCE, crd));
    }

    @Override
    public void changed(String resource, ApiObject object) {
        if (!object.metadata().path("ownerReferences").isEmpty()) {
            releaseOrDelete(new Ref(resource, object.key()));
        }
        if (!object.deleting()) {
            return;
        }
        if (resource.equals("namespaces")) {
            emptyNamespace(object);
        } else if (resource.equals(CustomResources.RESOURCE)) {
            emptyDefinition(object);
        }
        if (object.finalizers().contains("orphan")) {
            store.dependentsOf(object.uid()).forEach(ref -> dropOwners(ref, List.of(object.uid())));
            removeFinalizer(resource, object, "orphan");
        } else if (object.finalizers().contains("foregroundDeletion")) {
            deleteDependentsFirst(resource, object);
        }
    }

    /** An object with no living owner goes; one that has another loses only the dead references. */
    private void releaseOrDelete(Ref ref) {
        store.get(ref.resource(), ref.key()).ifPresent(object -> {
            List<String> dead = new ArrayList<>();
            int living = 0;
            for (JsonNode owner : object.metadata().path("ownerReferences")) {
                String uid = owner.path("uid").asText();
                if (store.find(uid).isPresent()) {
                    living++;
                } else {
                    dead.add(uid);
                }
            }
            if (living == 0 && !dead.isEmpty()) {
                delete(ref);
            } else if (!dead.isEmpty()) {
                dropOwners(ref, dead);
            }
        });
    }

    private void deleteDependentsFirst(String resource, ApiObject owner) {
        boolean blocked = false;
        for (Ref ref : store.dependentsOf(owner.uid())) {
            delete(ref);
            blocked |= store.get(ref.resource(), ref.key()).map(object -> blocks(object, owner.uid())).orElse(false);
        }
        if (!blocked) {
            removeFinalizer(resource, owner, "foregroundDeletion");
        }
    }

    private static boolean blocks(ApiObject dependent, String owner) {
        return dependent.metadata()
                .path("ownerReferences")
                .valueStream()
                .anyMatch(
                        ref -> ref.path("uid").asText().equals(owner) && ref.path("blockOwnerDeletion").asBoolean());
    }

    private void emptyNamespace(ApiObject namespace) {
        boolean empty = true;
        for (ResourceType type : types.all()) {
            if (type.namespaced()) {
                empty &= deleteAll(type, namespace.name());
            }
        }
        if (empty && !namespace.json().at("/spec/finalizers").isEmpty()) {
            update("namespaces", namespace.key(), json -> json.withObjectProperty("spec").remove("finalizers"));
        }
    }

    private void emptyDefinition(ApiObject crd) {
        boolean empty = types.find(crd.name()).map(type -> deleteAll(type, "")).orElse(true);
        if (empty && crd.finalizers().contains(CustomResources.CLEANUP)) {
            removeFinalizer(CustomResources.RESOURCE, crd, CustomResources.CLEANUP);
        }
    }

    /** @return whether nothing is left */
    private boolean deleteAll(ResourceType type, String namespace) {
        store.list(type.groupResource(), namespace)
                .objects()
                .stream()
                .filter(object -> !object.deleting())
                .forEach(object -> delete(new Ref(type.groupResource(), object.key())));
        return store.list(type.groupResource(), namespace).objects().isEmpty();
    }

    private void delete(Ref ref) {
        ResourceType type = types.get(ref.resource());
        store.get(ref.resource(), ref.key()).filter(object -> !object.deleting()).ifPresent(object -> {
            try {
                objects.delete(type, ref.key(), DeleteOptions.background());
            } catch (ApiException e) {
                if (e.code() != 404) { // somebody else deleted it
                    throw e;
                }
            }
        });
    }

    private void dropOwners(Ref ref, List<String> uids) {
        update(ref.resource(), ref.key(), json -> {
            if (json.path("metadata").path("ownerReferences") instanceof ArrayNode owners) {
                owners.removeIf(owner -> uids.contains(owner.path("uid").asText()));
            }
        });
    }

    private void removeFinalizer(String resource, ApiObject object, String finalizer) {
        update(resource, object.key(), json -> {
            List<String> left = new ArrayList<>(new ApiObject(json).finalizers());
            left.remove(finalizer);
            ObjectLifecycle.setFinalizers(ApiObject.metadataOf(json), left);
        });
    }

    private void update(String resource, Key key, java.util.function.Consumer<ObjectNode> change) {
        try {
            objects.patch(types.get(resource), key, current -> {
                ObjectNode json = current.deepCopy();
                change.accept(json);
                return json;
            }, OPTIONS);
        } catch (ApiException e) {
            if (e.code() != 404) { // gone is as good
                throw e;
            }
        }
    }
}

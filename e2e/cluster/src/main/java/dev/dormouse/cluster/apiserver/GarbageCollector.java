package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Change;
import dev.dormouse.cluster.apiserver.Store.Event;
import dev.dormouse.cluster.apiserver.Store.Key;
import dev.dormouse.cluster.apiserver.Store.Ref;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finishes what deletions leave behind: objects whose owners are gone, contents of deleted namespaces and of deleted
 * CustomResourceDefinitions, and the foreground and orphan policies. One thread, fed by the store's changes; when it cannot
 * keep up it looks at everything once instead.
 */
final class GarbageCollector {
    private static final Logger LOG = LoggerFactory.getLogger(GarbageCollector.class);
    private static final WriteOptions OPTIONS = WriteOptions.internal("garbage-collector");
    private static final Event LOOK_AT_EVERYTHING = new Event(Change.MODIFIED, "",
            new ApiObject(Json.object()), null, 0);

    private final Store store;
    private final ResourceTypes types;
    private final ObjectLifecycle objects;
    private final BlockingQueue<Event> changes;

    /** @param changes what the store's listener offers; the collector is its only consumer */
    GarbageCollector(Store store, ResourceTypes types, ObjectLifecycle objects, BlockingQueue<Event> changes) {
        this.store = store;
        this.types = types;
        this.objects = objects;
        this.changes = changes;
    }

    static BlockingQueue<Event> newQueue() {
        return new ArrayBlockingQueue<>(10_000);
    }

    /** Called by the store under its lock: never waits. */
    static void note(BlockingQueue<Event> changes, Event event) {
        if (!changes.offer(event)) {
            changes.clear();
            changes.add(LOOK_AT_EVERYTHING);
        }
    }

    void run() {
        try {
            while (true) {
                Event event = changes.take();
                try {
                    handle(event);
                } catch (RuntimeException e) { // the collector must outlive one object it cannot deal with
                    LOG.atError()
                            .addKeyValue("resource", event.resource())
                            .addKeyValue("name", event.object().name())
                            .setCause(e)
                            .log("garbage collection failed");
                }
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // the server stops
        }
    }

    private void handle(Event event) {
        if (event == LOOK_AT_EVERYTHING) {
            for (ResourceType type : types.all()) {
                store.list(type.groupResource(), "")
                        .objects()
                        .forEach(object -> changed(type.groupResource(), object));
            }
        } else if (event.change() == Change.DELETED) {
            deleted(event);
        } else {
            changed(event.resource(), event.object());
        }
    }

    private void deleted(Event event) {
        ApiObject object = event.object();
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
        types.find(event.resource())
                .filter(ResourceType::custom)
                .flatMap(type -> store.get(CustomResources.RESOURCE, new Key("", type.groupResource())))
                .ifPresent(crd -> changed(CustomResources.RESOURCE, crd));
    }

    private void changed(String resource, ApiObject object) {
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

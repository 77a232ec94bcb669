package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import dev.dormouse.cluster.apiserver.DeleteOptions.Propagation;
import dev.dormouse.cluster.apiserver.ManagedFields.FieldOwner;
import dev.dormouse.cluster.apiserver.ManagedFields.Operation;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Function;

/**
 * What happens to an object from its creation to its end, with the rules of kube-apiserver. Every write computes the next
 * state from the one it read and commits it only if that is still the stored one; otherwise it starts again, unless the
 * client named the version it wants to replace.
 */
final class ObjectLifecycle {
    private static final int MAX_ATTEMPTS = 100;
    /** Kinds that a PUT creates, as upstream. */
    private static final Set<String> CREATED_BY_UPDATE = Set.of("leases.coordination.k8s.io", "endpoints", "events");
    private static final String FOREGROUND = "foregroundDeletion";
    private static final String ORPHAN = "orphan";
    private static final List<String> METADATA_OF_SERVER = List.of("name", "namespace", "uid", "creationTimestamp",
            "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink");
    private static final String RANDOM_NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

    private final Store store;
    private final ResourceTypes types;
    private final Clock clock;

    ObjectLifecycle(Store store, ResourceTypes types, Clock clock) {
        this.store = store;
        this.types = types;
        this.clock = clock;
    }

    /** @param gone whether nothing is left of it; else it waits for its finalizers or for its kubelet */
    record Deletion(ApiObject object, boolean gone) {}

    ApiObject get(ResourceType type, Key key) {
        return store.get(type.groupResource(), key).orElseThrow(() -> ApiException.notFound(type, key.name()));
    }

    Optional<ApiObject> find(ResourceType type, Key key) {
        return store.get(type.groupResource(), key);
    }

    ApiObject create(ResourceType type, String namespace, ObjectNode body, WriteOptions options) {
        ObjectNode json = body.deepCopy();
        ObjectNode metadata = ApiObject.metadataOf(json);
        if (!metadata.path("resourceVersion").asText("").isEmpty()) {
            throw ApiException.badRequest("resourceVersion should not be set on objects to be created");
        }
        if (!metadata.has("name") && !metadata.path("generateName").asText("").isEmpty()) {
            metadata.put("name", metadata.get("generateName").asText() + randomSuffix());
        }
        metadata.remove("managedFields");
        WriteChecks.identity(type, namespace, metadata.path("name").asText(), json);
        return insert(type, json, Operation.Update, options);
    }

    /** Replaces an object, or its status. */
    ApiObject update(ResourceType type, Key key, ObjectNode body, WriteOptions options) {
        WriteChecks.identity(type, key.namespace(), key.name(), body);
        if (CREATED_BY_UPDATE.contains(type.groupResource()) && find(type, key).isEmpty()) {
            return create(type, key.namespace(), body, options);
        }
        boolean unconditional = body.path("metadata").path("resourceVersion").asText("").isEmpty();
        if (unconditional && type.custom()) {
            throw ApiException.invalid(type, key.name(), List.of(
                    Cause.invalid("metadata.resourceVersion", "0x0", "must be specified for an update")));
        }
        return change(type, key, _ -> body.deepCopy(), options);
    }

    /** @param patch computes the new document from the current one; called again when somebody else was faster */
    ApiObject patch(ResourceType type, Key key, Function<ObjectNode, JsonNode> patch, WriteOptions options) {
        return change(type, key, current -> {
            if (patch.apply(current.json()) instanceof ObjectNode patched) {
                if (!(patched.get("metadata") instanceof ObjectNode metadata)) {
                    throw ApiException.undecodable(type, "metadata must be an object");
                }
                if (metadata.path("name").asText("").isEmpty()) {
                    throw ApiException.invalid(type, key.name(), List.of(Cause.required("metadata.name")));
                }
                String uid = patched.path("metadata").path("uid").asText(current.uid());
                String version = patched.path("metadata").path("resourceVersion").asText("");
                boolean currentVersion = version.isEmpty() || version.equals(current.resourceVersion());
                if (currentVersion && !uid.equals(current.uid())) { // a conflict for PUT, and this for PATCH: as upstream
                    throw ApiException.invalid(type, key.name(), List.of(
                            Cause.invalid("metadata.uid", "\"" + uid + "\"", "field is immutable")));
                }
                WriteChecks.identity(type, key.namespace(), key.name(), patched);
                return patched;
            }
            throw ApiException.unprocessable("the patch does not leave an object");
        }, options);
    }

    /** Puts a pod onto a node, once: what nobody can do by writing its spec. */
    void bind(ResourceType type, Key key, String node, String uid) {
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            ApiObject pod = get(type, key);
            if (!uid.isEmpty() && !uid.equals(pod.uid())) {
                throw WriteChecks.uidConflict(type, pod, uid);
            }
            if (pod.deleting() || pod.json().at("/spec").has("nodeName")) {
                throw ApiException.conflict(type, key.name(), pod.deleting()
                        ? "it is being deleted"
                        : "it is already assigned to node " + pod.json().at("/spec/nodeName"));
            }
            if (!pod.json().at("/spec/schedulingGates").isEmpty()) {
                throw ApiException.conflict(type, key.name(), "it has non-empty .spec.schedulingGates");
            }
            ObjectNode bound = pod.copy();
            ObjectRules.bind(bound, node, now());
            if (store.replace(type.groupResource(), pod, bound).isPresent()) {
                return;
            }
        }
        throw tooMuchContention(type, key);
    }

    /** Server-side apply: creates the object when there is none. */
    ApiObject apply(ResourceType type, Key key, ObjectNode config, WriteOptions options) {
        WriteChecks.identity(type, key.namespace(), key.name(), config);
        if (!config.path("metadata").path("managedFields").isEmpty()) {
            throw ApiException.badRequest("metadata.managedFields must be nil");
        }
        List<String> unknown = SchemaFields.prune(config, type.schema());
        if (!unknown.isEmpty()) {
            throw ApiException.badRequest("failed to create typed patch object (" + key.namespace() + "/" + key.name()
                    + "; " + type.apiVersion() + ", Kind=" + type.kind() + "): ." + unknown.getFirst()
                    + ": field not declared in schema");
        }
        ServerSideApply ssa = new ServerSideApply(type, manager(type, Operation.Apply, options), options.force());
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            Optional<ApiObject> live = store.get(type.groupResource(), key);
            if (live.isEmpty() && options.subresource().isEmpty()) {
                if (config.path("metadata").has("uid") || config.path("metadata").has("resourceVersion")) {
                    throw ApiException.conflict(type, key.name(), "uid or resourceVersion was given, but the object"
                            + " does not exist");
                }
                ObjectNode json = ssa.apply(null, config, now());
                ApiObject.metadataOf(json).put("name", key.name());
                try {
                    return insert(type, json, Operation.Apply, options);
                } catch (ApiException e) {
                    if (!e.reason().equals("AlreadyExists")) {
                        throw e;
                    }
                    continue; // created meanwhile: merge into it
                }
            }
            ApiObject old = live.orElseThrow(() -> ApiException.notFound(type, key.name()));
            Optional<ApiObject> done = commit(type, old, ssa.apply(old, config, now()), Operation.Apply, options);
            if (done.isPresent()) {
                return done.get();
            }
        }
        throw tooMuchContention(type, key);
    }

    private ApiObject change(ResourceType type, Key key, Function<ApiObject, ObjectNode> change,
            WriteOptions options) {
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            ApiObject old = get(type, key);
            Optional<ApiObject> done = commit(type, old, change.apply(old), Operation.Update, options);
            if (done.isPresent()) {
                return done.get();
            }
        }
        throw tooMuchContention(type, key);
    }

    Deletion delete(ResourceType type, Key key, DeleteOptions options) {
        for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
            ApiObject old = get(type, key);
            WriteChecks.preconditions(type, old, options);
            ObjectRules.checkDeletion(type, old);
            ObjectNode next = old.copy();
            boolean waits = markDeleted(type, old, next, options);
            if (options.dryRun() || waits && ObjectChanges.sameContent(old, next)) {
                return new Deletion(old, !waits);
            }
            Optional<ApiObject> done = waits
                    ? store.replace(type.groupResource(), old, next)
                    : store.remove(type.groupResource(), old, next);
            if (done.isPresent()) {
                return new Deletion(done.get(), !waits);
            }
        }
        throw tooMuchContention(type, key);
    }

    /** @return whether the object stays for now: for its finalizers, or a pod until its kubelet has stopped it */
    private boolean markDeleted(ResourceType type, ApiObject old, ObjectNode next, DeleteOptions options) {
        ObjectNode metadata = ApiObject.metadataOf(next);
        long grace = ObjectRules.gracePeriodSeconds(type, old, options.gracePeriodSeconds());
        if (old.deleting()) {
            grace = Math.min(grace, metadata.path("deletionGracePeriodSeconds").asLong(grace));
        } else {
            List<String> finalizers = new ArrayList<>(old.finalizers());
            finalizers.removeAll(List.of(FOREGROUND, ORPHAN));
            if (options.propagation() != Propagation.Background && !store.dependentsOf(old.uid()).isEmpty()) {
                finalizers.add(options.propagation() == Propagation.Orphan ? ORPHAN : FOREGROUND);
            }
            setFinalizers(metadata, finalizers);
        }
        boolean waits = ObjectRules.holdsFinalizers(type, next) || grace > 0;
        boolean changed = !old.deleting() || grace != metadata.path("deletionGracePeriodSeconds").asLong();
        if (waits && changed) {
            metadata.put("deletionTimestamp", clock.instant()
                    .truncatedTo(ChronoUnit.SECONDS)
                    .plusSeconds(grace)
                    .toString());
            metadata.put("deletionGracePeriodSeconds", (int) grace);
            if (type.countsGenerations()) {
                metadata.put("generation", metadata.path("generation").asLong() + 1);
            }
            ObjectRules.markTerminating(type, next);
        }
        return waits;
    }

    static void setFinalizers(ObjectNode metadata, List<String> finalizers) {
        if (finalizers.isEmpty()) {
            metadata.remove("finalizers");
        } else {
            finalizers.forEach(metadata.putArray("finalizers")::add);
        }
    }

    private ApiObject insert(ResourceType type, ObjectNode json, Operation operation, WriteOptions options) {
        ObjectNode metadata = ApiObject.metadataOf(json);
        String name = metadata.path("name").asText();
        if (type.namespaced()) {
            requireNamespace(type, metadata.path("namespace").asText(), name);
        }
        metadata.remove(List.of("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"));
        metadata.put("uid", UUID.randomUUID().toString()).put("creationTimestamp", now());
        if (type.countsGenerations()) {
            metadata.put("generation", 1L);
        }
        if (type.statusSubresource() && !type.is("nodes")) { // kubelets create their node with its status
            json.remove("status");
        }
        WriteChecks.fields(type, json, options);
        ObjectRules.prepareCreate(type, json, clock.instant());
        WriteChecks.validity(type, json, null);
        options.admission().check(type, json);
        if (operation == Operation.Update) {
            ManagedFields.read(Json.object())
                    .afterUpdate(manager(type, operation, options), null, json, type, now())
                    .writeTo(json);
        }
        if (options.dryRun()) {
            if (store.get(type.groupResource(), new ApiObject(json).key()).isPresent()) {
                throw ApiException.alreadyExists(type, name);
            }
            return new ApiObject(json);
        }
        return store.create(type.groupResource(), new ApiObject(json).key(), json)
                .orElseThrow(() -> ApiException.alreadyExists(type, name));
    }

    /** @return empty when somebody else changed the object since {@code old} was read */
    private Optional<ApiObject> commit(ResourceType type, ApiObject old, ObjectNode candidate, Operation operation,
            WriteOptions options) {
        WriteChecks.version(type, old, candidate);
        ObjectNode next = isolate(type, old, candidate, options.subresource());
        WriteChecks.fields(type, next, options);
        ObjectRules.prepareUpdate(type, next);
        WriteChecks.newFinalizers(type, old, next);
        WriteChecks.validity(type, next, old);
        options.admission().check(type, next);
        if (type.countsGenerations() && !ObjectChanges.sameSpec(old.json(), next)) {
            ApiObject.metadataOf(next).put("generation", old.metadata().path("generation").asLong() + 1);
        }
        if (operation == Operation.Update) {
            JsonNode given = candidate.path("metadata").path("managedFields");
            ManagedFields before = ManagedFields.read(given.isArray() ? given : old.metadata().path("managedFields"));
            before.afterUpdate(manager(type, operation, options), old.json(), next, type, now()).writeTo(next);
        }
        if (ObjectChanges.sameContent(old, next)) {
            return Optional.of(old);
        }
        if (options.dryRun()) {
            return Optional.of(new ApiObject(next));
        }
        boolean ends = old.deleting() && !ObjectRules.holdsFinalizers(type, next)
                && next.path("metadata").path("deletionGracePeriodSeconds").asLong() == 0;
        return ends ? store.remove(type.groupResource(), old, next) : store.replace(type.groupResource(), old, next);
    }

    /** A write to the object leaves its status alone, and one to the status everything else. */
    private static ObjectNode isolate(ResourceType type, ApiObject old, ObjectNode candidate, String subresource) {
        ObjectNode next;
        if (subresource.equals("status")) {
            next = old.copy();
            copyField("status", candidate, next);
            if (candidate.path("metadata").has("managedFields")) {
                copyField("managedFields", candidate.path("metadata"), ApiObject.metadataOf(next));
            }
        } else {
            next = candidate;
            if (type.statusSubresource()) {
                copyField("status", old.json(), next);
            }
            ObjectNode metadata = ApiObject.metadataOf(next);
            METADATA_OF_SERVER.forEach(field -> copyField(field, old.metadata(), metadata));
            next.put("apiVersion", type.apiVersion()).put("kind", type.kind());
        }
        return next;
    }

    private static void copyField(String field, JsonNode from, ObjectNode to) {
        if (from.has(field)) {
            to.set(field, from.get(field).deepCopy());
        } else {
            to.remove(field);
        }
    }

    private void requireNamespace(ResourceType type, String namespace, String name) {
        ResourceType namespaces = types.get("namespaces");
        ApiObject found = store.get("namespaces", new Key("", namespace))
                .orElseThrow(() -> ApiException.notFound(namespaces, namespace));
        if (found.deleting()) {
            throw ApiException.namespaceTerminating(type, name, namespace);
        }
    }

    private FieldOwner manager(ResourceType type, Operation operation, WriteOptions options) {
        return new FieldOwner(options.manager(), operation, type.apiVersion(), options.subresource());
    }

    private String now() {
        return clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static String randomSuffix() {
        StringBuilder suffix = new StringBuilder();
        ThreadLocalRandom.current()
                .ints(5, 0, RANDOM_NAME_LETTERS.length())
                .forEach(i -> suffix.append(RANDOM_NAME_LETTERS.charAt(i)));
        return suffix.toString();
    }

    private static ApiException tooMuchContention(ResourceType type, Key key) {
        return ApiException.conflict(type, key.name(), "it is changed too often by others; please try again");
    }
}

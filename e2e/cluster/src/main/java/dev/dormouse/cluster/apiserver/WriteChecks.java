package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What every write must pass: that it is about the right object, that its fields are known, and that they are valid. */
final class WriteChecks {

    private WriteChecks() {}

    static void identity(ResourceType type, String namespace, String name, ObjectNode json) {
        String apiVersion = json.path("apiVersion").asText(type.apiVersion());
        String kind = json.path("kind").asText(type.kind());
        if (!apiVersion.equals(type.apiVersion()) || !kind.equals(type.kind())) {
            throw ApiException.badRequest("the object in the data (" + apiVersion + ", Kind=" + kind
                    + ") does not match the expected one (" + type.apiVersion() + ", Kind=" + type.kind() + ")");
        }
        json.put("apiVersion", apiVersion).put("kind", kind);
        ObjectNode metadata = ApiObject.metadataOf(json);
        String givenName = metadata.path("name").asText(name);
        if (!givenName.equals(name)) {
            throw ApiException.badRequest("the name of the object (" + givenName
                    + ") does not match the name on the URL (" + name + ")");
        }
        String givenNamespace = metadata.path("namespace").asText(namespace);
        if (!givenNamespace.equals(namespace)) {
            throw ApiException
                    .badRequest("the namespace of the provided object does not match the namespace sent on the"
                            + " request");
        }
        if (type.namespaced()) {
            metadata.put("namespace", namespace);
        }
    }

    static void version(ResourceType type, ApiObject old, ObjectNode candidate) {
        String version = candidate.path("metadata").path("resourceVersion").asText("");
        if (!version.isEmpty() && !version.equals(old.resourceVersion())) {
            throw ApiException.conflict(type, old.name(), "the object has been modified; please apply your changes to"
                    + " the latest version and try again");
        }
        String uid = candidate.path("metadata").path("uid").asText("");
        if (!uid.isEmpty() && !uid.equals(old.uid())) {
            throw uidConflict(type, old, uid);
        }
    }

    static void preconditions(ResourceType type, ApiObject old, DeleteOptions options) {
        if (!options.uid().isEmpty() && !options.uid().equals(old.uid())) {
            throw uidConflict(type, old, options.uid());
        }
        if (!options.resourceVersion().isEmpty() && !options.resourceVersion().equals(old.resourceVersion())) {
            throw ApiException.conflict(type, old.name(), "Precondition failed: ResourceVersion in precondition: "
                    + options.resourceVersion() + ", ResourceVersion in object meta: " + old.resourceVersion());
        }
    }

    static ApiException uidConflict(ResourceType type, ApiObject old, String uid) {
        return ApiException.conflict(type, old.name(),
                "Precondition failed: UID in precondition: " + uid + ", UID in object meta: " + old.uid());
    }

    /** Fields that the schema does not know are dropped, with a word or an error as the client wants it; defaults come in. */
    static void fields(ResourceType type, ObjectNode json, WriteOptions options) {
        for (String list : List.of("finalizers", "ownerReferences")) {
            if (json.path("metadata").path(list).isArray() && json.path("metadata").path(list).isEmpty()) {
                ApiObject.metadataOf(json).remove(list);
            }
        }
        List<String> unknown = SchemaFields.prune(json, type.schema());
        if (!unknown.isEmpty()) {
            List<String> messages = unknown.stream().map(path -> "unknown field \"" + path + "\"").toList();
            switch (options.validation()) {
                case Strict -> throw ApiException.badRequest(type.kind() + " in version \"" + type.version()
                        + "\" cannot be handled as a " + type.kind() + ": strict decoding error: "
                        + String.join(", ", messages));
                case Warn -> messages.forEach(options.warnings());
                case Ignore -> { // dropped in silence, as the client asked
                }
            }
        }
        SchemaFields.applyDefaults(json, type.schema());
    }

    /** @throws ApiException 400 for what cannot be decoded, 422 with every other cause */
    static void validity(ResourceType type, ObjectNode json, @Nullable ApiObject old) {
        String name = json.path("metadata").path("name").asText();
        List<Cause> causes = new ArrayList<>(MetadataRules.check(type, json));
        List<Cause> shape = SchemaValidation.validate(json, type.schema());
        if (!type.custom()) { // what a schema refuses here, kube-apiserver cannot even decode
            shape.stream()
                    .filter(cause -> cause.reason().equals("FieldValueTypeInvalid"))
                    .findFirst()
                    .ifPresent(cause -> {
                        throw ApiException.undecodable(type, cause.message());
                    });
            KindRules.checkDecodable(type, json);
        }
        causes.addAll(shape);
        if (causes.isEmpty()) { // rules may rely on the types being right
            causes.addAll(KindRules.check(type, json, old));
            causes.addAll(CelRules.validate(json, old == null ? null : old.json(), type.schema()));
        }
        if (!causes.isEmpty()) {
            throw ApiException.invalid(type, name, causes);
        }
    }

    static void newFinalizers(ResourceType type, ApiObject old, ObjectNode next) {
        List<String> added = new ArrayList<>(new ApiObject(next).finalizers());
        added.removeAll(old.finalizers());
        if (old.deleting() && !added.isEmpty()) {
            throw ApiException.invalid(type, old.name(), List.of(Cause.forbidden("metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers " + added)));
        }
    }
}

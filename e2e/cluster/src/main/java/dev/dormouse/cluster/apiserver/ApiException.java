package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.stream.Collectors;

/** A refusal, as the {@code Status} object that Kubernetes clients know how to read. */
final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int code;
    private final String reason;
    private final transient ObjectNode details;

    /** Why one field is refused; {@code reason} is one of Kubernetes' cause types. */
    record Cause(String reason, String message, String field) {

        static Cause invalid(String field, String value, String message) {
            return new Cause("FieldValueInvalid", "Invalid value: " + value + ": " + message, field);
        }

        static Cause required(String field) {
            return new Cause("FieldValueRequired", "Required value", field);
        }

        static Cause forbidden(String field, String message) {
            return new Cause("FieldValueForbidden", "Forbidden: " + message, field);
        }
    }

    private ApiException(int code, String reason, String message) {
        super(message);
        this.code = code;
        this.reason = reason;
        this.details = Json.object();
    }

    int code() {
        return code;
    }

    String reason() {
        return reason;
    }

    ObjectNode toStatus() {
        ObjectNode status = Json.object().put("kind", "Status").put("apiVersion", "v1");
        status.putObject("metadata");
        status.put("status", "Failure").put("message", getMessage()).put("reason", reason);
        if (!details.isEmpty()) {
            status.set("details", details);
        }
        return status.put("code", code);
    }

    static ApiException badRequest(String message) {
        return new ApiException(400, "BadRequest", message);
    }

    /** A value that the field's Go type cannot hold. */
    static ApiException undecodable(ResourceType type, String message) {
        return badRequest(type.kind() + " in version \"" + type.version() + "\" cannot be handled as a " + type.kind()
                + ": " + message);
    }

    /** Options of a request, in its query or body, that are not among those there are. */
    static ApiException invalidOptions(String kind, String field, String message) {
        ApiException invalid = new ApiException(422, "Invalid",
                kind + ".meta.k8s.io \"\" is invalid: " + field + ": " + message);
        invalid.details.put("group", "meta.k8s.io").put("kind", kind);
        return invalid.because(List.of(new Cause("FieldValueInvalid", message, field)));
    }

    static ApiException resourceVersionTooLarge(long asked, long present) {
        ApiException late = new ApiException(504, "Timeout", "Timeout: Too large resource version: " + asked
                + ", current: " + present);
        late.details.put("retryAfterSeconds", 1);
        return late.because(List.of(new Cause("ResourceVersionTooLarge", "Too large resource version", "")));
    }

    static ApiException unauthorized() {
        return new ApiException(401, "Unauthorized", "Unauthorized");
    }

    static ApiException forbidden(ResourceType type, String name, String message) {
        return new ApiException(403, "Forbidden", quoted(type, name) + " is forbidden: " + message).about(type, name);
    }

    static ApiException forbidden(Attributes wanted, String message) {
        if (!wanted.path().isEmpty()) {
            return new ApiException(403, "Forbidden", "forbidden: " + message);
        }
        String what = wanted.group().isEmpty() ? wanted.resource() : wanted.resource() + "." + wanted.group();
        ApiException forbidden = new ApiException(403, "Forbidden",
                what + (wanted.name().isEmpty() ? "" : " \"" + wanted.name() + "\"") + " is forbidden: " + message);
        forbidden.details.put("name", wanted.name()).put("group", wanted.group()).put("kind", wanted.resource());
        return forbidden;
    }

    /** An eviction that a disruption budget does not allow now: to be tried again. */
    static ApiException disruptionBudget(ResourceType type, String name, String message) {
        ApiException refused = new ApiException(429, "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.").about(type, name);
        return refused.because(List.of(new Cause("DisruptionBudget", message, "")));
    }

    static ApiException namespaceTerminating(ResourceType type, String name, String namespace) {
        ApiException forbidden = forbidden(type, name, "unable to create new content in namespace " + namespace
                + " because it is being terminated");
        return forbidden.because(List.of(new Cause("NamespaceTerminating",
                "namespace " + namespace + " is being terminated", "metadata.namespace")));
    }

    static ApiException noSuchPath(String path) {
        return new ApiException(404, "NotFound", "the server could not find the requested resource: " + path);
    }

    static ApiException notFound(ResourceType type, String name) {
        return new ApiException(404, "NotFound", quoted(type, name) + " not found").about(type, name);
    }

    static ApiException methodNotAllowed(String what) {
        return new ApiException(405, "MethodNotAllowed",
                "the embedded control plane does not allow this method on the requested resource: " + what);
    }

    static ApiException notAcceptable(String accept) {
        return new ApiException(406, "NotAcceptable",
                "only application/json (also as Table) can be answered; the client accepts: " + accept);
    }

    static ApiException alreadyExists(ResourceType type, String name) {
        return new ApiException(409, "AlreadyExists", quoted(type, name) + " already exists").about(type, name);
    }

    static ApiException conflict(ResourceType type, String name, String message) {
        return new ApiException(409, "Conflict",
                "Operation cannot be fulfilled on " + quoted(type, name) + ": " + message).about(type, name);
    }

    /** Fields that other managers own stand in the way of a server-side apply. */
    static ApiException applyConflict(ResourceType type, String name, String message, List<Cause> causes) {
        ApiException conflict = new ApiException(409, "Conflict", message).about(type, name);
        return conflict.because(causes);
    }

    static ApiException expired(String message) {
        return new ApiException(410, "Expired", message);
    }

    static ApiException tooLarge(long limit) {
        return new ApiException(413, "RequestEntityTooLarge", "the request body exceeds " + limit + " bytes");
    }

    static ApiException tooManyOperations(int given, int limit) {
        return new ApiException(413, "RequestEntityTooLarge", "The allowed maximum operations in a JSON patch is "
                + limit + ", got " + given);
    }

    static ApiException unsupportedMediaType(String message) {
        return new ApiException(415, "UnsupportedMediaType", message);
    }

    static ApiException unprocessable(String message) {
        return new ApiException(422, "Invalid", message);
    }

    static ApiException invalid(ResourceType type, String name, List<Cause> causes) {
        String list = causes.stream().map(c -> c.field() + ": " + c.message()).collect(Collectors.joining(", "));
        String kind = type.group().isEmpty() ? type.kind() : type.kind() + "." + type.group();
        ApiException invalid = new ApiException(422, "Invalid",
                kind + " \"" + name + "\" is invalid: " + (causes.size() == 1 ? list : "[" + list + "]"));
        invalid.about(type, name).details.put("kind", type.kind());
        return invalid.because(causes);
    }

    static ApiException internal(String message) {
        return new ApiException(500, "InternalError", "Internal error occurred: " + message);
    }

    static ApiException notSupported(String message) {
        return new ApiException(501, "NotImplemented", "not supported by the embedded control plane: " + message);
    }

    private ApiException about(ResourceType type, String name) {
        details.put("name", name).put("group", type.group()).put("kind", type.plural());
        return this;
    }

    private ApiException because(List<Cause> causes) {
        var list = details.putArray("causes");
        for (Cause cause : causes) {
            list.addObject().put("reason", cause.reason()).put("message", cause.message()).put("field", cause.field());
        }
        return this;
    }

    private static String quoted(ResourceType type, String name) {
        return type.groupResource() + " \"" + name + "\"";
    }
}

package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import dev.dormouse.domain.fleet.ModelKey;
import io.vertx.core.http.HttpServerResponse;
import org.jspecify.annotations.Nullable;

/**
 * An error of the gateway's own, in the envelope that OpenAI clients understand:
 * {@code {"error":{"message","type","code","param"}}}.
 *
 * @param code one word for programs
 * @param param the field of the request that is to blame; absent when none is
 * @param retryAfterSeconds when to try again, for errors that pass by themselves
 */
record OpenAiError(int status, String type, String code, String message, @Nullable String param,
        OptionalInt retryAfterSeconds) {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** Retry-After of a model whose wakes nobody has seen yet. */
    private static final int UNKNOWN_WAKE_SECONDS = 5;
    /** Says that the engine had no part in it. */
    private static final String SOURCE = "dormouse";
    private static final String INVALID = "invalid_request_error";
    private static final String SERVER = "server_error";

    static OpenAiError invalid(String code, String message, @Nullable String param) {
        return new OpenAiError(400, INVALID, code, message, param, OptionalInt.empty());
    }

    static OpenAiError missingModel() {
        return invalid("missing_model",
                "The request names no model: put \"model\" into the JSON body or form, into the query or the header X-Dormouse-Model,"
                        + " or use the path /models/<namespace>/<name>/...",
                "model");
    }

    static OpenAiError ambiguousModel(String name, List<ModelKey> candidates) {
        return invalid("ambiguous_model", "The model name \"" + name + "\" is used by "
                + candidates.stream().map(ModelKey::toString).collect(Collectors.joining(" and "))
                + ": name one of them in full.", "model");
    }

    static OpenAiError unknownModel(String name) {
        return new OpenAiError(404, INVALID, "model_not_found",
                "The model \"" + name + "\" does not exist. GET /v1/models lists those that do.", "model",
                OptionalInt.empty());
    }

    static OpenAiError unauthorized() {
        return new OpenAiError(401, INVALID, "invalid_api_key",
                "This gateway wants an API key that it knows: Authorization: Bearer <key>.", null, OptionalInt.empty());
    }

    static OpenAiError forbidden(String name) {
        return new OpenAiError(403, INVALID, "model_not_allowed",
                "This API key may not use the model \"" + name + "\".",
                "model", OptionalInt.empty());
    }

    static OpenAiError overKeyLimit(int limit) {
        return new OpenAiError(429, "rate_limit_error", "key_limit_exceeded",
                "This API key has " + limit + " requests at once already, which is its limit. Try again shortly.", null,
                OptionalInt.of(1));
    }

    static OpenAiError unknownPath(String path) {
        return new OpenAiError(404, INVALID, "path_not_found",
                "There is nothing at " + path
                        + ": POST a JSON body that names a model, or use the path /models/<namespace>/<name>/...",
                null, OptionalInt.empty());
    }

    static OpenAiError tooLarge(int peekBytes) {
        return new OpenAiError(413, INVALID, "request_too_large",
                "The first " + peekBytes
                        + " bytes of the body do not name a model: put \"model\" first, or use the path /models/<namespace>/<name>/...",
                "model", OptionalInt.empty());
    }

    static OpenAiError overloaded() {
        return new OpenAiError(503, SERVER, "overloaded",
                "The gateway is receiving as many bodies as it has memory for (DORMOUSE_MAX_PEEKED_BYTES). Try again shortly.",
                null, OptionalInt.of(1));
    }

    static OpenAiError overLimit(ModelKey model, int limit) {
        return new OpenAiError(429, "rate_limit_error", "concurrency_limit_exceeded",
                "The model " + model + " has " + limit
                        + " requests already, which is its limit (spec.requests.concurrencyLimit). Try again shortly.",
                null, OptionalInt.of(1));
    }

    static OpenAiError queueFull(ModelKey model, OptionalInt retryAfterSeconds) {
        return new OpenAiError(503, SERVER, "queue_full",
                "Too many requests wait for the model " + model + " to wake. Try again shortly.", null,
                OptionalInt.of(retryAfterSeconds.orElse(UNKNOWN_WAKE_SECONDS)));
    }

    /** @param why what the operator says of it */
    static OpenAiError wakeFailed(ModelKey model, String why, OptionalInt retryAfterSeconds) {
        return new OpenAiError(503, SERVER, "wake_failed", "The model " + model + " could not be woken. " + why, null,
                OptionalInt.of(retryAfterSeconds.orElse(1)));
    }

    static OpenAiError waking(ModelKey model, OptionalInt retryAfterSeconds) {
        return new OpenAiError(503, SERVER, "model_waking",
                "The model " + model + " is waking, and this request may not or cannot wait so long. Try again"
                        + (retryAfterSeconds.isPresent()
                                ? " in about " + retryAfterSeconds.getAsInt() + " s."
                                : " shortly."),
                null, OptionalInt.of(retryAfterSeconds.orElse(UNKNOWN_WAKE_SECONDS)));
    }

    /** @param why what only a change of the resource can heal */
    static OpenAiError stalled(ModelKey model, String why) {
        return new OpenAiError(503, SERVER, "model_stalled",
                "The model " + model + " cannot be served until its resource is corrected. " + why, null,
                OptionalInt.empty());
    }

    static OpenAiError asleep(ModelKey model) {
        return new OpenAiError(409, INVALID, "model_asleep",
                "The model " + model + " sleeps, and requests for this path do not wake it.", null,
                OptionalInt.empty());
    }

    static OpenAiError unloaded(ModelKey model) {
        return new OpenAiError(503, SERVER, "model_unloaded",
                "The model " + model + " was told to sleep while the request waited. Try again to wake it.", null,
                OptionalInt.of(1));
    }

    static OpenAiError shuttingDown() {
        return new OpenAiError(503, SERVER, "shutting_down",
                "This gateway is ending. Try again: another one will answer.", null, OptionalInt.of(1));
    }

    static OpenAiError notSynced() {
        return new OpenAiError(503, SERVER, "starting",
                "This gateway does not know the cluster yet. Try again shortly.",
                null, OptionalInt.of(1));
    }

    /** @param why what keeps the model from being Ready */
    static OpenAiError wakeTimeout(ModelKey model, long seconds, String why) {
        return new OpenAiError(504, SERVER, "wake_timeout", "The model " + model + " did not become ready within "
                + seconds + " s (spec.requests.queueTimeoutSeconds). " + why, null, OptionalInt.empty());
    }

    static OpenAiError cancelled() {
        return new OpenAiError(503, SERVER, "cancelled", "This request was ended by the gateway's operator.", null,
                OptionalInt.empty());
    }

    static OpenAiError totalTimeout(ModelKey model, long seconds) {
        return new OpenAiError(504, SERVER, "total_timeout", "The model " + model + " did not answer within " + seconds
                + " s, which is this gateway's limit for a request.", null, OptionalInt.empty());
    }

    static OpenAiError upstreamFailed(ModelKey model, String what) {
        return new OpenAiError(502, SERVER, "upstream_failed", "A replica of the model " + model + " " + what + ".",
                null, OptionalInt.empty());
    }

    String body() {
        ObjectNode error = JSON.createObjectNode();
        error.put("message", message).put("type", type).put("code", code).put("param", param);
        try {
            return JSON.writeValueAsString(JSON.createObjectNode().<ObjectNode>set("error", error).put("src", SOURCE));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of strings could not be written", e);
        }
    }

    void send(HttpServerResponse response) {
        response.setStatusCode(status).putHeader("Content-Type", "application/json");
        retryAfterSeconds.ifPresent(seconds -> response.putHeader("Retry-After", Integer.toString(seconds)));
        response.end(body()).onFailure(gone -> {
            // The client left before it was told; the close handler has counted it.
        });
    }
}

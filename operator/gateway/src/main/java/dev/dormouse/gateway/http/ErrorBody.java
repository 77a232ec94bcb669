package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.vertx.core.http.HttpServerResponse;
import java.util.LinkedHashMap;
import java.util.Map;

/** Errors of the gateway's own, in OpenAI's envelope. */
final class ErrorBody {
    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * @param retryAfterSeconds 0 for none
     */
    record Problem(int status, String type, String code, String message, int retryAfterSeconds) {
        static Problem badRequest(String message) {
            return new Problem(400, "invalid_request_error", "invalid_request", message, 0);
        }

        static Problem unknown(String name) {
            return new Problem(404, "invalid_request_error", "model_not_found", "the model " + name
                    + " does not exist: GET /v1/models lists those that do", 0);
        }
    }

    private ErrorBody() {}

    static void send(HttpServerResponse response, Problem problem) {
        if (response.ended() || response.closed()) {
            return;
        }
        if (response.headWritten()) {
            response.reset();
            return;
        }
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("message", problem.message());
        error.put("type", problem.type());
        error.put("param", problem.code().equals("model_not_found") ? "model" : null);
        error.put("code", problem.code());
        response.setStatusCode(problem.status()).putHeader("Content-Type", "application/json");
        if (problem.retryAfterSeconds() > 0) {
            response.putHeader("Retry-After", Integer.toString(problem.retryAfterSeconds()));
        }
        try {
            response.end(JSON.writeValueAsString(Map.of("error", error)));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("strings are JSON", e);
        }
    }
}

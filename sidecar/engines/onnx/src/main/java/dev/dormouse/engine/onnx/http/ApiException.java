package dev.dormouse.engine.onnx.http;

import org.jspecify.annotations.Nullable;

/** A request that is answered with OpenAI's error envelope. */
final class ApiException extends Exception {
    private static final long serialVersionUID = 1L;

    private final int status;
    private final String type;
    private final @Nullable String parameter;
    private final @Nullable String code;

    private ApiException(int status, String type, String message, @Nullable String parameter, @Nullable String code) {
        super(message);
        this.status = status;
        this.type = type;
        this.parameter = parameter;
        this.code = code;
    }

    /** @param parameter the field of the body that is wrong; absent when it is the body itself */
    static ApiException badRequest(@Nullable String parameter, String message) {
        return new ApiException(400, "invalid_request_error", message, parameter, null);
    }

    static ApiException refused(int status, String code, String message) {
        return new ApiException(status, "invalid_request_error", message, null, code);
    }

    static ApiException unavailable(int status, String code, String message) {
        return new ApiException(status, "server_error", message, null, code);
    }

    int status() {
        return status;
    }

    String type() {
        return type;
    }

    @Nullable
    String parameter() {
        return parameter;
    }

    @Nullable
    String code() {
        return code;
    }
}

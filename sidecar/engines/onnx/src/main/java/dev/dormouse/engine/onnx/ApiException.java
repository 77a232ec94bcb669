package dev.dormouse.engine.onnx;

/** A request that is answered with an error of the client's making. */
final class ApiException extends Exception {
    private static final long serialVersionUID = 1;
    private final int status;
    private final String code;
    private final String parameter;

    ApiException(int status, String code, String parameter, String message) {
        super(message);
        this.status = status;
        this.code = code;
        this.parameter = parameter;
    }

    static ApiException badRequest(String parameter, String message) {
        return new ApiException(400, "invalid_value", parameter, message);
    }

    int status() {
        return status;
    }

    String code() {
        return code;
    }

    String parameter() {
        return parameter;
    }
}

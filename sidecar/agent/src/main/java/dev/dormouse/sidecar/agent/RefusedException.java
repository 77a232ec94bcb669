package dev.dormouse.sidecar.agent;

/** A request of the engine that is answered with {@code Failed}; the connection goes on. */
final class RefusedException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String code;

    RefusedException(String code, String message) {
        super(message);
        this.code = code;
    }

    RefusedException(String code, String message, Throwable cause) {
        super(message, cause);
        this.code = code;
    }

    /** One CamelCase word. */
    String code() {
        return code;
    }

    String text() {
        String message = getMessage();
        return message == null ? code : message;
    }
}

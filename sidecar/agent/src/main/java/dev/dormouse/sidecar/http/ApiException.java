package dev.dormouse.sidecar.http;

/** A request that is refused: answered as {@code application/problem+json} with a code that clients may rely on. */
public final class ApiException extends Exception {
    private static final long serialVersionUID = 1L;
    private final int status;
    private final String code;

    /** @param code one CamelCase word that never changes its meaning */
    public ApiException(int status, String code, String detail) {
        super(detail);
        this.status = status;
        this.code = code;
    }

    int status() {
        return status;
    }

    public String code() {
        return code;
    }
}

package dev.dormouse.sidecar.agent;

/** This sidecar must not work here: a check failed. The message is one line that says what to do. */
final class UnfitException extends Exception {
    private static final long serialVersionUID = 1L;
    private static final int MAX_REASON = 256;

    private final String check;

    UnfitException(String check, String reason, Throwable cause) {
        super(bounded(reason), cause);
        this.check = check;
    }

    UnfitException(String check, String reason) {
        super(bounded(reason));
        this.check = check;
    }

    private static String bounded(String reason) {
        return reason.length() > MAX_REASON ? reason.substring(0, MAX_REASON) : reason;
    }

    /** The name of the check, one of {@link Fitness#NAMES}. */
    String check() {
        return check;
    }
}

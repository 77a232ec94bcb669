package dev.dormouse.operator.log;

/** The keys of log lines, the same for the same thing everywhere. {@code docs/monitoring.md} lists them. */
public final class LogKeys {
    /** {@code namespace/name} of an InferenceModel. */
    public static final String MODEL = "model";
    /** Name of a pod: a replica's or a store pod's. */
    public static final String POD = "pod";
    /** Why it was done, or what is wrong, for a person. */
    public static final String REASON = "reason";
    /** {@code namespace/claim} of a snapshot volume. */
    public static final String VOLUME = "volume";
    /** Name or id of a snapshot. */
    public static final String SNAPSHOT = "snapshot";
    /** Reason of a Kubernetes Event. */
    public static final String EVENT = "event";
    /** Address that was asked. */
    public static final String ADDRESS = "address";
    /** Who leads, as the lease has it. */
    public static final String LEADER = "leader";

    private LogKeys() {}
}

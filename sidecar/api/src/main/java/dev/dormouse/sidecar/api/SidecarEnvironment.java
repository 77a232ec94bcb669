package dev.dormouse.sidecar.api;

/**
 * Names of the environment variables by which the operator configures the sidecar and the engine of a pod. Durations
 * are whole seconds, booleans {@code true|false}.
 */
public final class SidecarEnvironment {
    /** Path of the unix socket that sidecar and engine share. Both containers. */
    public static final String SOCKET = "DORMOUSE_SOCKET";
    /** Address to listen on: the pod's own. Both containers. */
    public static final String POD_IP = "POD_IP";
    public static final String POD_UID = "POD_UID";
    /** {@code namespace/name}. Both containers. */
    public static final String MODEL = "DORMOUSE_MODEL";
    /** The name clients use. Both containers. */
    public static final String MODEL_NAME = "DORMOUSE_MODEL_NAME";
    /** Where the model's files are, for the engine: a file or a folder. Engine only. */
    public static final String MODEL_PATH = "DORMOUSE_MODEL_PATH";
    /** Port on which the engine serves. Both containers. */
    public static final String ENGINE_PORT = "DORMOUSE_ENGINE_PORT";
    /** Port of the sidecar's own HTTP server. */
    public static final String HTTP_PORT = "DORMOUSE_HTTP_PORT";
    /** Id of the wake this pod was created for. */
    public static final String ACTIVATION = "DORMOUSE_ACTIVATION";
    /** Root folder of the snapshot volume; absent when snapshots are off. */
    public static final String VOLUME = "DORMOUSE_VOLUME";
    /** 64 hex digits: the operator's part of the compatibility key (model uri and revision, engine image and args). */
    public static final String SNAPSHOT_KEY = "DORMOUSE_SNAPSHOT_KEY";
    /** S2: {@code none|zstd}. */
    public static final String COMPRESSION = "DORMOUSE_SNAPSHOT_COMPRESSION";
    /** S3: 1–22. */
    public static final String COMPRESSION_LEVEL = "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL";
    /** S6: whether restores check each chunk. */
    public static final String VERIFY = "DORMOUSE_SNAPSHOT_VERIFY";
    /** H3. */
    public static final String PRELOAD_WEIGHTS = "DORMOUSE_WARMUP_PRELOAD_WEIGHTS";
    /** H4. */
    public static final String PREALLOCATE_POOLS = "DORMOUSE_WARMUP_PREALLOCATE_POOLS";
    /** H5. */
    public static final String PRECOMPILE_KERNELS = "DORMOUSE_WARMUP_PRECOMPILE_KERNELS";
    /** H6. */
    public static final String BATCH_SIZE = "DORMOUSE_WARMUP_BATCH_SIZE";
    /** Warmup requests sent before the replica counts as warm. */
    public static final String ITERATIONS = "DORMOUSE_WARMUP_ITERATIONS";
    /** A warmup that takes longer fails. */
    public static final String DEADLINE_SECONDS = "DORMOUSE_WARMUP_DEADLINE_SECONDS";

    /** A {@link WarmupPlan} as JSON; absent: only what switches and numbers say. */
    public static final String WARMUP_PLAN = "DORMOUSE_WARMUP_PLAN";

    /** What requests to the sidecar that change snapshots must bear; absent: only this pod itself may. */
    public static final String API_TOKEN = "DORMOUSE_API_TOKEN";

    /** A {@link StoreTask} as JSON: the process carries it out and serves nothing else. Store pods only. */
    public static final String STORE_TASK = "DORMOUSE_STORE_TASK";

    private SidecarEnvironment() {}
}

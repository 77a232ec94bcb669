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
    /** S2: {@code none|zstd|auto}. */
    public static final String COMPRESSION = "DORMOUSE_SNAPSHOT_COMPRESSION";
    /** S3: 1–22. */
    public static final String COMPRESSION_LEVEL = "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL";
    /** S6: what restores check of each chunk: {@code true|false}, or {@code crc|digest|none}. */
    public static final String VERIFY = "DORMOUSE_SNAPSHOT_VERIFY";
    /** What signatures and encryption are bound to, so that one tenant's snapshots are none of another; default: the model's namespace. */
    public static final String VOLUME_ID = "DORMOUSE_VOLUME_ID";
    /** {@code required}: snapshots that are not signed by a trusted key are refused; {@code off} by default. */
    public static final String SIGNATURES = "DORMOUSE_SNAPSHOT_SIGNATURES";
    /** Folder of a mounted Secret or ConfigMap: Ed25519 public keys, PEM, one per file. */
    public static final String TRUSTED_KEYS = "DORMOUSE_TRUSTED_KEYS";
    /** File of a mounted Secret: the Ed25519 private key, PEM, that snapshots are signed with. */
    public static final String SIGNING_KEY = "DORMOUSE_SIGNING_KEY";
    /** Folder of a mounted Secret: keys of 32 bytes that wrap the volume's key; the last by name wraps. Turns encryption on. */
    public static final String WRAPPING_KEYS = "DORMOUSE_WRAPPING_KEYS";
    /** Folder of a mounted Secret with {@code tls.crt} and {@code tls.key}: the sidecar then serves https. */
    public static final String TLS = "DORMOUSE_TLS";
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
    /** A restore that takes longer is given up, and the model comes up from its source; absent: no limit but the warmup's. */
    public static final String RESTORE_DEADLINE_SECONDS = "DORMOUSE_RESTORE_DEADLINE_SECONDS";
    /** Why this replica is to come up from its source though there may be a snapshot; absent: it restores. */
    public static final String FROM_SOURCE_BECAUSE = "DORMOUSE_FROM_SOURCE_BECAUSE";

    /** A {@link WarmupPlan} as JSON; absent: only what switches and numbers say. */
    public static final String WARMUP_PLAN = "DORMOUSE_WARMUP_PLAN";
    /** Whose memory snapshots are of: {@code Host|Owned|Ipc|Staged}, as {@link EngineMessage.Memory}; {@code Host} when absent. */
    public static final String DEVICE = "DORMOUSE_DEVICE";
    /** Which of the GPUs that the container sees, from 0. */
    public static final String GPU = "DORMOUSE_GPU";
    /** Fitness checks at start that are left out: {@code memory,disk,driver,device,copy}. */
    public static final String FITNESS_SKIP = "DORMOUSE_FITNESS_SKIP";
    /** Memory that the container must at least be allowed, in MiB. */
    public static final String FITNESS_MEMORY_MIB = "DORMOUSE_FITNESS_MEMORY_MIB";
    /** Per cent of the snapshot volume that must be free. */
    public static final String FITNESS_DISK_PERCENT = "DORMOUSE_FITNESS_DISK_PERCENT";
    /** The oldest CUDA that the driver may speak, as the driver counts: 11080 is 11.8. */
    public static final String FITNESS_DRIVER = "DORMOUSE_FITNESS_DRIVER";
    /** How long the checks that ask a GPU may take together: a driver that hangs is not fit either. */
    public static final String FITNESS_DEVICE_SECONDS = "DORMOUSE_FITNESS_DEVICE_SECONDS";
    /** How often the sidecar notes how busy its container and its GPU are, in seconds, from 5; 0 switches that off. */
    public static final String SAMPLE_SECONDS = "DORMOUSE_SAMPLE_SECONDS";
    /** Where the kubelet looks for the reason of an exit. */
    public static final String TERMINATION_LOG = "DORMOUSE_TERMINATION_LOG";

    /** Collector of OpenTelemetry traces, e.g. {@code http://collector:4318}; absent: none. */
    public static final String OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT";
    /** W3C trace context in which this replica starts; absent when no request waits for it that is traced. */
    public static final String TRACEPARENT = "TRACEPARENT";

    /** What requests to the sidecar that change snapshots must bear; absent: only this pod itself may. */
    public static final String API_TOKEN = "DORMOUSE_API_TOKEN";

    /** A {@link StoreTask} as JSON: the process carries it out and serves nothing else. Store pods only. */
    public static final String STORE_TASK = "DORMOUSE_STORE_TASK";

    private SidecarEnvironment() {}
}

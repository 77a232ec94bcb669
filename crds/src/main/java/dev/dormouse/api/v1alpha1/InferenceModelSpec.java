package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.crd.generator.annotation.PreserveUnknownFields;
import io.fabric8.crd.generator.annotation.SchemaFrom;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.model.annotation.SpecReplicas;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a user writes. The API server fills the defaults; the compact constructors fill the same ones for objects that
 * never passed through it, so no reader meets a null section.
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record InferenceModelSpec(
        @Required @JsonPropertyDescription("What to serve.") Model model,
        @Required @JsonPropertyDescription("The inference server that serves it.") Engine engine,
        @Nullable @SchemaFrom(type = Object.class) @PreserveUnknownFields @JsonPropertyDescription("A pod template laid over the one Dormouse builds: tolerations, node selector, pull secrets, volumes, extra containers. Lists are merged by name.") PodTemplateSpec podTemplate,
        @Nullable @Pattern("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$") @JsonPropertyDescription("GpuPool whose nodes the replicas run on. Unset: wherever the cluster puts them.") String pool,
        @SpecReplicas @Default("0") @Min(0) @Max(1000) @JsonPropertyDescription("0 (default): Dormouse decides between scaling.minReplicas and scaling.maxReplicas. n > 0: exactly n, the autoscaler stands back.") Integer replicas,
        @Default("{}") @JsonPropertyDescription("Bounds and pace of automatic scaling.") Scaling scaling,
        @Default("{}") @JsonPropertyDescription("How requests are admitted and held.") Requests requests,
        @Default("{}") @JsonPropertyDescription("How requests are spread over replicas.") LoadBalancing loadBalancing,
        @Nullable @JsonPropertyDescription("Another model that answers a part of this one's requests: a new revision on trial, or the other side of a comparison.") Canary canary,
        @Default("{}") @JsonPropertyDescription("What is remembered instead of computed again.") Cache cache,
        @Default("\"WhenIdle\"") @JsonPropertyDescription("How live replicas follow a change of model, engine or podTemplate. WhenIdle: each in its next quiet moment. Recreate: all drain at once. Surge: one new replica becomes ready before old ones drain.") Rollout rollout,
        @Default("{}") @JsonPropertyDescription("What happens between container start and Ready.") Warmup warmup,
        @Default("{}") @JsonPropertyDescription("Where and how device memory is snapshotted.") Snapshot snapshot) {
    private static final String HEADER_NAME = "^[A-Za-z0-9-]{1,128}$";
    private static final String CLIENT_NAME = "^[A-Za-z0-9]([A-Za-z0-9._:-]{0,252}[A-Za-z0-9])?$";

    /** With the defaults of what only the gateway looks at. */
    public InferenceModelSpec(Model model, Engine engine, @Nullable PodTemplateSpec podTemplate, Integer replicas,
            Scaling scaling, Requests requests, Warmup warmup, Snapshot snapshot) {
        this(model, engine, podTemplate, null, replicas, scaling, requests, new LoadBalancing(), null, new Cache(),
                Rollout.WhenIdle, warmup,
                snapshot);
    }

    public InferenceModelSpec {
        replicas = replicas == null ? 0 : replicas;
        scaling = scaling == null ? new Scaling() : scaling;
        requests = requests == null ? new Requests() : requests;
        loadBalancing = loadBalancing == null ? new LoadBalancing() : loadBalancing;
        cache = cache == null ? new Cache() : cache;
        rollout = rollout == null ? Rollout.WhenIdle : rollout;
        warmup = warmup == null ? new Warmup() : warmup;
        snapshot = snapshot == null ? new Snapshot() : snapshot;
    }

    /**
     * @param uri {@code pvc://<claim>/<path>} mounts a claim of the model's namespace read-only; {@code file:///<path>}
     *        is a path in the engine's image or in a volume of {@code podTemplate}
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Model(
            @Required @Pattern("^[a-z][a-z0-9+.-]*://.+$") @JsonPropertyDescription("Where the model's files are: pvc://<claim>/<path> or file:///<path>.") String uri,
            @Nullable @Pattern(CLIENT_NAME) @JsonPropertyDescription("The name clients put into \"model\". Default: the resource's name.") String name,
            @Size(max = 32) @JsonPropertyDescription("Further names clients may put into \"model\". A name that several models claim belongs to the oldest.") List<@Pattern(CLIENT_NAME) String> aliases,
            @Nullable @Pattern("^.{1,256}$") @JsonPropertyDescription("Change it when the files behind the uri change: older snapshots are then no longer used.") String revision) {
        public Model {
            aliases = aliases == null ? List.of() : List.copyOf(aliases);
        }

        /** Without aliases. */
        public Model(String uri, @Nullable String name, @Nullable String revision) {
            this(uri, name, List.of(), revision);
        }
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Engine(
            @Required @Pattern("^\\S+$") @JsonPropertyDescription("Container image of the inference server.") String image,
            @JsonPropertyDescription("Entry point; default: the image's own.") List<String> command,
            @JsonPropertyDescription("Arguments of the inference server.") List<String> args,
            @JsonPropertyDescription("Environment of the inference server.") List<EnvVar> env,
            @Default("8000") @Min(1) @Max(65535) @JsonPropertyDescription("Port on which it answers HTTP.") Integer port,
            @Nullable @JsonPropertyDescription("Requests and limits, e.g. nvidia.com/gpu: 1.") ResourceRequirements resources) {
        public Engine {
            command = command == null ? List.of() : List.copyOf(command);
            args = args == null ? List.of() : List.copyOf(args);
            env = env == null ? List.of() : List.copyOf(env);
            port = port == null ? 8000 : port;
        }
    }

    public enum Rollout {
        WhenIdle, Recreate, Surge
    }

    public enum InitialStart {
        /** Start once after creation, to prove the model and take its first snapshot, then sleep. */
        Once,
        /** Stay at zero until the first request. */
        Never
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    @ValidationRule(value = "self.minReplicas <= self.maxReplicas", message = "scaling.minReplicas must not exceed scaling.maxReplicas")
    public record Scaling(
            @Default("0") @Min(0) @Max(1000) @JsonPropertyDescription("Replicas kept awake even without requests.") Integer minReplicas,
            @Default("1") @Min(1) @Max(1000) @JsonPropertyDescription("Most replicas at any load.") Integer maxReplicas,
            @Default("0") @Min(0) @Max(1000) @JsonPropertyDescription("Warm replicas beyond what requests need, within maxReplicas; with one or more the model never sleeps.") Integer standbyReplicas,
            @Nullable @Min(1) @Max(100000) @JsonPropertyDescription("Requests at a time per replica that scaling aims at. Default: 70 % of requests.concurrencyLimit.") Integer targetConcurrency,
            @Default("30") @Min(0) @Max(86400) @JsonPropertyDescription("Replicas are taken away only when so many seconds needed fewer.") Integer scaleDownDelaySeconds,
            @Default("300") @Min(1) @Max(604800) @JsonPropertyDescription("Seconds without a request before the model sleeps.") Integer idleSeconds,
            @Default("\"Once\"") @JsonPropertyDescription("Once: start after creation, snapshot, sleep. Never: wait for the first request.") InitialStart initialStart,
            @Default("60") @Min(6) @Max(3600) @JsonPropertyDescription("The average of so many seconds decides how many replicas there are.") Integer stableWindowSeconds,
            @Default("10") @Min(1) @Max(100) @JsonPropertyDescription("Percentage of the stable window whose average may show a burst.") Integer panicWindowPercentage,
            @Default("200") @Min(110) @Max(1000) @JsonPropertyDescription("A burst that needs this percentage of the ready replicas scales up at once, and holds the number up for a stable window.") Integer panicThresholdPercentage) {
        public Scaling() {
            this(0, 1, 300, InitialStart.Once);
        }

        /** With the default pace. */
        public Scaling(Integer minReplicas, Integer maxReplicas, Integer idleSeconds, InitialStart initialStart) {
            this(minReplicas, maxReplicas, 0, null, 30, idleSeconds, initialStart, 60, 10, 200);
        }

        public Scaling {
            standbyReplicas = standbyReplicas == null ? 0 : standbyReplicas;
            scaleDownDelaySeconds = scaleDownDelaySeconds == null ? 30 : scaleDownDelaySeconds;
            minReplicas = minReplicas == null ? 0 : minReplicas;
            maxReplicas = maxReplicas == null ? 1 : maxReplicas;
            idleSeconds = idleSeconds == null ? 300 : idleSeconds;
            initialStart = initialStart == null ? InitialStart.Once : initialStart;
            stableWindowSeconds = stableWindowSeconds == null ? 60 : stableWindowSeconds;
            panicWindowPercentage = panicWindowPercentage == null ? 10 : panicWindowPercentage;
            panicThresholdPercentage = panicThresholdPercentage == null ? 200 : panicThresholdPercentage;
        }
    }

    public enum OverLimit {
        /** Requests over the limit are answered 429 at once. */
        Reject,
        /** They wait for room, up to maxQueued. */
        Queue
    }

    /** What a client gets while the model wakes. */
    public enum ColdStart {
        /** Nothing, until the answer comes. */
        Hold,
        /** To a request for a stream: at once a stream that tells how far the wake is, then the answer. */
        Heartbeat,
        /** 503 with Retry-After; the model is woken nevertheless. */
        Reject
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Requests(
            @Default("10") @Min(1) @Max(100000) @JsonPropertyDescription("Requests per ready replica, waiting ones included; more are answered 429.") Integer concurrencyLimit,
            @Default("300") @Min(1) @Max(86400) @JsonPropertyDescription("Longest time a request is held while the model wakes; then 504.") Integer queueTimeoutSeconds,
            @Default("0") @Min(-1000000) @Max(1000000) @JsonPropertyDescription("Higher wakes first.") Integer priority,
            @Default("\"Reject\"") @JsonPropertyDescription("Reject: requests over the limit are answered 429. Queue: they wait for room.") OverLimit overLimit,
            @Nullable @Min(1) @Max(1000000) @JsonPropertyDescription("Most requests that may wait at one gateway. Default: the gateway's own bound.") Integer maxQueued,
            @Default("\"Hold\"") @JsonPropertyDescription("While the model wakes: Hold (the client waits), Heartbeat (a client that asked for a stream is told how far it is) or Reject (503 with Retry-After).") ColdStart coldStart) {
        public Requests() {
            this(10, 300, 0, OverLimit.Reject, null, ColdStart.Hold);
        }

        public Requests {
            concurrencyLimit = concurrencyLimit == null ? 10 : concurrencyLimit;
            queueTimeoutSeconds = queueTimeoutSeconds == null ? 300 : queueTimeoutSeconds;
            priority = priority == null ? 0 : priority;
            overLimit = overLimit == null ? OverLimit.Reject : overLimit;
            coldStart = coldStart == null ? ColdStart.Hold : coldStart;
        }
    }

    public enum BalancingStrategy {
        /** The replica with the fewest requests. */
        LeastLoad,
        /** In turns. */
        RoundRobin,
        /** In proportion to the pods' annotation dormouse.dev/weight. */
        Weighted,
        /** Requests that begin alike go to one replica, as far as its load allows. */
        PrefixHash
    }

    /** Requirements W37 and W38. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record LoadBalancing(
            @Default("\"LeastLoad\"") @JsonPropertyDescription("LeastLoad, RoundRobin, Weighted (by the pods' annotation dormouse.dev/weight) or PrefixHash (prompts that begin alike go to one replica).") BalancingStrategy strategy,
            @Default("256") @Min(1) @Max(65536) @JsonPropertyDescription("PrefixHash: characters of the prompt that count as its beginning.") Integer prefixChars,
            @Default("125") @Min(101) @Max(1000) @JsonPropertyDescription("PrefixHash: a replica carries at most so many percent of the average.") Integer boundPercent,
            @Default("5") @Min(1) @Max(1000) @JsonPropertyDescription("After so many failures in a row a replica is given nothing for a while.") Integer ejectAfterFailures) {
        public LoadBalancing() {
            this(BalancingStrategy.LeastLoad, 256, 125, 5);
        }

        public LoadBalancing {
            strategy = strategy == null ? BalancingStrategy.LeastLoad : strategy;
            prefixChars = prefixChars == null ? 256 : prefixChars;
            boundPercent = boundPercent == null ? 125 : boundPercent;
            ejectAfterFailures = ejectAfterFailures == null ? 5 : ejectAfterFailures;
        }
    }

    /** @param model of the same namespace; while it does not exist, nothing is split */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Canary(
            @Required @Pattern("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$") @JsonPropertyDescription("Name of an InferenceModel in the same namespace.") String model,
            @Default("0") @Min(0) @Max(100) @JsonPropertyDescription("Percent of requests that it answers.") Integer percent,
            @Nullable @Pattern(HEADER_NAME) @JsonPropertyDescription("Requests with this header go to it, whatever the percentage.") String header,
            @Nullable @JsonPropertyDescription("The value the header must have. Default: any.") String headerValue,
            @Nullable @Pattern(HEADER_NAME) @JsonPropertyDescription("Requests with the same value of this header are always answered by the same model. Without it, the field user of the request's body decides.") String stickyHeader) {
        public Canary {
            percent = percent == null ? 0 : percent;
        }
    }

    /** Requirements W34 to W36; off by default, because an answer that was right a minute ago is not always wanted. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Cache(
            @Default("false") @JsonPropertyDescription("Answer a request whose body was answered before, of this revision and for the same API key, from the gateway's memory; never streams.") Boolean results,
            @Default("600") @Min(1) @Max(604800) @JsonPropertyDescription("How long an answer is remembered.") Integer ttlSeconds) {
        public Cache() {
            this(false, 600);
        }

        public Cache {
            results = results != null && results;
            ttlSeconds = ttlSeconds == null ? 600 : ttlSeconds;
        }
    }

    /** Requirements H1–H6; {@code maxWarmupMs} warns, {@code deadlineSeconds} cuts. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Warmup(
            @Default("100") @Min(0) @Max(86400000) @JsonPropertyDescription("Goal of a wake in milliseconds, judged in condition ColdStartTargetMet.") Integer targetColdStartMs,
            @Default("5000") @Min(1) @Max(86400000) @JsonPropertyDescription("A warmup longer than this is reported as slow.") Integer maxWarmupMs,
            @Default("true") @JsonPropertyDescription("Phase weight_load.") Boolean preloadWeights,
            @Default("true") @JsonPropertyDescription("Phase pool_alloc.") Boolean preallocatePools,
            @Default("true") @JsonPropertyDescription("Phase kernel_compile.") Boolean precompileKernels,
            @Default("1") @Min(1) @Max(4096) @JsonPropertyDescription("Inputs per warmup request.") Integer batchSize,
            @Default("2") @Min(1) @Max(1000) @JsonPropertyDescription("Warmup requests before the replica takes traffic.") Integer iterations,
            @Default("600") @Min(1) @Max(86400) @JsonPropertyDescription("A warmup that takes longer fails.") Integer deadlineSeconds,
            @Nullable @JsonPropertyDescription("Phase custom_init: your own step once the engine serves, before the first request.") CustomInit customInit,
            @Nullable @JsonPropertyDescription("Phase warmup_inference: what is sent instead of the engine's own probe.") WarmupRequest request,
            @Nullable @JsonPropertyDescription("A request whose answer is recorded with the snapshot and must be the same after every restore.") CanaryProbe canary) {
        public Warmup() {
            this(100, 5000, true, true, true, 1, 2, 600);
        }

        /** Without requests of the user's own. */
        public Warmup(Integer targetColdStartMs, Integer maxWarmupMs, Boolean preloadWeights, Boolean preallocatePools,
                Boolean precompileKernels, Integer batchSize, Integer iterations, Integer deadlineSeconds) {
            this(targetColdStartMs, maxWarmupMs, preloadWeights, preallocatePools, precompileKernels, batchSize,
                    iterations, deadlineSeconds, null, null, null);
        }

        public Warmup {
            targetColdStartMs = targetColdStartMs == null ? 100 : targetColdStartMs;
            maxWarmupMs = maxWarmupMs == null ? 5000 : maxWarmupMs;
            preloadWeights = preloadWeights == null || preloadWeights;
            preallocatePools = preallocatePools == null || preallocatePools;
            precompileKernels = precompileKernels == null || precompileKernels;
            batchSize = batchSize == null ? 1 : batchSize;
            iterations = iterations == null ? 2 : iterations;
            deadlineSeconds = deadlineSeconds == null ? 600 : deadlineSeconds;
        }
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    @ValidationRule(value = "has(self.exec) != has(self.http)", message = "warmup.customInit needs exactly one of exec and http")
    public record CustomInit(
            @Nullable @Size(min = 1, max = 64) @JsonPropertyDescription("A command that runs in the sidecar's container.") List<String> exec,
            @Nullable @JsonPropertyDescription("A request to the engine.") WarmupRequest http) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record WarmupRequest(
            @Required @Pattern("^/[!-~]*$") @JsonPropertyDescription("Path at the engine.") String path,
            @Required @Size(max = 65536) @JsonPropertyDescription("JSON; the string \"@batch\" becomes an array of batchSize items.") String body,
            @Nullable @Size(max = 65536) @JsonPropertyDescription("One item of the batch: JSON, or plain text.") String item) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record CanaryProbe(
            @Required @Pattern("^/[!-~]*$") @JsonPropertyDescription("Path at the engine.") String path,
            @Required @Size(max = 65536) @JsonPropertyDescription("JSON. Ask for a deterministic answer: temperature 0, a fixed seed.") String body,
            @Nullable @Pattern("^(/.*)?$") @JsonPropertyDescription("JSON pointer to what is compared, e.g. /choices/0/message/content. Default: the whole answer.") String pointer,
            @Nullable @Pattern("^(0|0?\\.[0-9]{1,9}|1)$") @Default("\"0.001\"") @JsonPropertyDescription("By how much numbers may differ, relative to the recorded one.") String tolerance) {}

    public enum Compression {
        none, zstd, auto
    }

    public enum DeletionPolicy {
        Retain, Delete
    }

    /** Whose memory the weights are in, and how engine and sidecar share it: docs/gpu.md. */
    public enum SnapshotMemory {
        /** Owned where engine and sidecar share one GPU (a pool with allocation DRA), else Host. */
        Auto,
        /** Host memory of the sidecar's. */
        Host,
        /** The GPU's, allocated by the sidecar. */
        Owned,
        /** The GPU's, allocated by the engine and exported by CUDA IPC. */
        Ipc,
        /** The engine's, filled through a ring of shared memory. */
        Staged
    }

    /** Requirements S1–S6; raw by default, because compression slows restores on anything faster than a network volume. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Snapshot(
            @Default("true") @JsonPropertyDescription("Take a snapshot after the first warm start and restore it at later starts.") Boolean enabled,
            @Nullable @Pattern("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$") @JsonPropertyDescription("Claim that holds the snapshots. Default: one named <model>-snapshots, created when missing.") String persistentVolumeClaim,
            @Nullable @Pattern("^[1-9][0-9]*(Ki|Mi|Gi|Ti)?$") @Default("\"20Gi\"") @JsonPropertyDescription("Size of a claim that Dormouse creates.") String size,
            @Nullable @JsonPropertyDescription("Storage class of a claim that Dormouse creates.") String storageClassName,
            @Default("\"none\"") @JsonPropertyDescription("none, zstd, or auto; zstd pays on volumes slower than about 2 GB/s per core, and auto decides by how fast restores from this volume were.") Compression compression,
            @Default("3") @Min(1) @Max(22) @JsonPropertyDescription("Level of zstd.") Integer compressionLevel,
            @Default("true") @JsonPropertyDescription("Check every chunk when restoring.") Boolean verifyChecksum,
            @Default("\"Retain\"") @JsonPropertyDescription("What happens to the model's snapshots, and to a claim that Dormouse created, when the model is deleted.") DeletionPolicy deletionPolicy,
            @Nullable @Min(1) @Max(3153600000L) @JsonPropertyDescription("Superseded snapshots that are older are deleted. Unset: any age is fine.") Long maxAgeSeconds,
            @Nullable @Min(1) @Max(10000) @JsonPropertyDescription("Snapshots of one compatibility key that stay, the newest included. Unset: any number.") Integer maxSnapshots,
            @Nullable @Pattern("^[1-9][0-9]*(Ki|Mi|Gi|Ti)?$") @JsonPropertyDescription("Superseded snapshots are deleted, oldest first, while all on the volume need more. Unset: any size.") String maxBytes,
            @Nullable @JsonPropertyDescription("Encryption and signatures, by the names of the Secrets that hold the keys. Unset: neither.") SnapshotTrust trust,
            @Default("\"Auto\"") @JsonPropertyDescription("Whose memory the weights are in. Auto: Owned where engine and sidecar share one GPU (a pool with allocation DRA), else Host. Host: the sidecar's host memory. Owned: the GPU's, the sidecar's. Ipc: the GPU's, the engine's; both see each other's processes. Staged: the engine's, filled through a ring.") SnapshotMemory memory) {
        public Snapshot() {
            this(true, null, "20Gi", null, Compression.none, 3, true, DeletionPolicy.Retain);
        }

        /** Without retention: everything stays. */
        public Snapshot(Boolean enabled, @Nullable String persistentVolumeClaim, @Nullable String size,
                @Nullable String storageClassName, Compression compression, Integer compressionLevel,
                Boolean verifyChecksum, DeletionPolicy deletionPolicy) {
            this(enabled, persistentVolumeClaim, size, storageClassName, compression, compressionLevel, verifyChecksum,
                    deletionPolicy, null, null, null, null, SnapshotMemory.Auto);
        }

        public Snapshot {
            enabled = enabled == null || enabled;
            size = size == null ? "20Gi" : size;
            compression = compression == null ? Compression.none : compression;
            compressionLevel = compressionLevel == null ? 3 : compressionLevel;
            verifyChecksum = verifyChecksum == null || verifyChecksum;
            deletionPolicy = deletionPolicy == null ? DeletionPolicy.Retain : deletionPolicy;
            memory = memory == null ? SnapshotMemory.Auto : memory;
        }
    }
}

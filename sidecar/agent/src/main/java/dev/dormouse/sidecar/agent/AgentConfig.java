package dev.dormouse.sidecar.agent;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.api.Environment;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.host.Sampler;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.trust.TrustSettings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The sidecar's configuration, read once from the environment variables of {@link SidecarEnvironment}. A bad value stops
 * the process.
 *
 * @param socket where engines connect
 * @param podIp address to listen on, and where the engine serves
 * @param httpPort 0 takes a free port
 * @param snapshots absent: snapshots are off
 * @param warmup which phases run, and for how long
 * @param tls folder with {@code tls.crt} and {@code tls.key}; absent: plain http
 * @param apiToken what requests that change snapshots must bear; absent: they must come from this pod
 * @param device whose memory snapshots are of
 * @param fitness what must hold before this sidecar works
 * @param sampling how often it looks at how busy it is; absent: never
 */
public record AgentConfig(Path socket, String podIp, int httpPort, int enginePort, String podUid, String model,
        String activation, @Nullable SnapshotSettings snapshots, WarmupSettings warmup, @Nullable Path tls,
        @Nullable String apiToken, DeviceSettings device, FitnessSettings fitness,
        @Nullable Duration sampling) {

    private static final Pattern UID = Pattern.compile("[A-Za-z0-9.-]{1,64}");
    private static final Pattern KEY = Pattern.compile("[0-9a-f]{64}");

    /**
     * @param volume root folder of the snapshot volume
     * @param key the operator's part of the compatibility key
     * @param level of the compression, 1–22
     * @param verification what a restore checks of each chunk
     * @param trust whose snapshots are used, and how new ones are protected
     */
    public record SnapshotSettings(Path volume, String key, Compression compression, int level,
            Verification verification, TrustSettings trust) {
        /** Nothing signed, nothing encrypted. */
        public SnapshotSettings(Path volume, String key, Compression compression, int level,
                Verification verification) {
            this(volume, key, compression, level, verification, TrustSettings.OFF);
        }
    }

    /**
     * @param batchSize items in one warmup request
     * @param iterations warmup requests
     * @param deadline a warmup that takes longer has failed
     * @param plan what the user's spec asks for beyond that
     * @param ladder where the model may come up from, and for how long
     */
    public record WarmupSettings(boolean preloadWeights, boolean preallocatePools, boolean precompileKernels,
            int batchSize, int iterations, Duration deadline, WarmupPlan plan, LadderSettings ladder) {
        public WarmupSettings(boolean preloadWeights, boolean preallocatePools, boolean precompileKernels,
                int batchSize, int iterations, Duration deadline, WarmupPlan plan) {
            this(preloadWeights, preallocatePools, precompileKernels, batchSize, iterations, deadline, plan,
                    LadderSettings.WHOLE);
        }

        public WarmupSettings(boolean preloadWeights, boolean preallocatePools, boolean precompileKernels,
                int batchSize, int iterations, Duration deadline) {
            this(preloadWeights, preallocatePools, precompileKernels, batchSize, iterations, deadline, WarmupPlan.NONE);
        }
    }

    /**
     * The operator's decision (its {@code domain.warmup.Ladder}).
     *
     * @param restoreDeadline a restore that takes longer gives way to the source; absent: only the warmup's deadline
     * @param fromSourceBecause why nothing is restored at all; absent: a snapshot is used
     */
    public record LadderSettings(@Nullable Duration restoreDeadline, @Nullable String fromSourceBecause) {
        public static final LadderSettings WHOLE = new LadderSettings(null, null);
    }

    /** @param gpu which of those this process sees, from 0 */
    public record DeviceSettings(Memory memory, int gpu) {}

    /**
     * @param skip names of checks that are left out
     * @param memoryMib what the container must at least be allowed
     * @param diskPercent what must be free on the snapshot volume
     * @param driver the oldest CUDA that will do, as the driver counts
     * @param terminationLog where the reason of an exit is written, if it is there
     */
    public record FitnessSettings(Set<String> skip, int memoryMib, int diskPercent, int driver, Duration deviceWithin,
            Path terminationLog) {}

    /** @throws IllegalArgumentException naming the variable, its value and what is expected */
    public static AgentConfig fromEnvironment(Map<String, String> environment) {
        Environment env = new Environment(environment);
        return new AgentConfig(Path.of(env.text(SidecarEnvironment.SOCKET, "/run/dormouse/engine.sock")),
                env.required(SidecarEnvironment.POD_IP),
                env.number(SidecarEnvironment.HTTP_PORT, PodConventions.SIDECAR_PORT, 0, 65_535),
                env.number(SidecarEnvironment.ENGINE_PORT, PodConventions.ENGINE_PORT, 1, 65_535),
                podUid(env), env.required(SidecarEnvironment.MODEL),
                env.text(SidecarEnvironment.ACTIVATION, ""), snapshots(env),
                new WarmupSettings(env.flag(SidecarEnvironment.PRELOAD_WEIGHTS, true),
                        env.flag(SidecarEnvironment.PREALLOCATE_POOLS, true),
                        env.flag(SidecarEnvironment.PRECOMPILE_KERNELS, true),
                        env.number(SidecarEnvironment.BATCH_SIZE, 1, 1, 4_096),
                        env.number(SidecarEnvironment.ITERATIONS, 1, 1, 10_000),
                        Duration.ofSeconds(env.number(SidecarEnvironment.DEADLINE_SECONDS, 600, 1, 86_400)),
                        plan(env), new LadderSettings(restoreDeadline(env),
                                env.value(SidecarEnvironment.FROM_SOURCE_BECAUSE).orElse(null))),
                env.path(SidecarEnvironment.TLS).orElse(null), env.value(SidecarEnvironment.API_TOKEN).orElse(null),
                new DeviceSettings(memory(env), env.number(SidecarEnvironment.GPU, 0, 0, 63)), fitness(env),
                sampling(env));
    }

    private static @Nullable Duration sampling(Environment env) {
        if (env.text(SidecarEnvironment.SAMPLE_SECONDS, "").equals("0")) {
            return null;
        }
        int least = (int) Sampler.SHORTEST.toSeconds();
        return Duration.ofSeconds(env.number(SidecarEnvironment.SAMPLE_SECONDS, least, least, 3_600));
    }

    private static FitnessSettings fitness(Environment env) {
        Set<String> skip = env.names(SidecarEnvironment.FITNESS_SKIP);
        if (!Fitness.NAMES.containsAll(skip)) {
            throw env.wrong(SidecarEnvironment.FITNESS_SKIP, "some of " + Fitness.NAMES + ", separated by commas");
        }
        return new FitnessSettings(skip, env.number(SidecarEnvironment.FITNESS_MEMORY_MIB, 96, 0, 1 << 20),
                env.number(SidecarEnvironment.FITNESS_DISK_PERCENT, 2, 0, 100),
                env.number(SidecarEnvironment.FITNESS_DRIVER, 11_080, 0, 1_000_000),
                Duration.ofSeconds(env.number(SidecarEnvironment.FITNESS_DEVICE_SECONDS, 30, 1, 3_600)),
                Path.of(env.text(SidecarEnvironment.TERMINATION_LOG, "/dev/termination-log")));
    }

    private static @Nullable SnapshotSettings snapshots(Environment env) {
        Path volume = env.path(SidecarEnvironment.VOLUME).orElse(null);
        if (volume == null) {
            return null;
        }
        String key = env.required(SidecarEnvironment.SNAPSHOT_KEY);
        if (!KEY.matcher(key).matches()) {
            throw env.wrong(SidecarEnvironment.SNAPSHOT_KEY, "64 lower-case hex digits");
        }
        return new SnapshotSettings(volume, key, compression(env),
                env.number(SidecarEnvironment.COMPRESSION_LEVEL, 3, 1, 22), verification(env), trust(env));
    }

    private static TrustSettings trust(Environment env) {
        boolean required = switch (env.text(SidecarEnvironment.SIGNATURES, "off")) {
            case "required" -> true;
            case "off" -> false;
            default -> throw env.wrong(SidecarEnvironment.SIGNATURES, "required or off");
        };
        Path trusted = env.path(SidecarEnvironment.TRUSTED_KEYS).orElse(null);
        if (required && trusted == null) {
            throw new IllegalArgumentException(SidecarEnvironment.SIGNATURES + "=required needs "
                    + SidecarEnvironment.TRUSTED_KEYS + ": without a trusted key every snapshot would be refused");
        }
        String model = env.required(SidecarEnvironment.MODEL);
        String namespace = model.substring(0, Math.max(0, model.indexOf('/')));
        var settings = new TrustSettings(env.text(SidecarEnvironment.VOLUME_ID, namespace), required, trusted,
                env.path(SidecarEnvironment.SIGNING_KEY).orElse(null),
                env.path(SidecarEnvironment.WRAPPING_KEYS).orElse(null));
        return settings.off() ? TrustSettings.OFF : settings;
    }

    private static @Nullable Duration restoreDeadline(Environment env) {
        String key = SidecarEnvironment.RESTORE_DEADLINE_SECONDS;
        return env.value(key).map(set -> Duration.ofSeconds(env.number(key, 1, 1, 86_400))).orElse(null);
    }

    private static String podUid(Environment env) {
        String uid = env.required(SidecarEnvironment.POD_UID);
        if (!UID.matcher(uid).matches()) {
            throw env.wrong(SidecarEnvironment.POD_UID, "1 to 64 letters, digits, dots or dashes");
        }
        return uid;
    }

    private static Compression compression(Environment env) {
        return switch (env.text(SidecarEnvironment.COMPRESSION, "none")) {
            case "none" -> Compression.None;
            case "zstd" -> Compression.Zstd;
            case "auto" -> Compression.Auto;
            default -> throw env.wrong(SidecarEnvironment.COMPRESSION, "none, zstd or auto");
        };
    }

    private static Verification verification(Environment env) {
        return switch (env.text(SidecarEnvironment.VERIFY, "crc")) {
            case "true", "crc" -> Verification.Crc;
            case "false", "none" -> Verification.None;
            case "digest" -> Verification.Digest;
            default -> throw env.wrong(SidecarEnvironment.VERIFY, "crc, digest, none, true or false");
        };
    }

    private static Memory memory(Environment env) {
        String text = env.text(SidecarEnvironment.DEVICE, Memory.Host.name());
        for (Memory memory : Memory.values()) {
            if (memory.name().equals(text)) {
                return memory;
            }
        }
        throw env.wrong(SidecarEnvironment.DEVICE, "one of " + List.of(Memory.values()));
    }

    private static WarmupPlan plan(Environment env) {
        String value = env.value(SidecarEnvironment.WARMUP_PLAN).orElse(null);
        try {
            return value == null
                    ? WarmupPlan.NONE
                    : JsonMapper.builder().build().readValue(value, WarmupPlan.class);
        } catch (JsonProcessingException e) {
            throw env.wrong(SidecarEnvironment.WARMUP_PLAN, "a plan as the operator writes it");
        }
    }
}

package dev.dormouse.sidecar.agent;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.pipeline.Compression;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
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
 * @param apiToken what requests that change snapshots must bear; absent: they must come from this pod
 */
public record AgentConfig(Path socket, String podIp, int httpPort, int enginePort, String podUid, String model,
        String activation, @Nullable SnapshotSettings snapshots, WarmupSettings warmup,
        @Nullable String apiToken) {

    private static final Pattern UID = Pattern.compile("[A-Za-z0-9.-]{1,64}");
    private static final Pattern KEY = Pattern.compile("[0-9a-f]{64}");

    /**
     * @param volume root folder of the snapshot volume
     * @param key the operator's part of the compatibility key
     * @param level of the compression, 1–22
     * @param verify whether a restore checks each chunk
     */
    public record SnapshotSettings(Path volume, String key, Compression compression, int level, boolean verify) {}

    /**
     * @param batchSize items in one warmup request
     * @param iterations warmup requests
     * @param deadline a warmup that takes longer has failed
     * @param plan what the user's spec asks for beyond that
     */
    public record WarmupSettings(boolean preloadWeights, boolean preallocatePools, boolean precompileKernels,
            int batchSize, int iterations, Duration deadline, WarmupPlan plan) {
        public WarmupSettings(boolean preloadWeights, boolean preallocatePools, boolean precompileKernels,
                int batchSize, int iterations, Duration deadline) {
            this(preloadWeights, preallocatePools, precompileKernels, batchSize, iterations, deadline, WarmupPlan.NONE);
        }
    }

    /** @throws IllegalArgumentException naming the variable, its value and what is expected */
    public static AgentConfig fromEnvironment(Map<String, String> environment) {
        Reader env = new Reader(environment);
        return new AgentConfig(Path.of(env.text(SidecarEnvironment.SOCKET, "/run/dormouse/engine.sock")),
                env.required(SidecarEnvironment.POD_IP),
                env.number(SidecarEnvironment.HTTP_PORT, PodConventions.SIDECAR_PORT, 0, 65_535),
                env.number(SidecarEnvironment.ENGINE_PORT, PodConventions.ENGINE_PORT, 1, 65_535),
                env.podUid(), env.required(SidecarEnvironment.MODEL),
                env.text(SidecarEnvironment.ACTIVATION, ""), snapshots(env),
                new WarmupSettings(env.flag(SidecarEnvironment.PRELOAD_WEIGHTS, true),
                        env.flag(SidecarEnvironment.PREALLOCATE_POOLS, true),
                        env.flag(SidecarEnvironment.PRECOMPILE_KERNELS, true),
                        env.number(SidecarEnvironment.BATCH_SIZE, 1, 1, 4_096),
                        env.number(SidecarEnvironment.ITERATIONS, 1, 1, 10_000),
                        Duration.ofSeconds(env.number(SidecarEnvironment.DEADLINE_SECONDS, 600, 1, 86_400)),
                        env.plan()),
                env.value(SidecarEnvironment.API_TOKEN));
    }

    private static @Nullable SnapshotSettings snapshots(Reader env) {
        String volume = env.value(SidecarEnvironment.VOLUME);
        if (volume == null) {
            return null;
        }
        String key = env.required(SidecarEnvironment.SNAPSHOT_KEY);
        if (!KEY.matcher(key).matches()) {
            throw env.wrong(SidecarEnvironment.SNAPSHOT_KEY, "64 lower-case hex digits");
        }
        return new SnapshotSettings(Path.of(volume), key, env.compression(),
                env.number(SidecarEnvironment.COMPRESSION_LEVEL, 3, 1, 22), env.flag(SidecarEnvironment.VERIFY, true));
    }

    private record Reader(Map<String, String> environment) {

        @Nullable
        String value(String key) {
            String value = environment.get(key);
            return value == null || value.isBlank() ? null : value.strip();
        }

        String text(String key, String otherwise) {
            String value = value(key);
            return value == null ? otherwise : value;
        }

        String required(String key) {
            String value = value(key);
            if (value == null) {
                throw new IllegalArgumentException(key + " is not set; the operator sets it on every sidecar");
            }
            return value;
        }

        int number(String key, int otherwise, int least, int most) {
            String value = value(key);
            if (value == null) {
                return otherwise;
            }
            try {
                int number = Integer.parseInt(value);
                if (number >= least && number <= most) {
                    return number;
                }
            } catch (NumberFormatException e) {
                throw wrong(key, "a whole number from " + least + " to " + most);
            }
            throw wrong(key, "a whole number from " + least + " to " + most);
        }

        boolean flag(String key, boolean otherwise) {
            return switch (text(key, Boolean.toString(otherwise))) {
                case "true" -> true;
                case "false" -> false;
                default -> throw wrong(key, "true or false");
            };
        }

        String podUid() {
            String uid = required(SidecarEnvironment.POD_UID);
            if (!UID.matcher(uid).matches()) {
                throw wrong(SidecarEnvironment.POD_UID, "1 to 64 letters, digits, dots or dashes");
            }
            return uid;
        }

        Compression compression() {
            return switch (text(SidecarEnvironment.COMPRESSION, "none")) {
                case "none" -> Compression.None;
                case "zstd" -> Compression.Zstd;
                default -> throw wrong(SidecarEnvironment.COMPRESSION, "none or zstd");
            };
        }

        WarmupPlan plan() {
            String value = value(SidecarEnvironment.WARMUP_PLAN);
            try {
                return value == null
                        ? WarmupPlan.NONE
                        : JsonMapper.builder().build().readValue(value, WarmupPlan.class);
            } catch (JsonProcessingException e) {
                throw wrong(SidecarEnvironment.WARMUP_PLAN, "a plan as the operator writes it");
            }
        }

        IllegalArgumentException wrong(String key, String expected) {
            return new IllegalArgumentException(
                    key + "=\"" + environment.get(key) + "\" is not valid: it must be " + expected);
        }
    }
}

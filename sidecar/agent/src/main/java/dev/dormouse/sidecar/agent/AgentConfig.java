package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.format.Manifest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How one sidecar is set up, from {@link SidecarEnvironment}.
 *
 * @param volume root of the snapshot volume; empty when snapshots are off
 * @param zstdLevel 0 stores raw
 */
record AgentConfig(Path socket, String podIp, String podUid, String model, String activation, int httpPort,
        int enginePort, Optional<Path> volume, String snapshotKey, int zstdLevel, boolean verify,
        WarmupSettings warmup) {

    /** Requirements H3–H6. */
    record WarmupSettings(boolean preloadWeights, boolean preallocatePools, boolean precompileKernels, int batchSize,
            int iterations, Duration deadline) {}

    /** @throws IllegalArgumentException naming the variable, its value and what is allowed */
    static AgentConfig parse(Map<String, String> env) {
        Optional<Path> volume = Optional.ofNullable(env.get(SidecarEnvironment.VOLUME))
                .filter(path -> !path.isBlank())
                .map(Path::of);
        String key = env.getOrDefault(SidecarEnvironment.SNAPSHOT_KEY, "");
        if (volume.isPresent() && !Manifest.KEY.matcher(key).matches()) {
            throw wrong(SidecarEnvironment.SNAPSHOT_KEY, key, "64 hex digits");
        }
        boolean zstd = switch (env.getOrDefault(SidecarEnvironment.COMPRESSION, "none")) {
            case "none" -> false;
            case "zstd" -> true;
            default ->
                throw wrong(SidecarEnvironment.COMPRESSION, env.get(SidecarEnvironment.COMPRESSION), "none or zstd");
        };
        int level = number(env, SidecarEnvironment.COMPRESSION_LEVEL, 3, 1, 22);
        return new AgentConfig(Path.of(required(env, SidecarEnvironment.SOCKET)),
                required(env, SidecarEnvironment.POD_IP),
                env.getOrDefault(SidecarEnvironment.POD_UID, ""), env.getOrDefault(SidecarEnvironment.MODEL, ""),
                env.getOrDefault(SidecarEnvironment.ACTIVATION, ""),
                number(env, SidecarEnvironment.HTTP_PORT, PodConventions.SIDECAR_PORT, 1, 65535),
                number(env, SidecarEnvironment.ENGINE_PORT, PodConventions.ENGINE_PORT, 1, 65535), volume, key,
                zstd ? level : 0, flag(env, SidecarEnvironment.VERIFY, true),
                new WarmupSettings(flag(env, SidecarEnvironment.PRELOAD_WEIGHTS, true),
                        flag(env, SidecarEnvironment.PREALLOCATE_POOLS, true),
                        flag(env, SidecarEnvironment.PRECOMPILE_KERNELS, true),
                        number(env, SidecarEnvironment.BATCH_SIZE, 1, 1, 4096),
                        number(env, SidecarEnvironment.ITERATIONS, 2, 1, 1000),
                        Duration.ofSeconds(number(env, SidecarEnvironment.DEADLINE_SECONDS, 600, 1, 86400))));
    }

    /** Whether this replica restores and saves device memory at all. */
    boolean snapshots() {
        return volume.isPresent() && warmup.preloadWeights();
    }

    private static String required(Map<String, String> env, String key) {
        String value = env.get(key);
        if (value == null || value.isBlank()) {
            throw wrong(key, value, "set");
        }
        return value;
    }

    private static int number(Map<String, String> env, String key, int otherwise, int least, int most) {
        String value = env.get(key);
        if (value == null) {
            return otherwise;
        }
        try {
            int number = Integer.parseInt(value.trim());
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, with the range.
        }
        throw wrong(key, value, least + " to " + most);
    }

    private static boolean flag(Map<String, String> env, String key, boolean otherwise) {
        String value = env.get(key);
        return switch (value == null ? Boolean.toString(otherwise) : value) {
            case "true" -> true;
            case "false" -> false;
            default -> throw wrong(key, value, "true or false");
        };
    }

    private static IllegalArgumentException wrong(String key, @Nullable String value, String allowed) {
        return new IllegalArgumentException(key + (value == null ? " is not set" : " is \"" + value + "\"")
                + "; it must be " + allowed);
    }
}

package dev.dormouse.engine.onnx;

import dev.dormouse.sidecar.api.Environment;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The engine's configuration, read once from the environment variables of {@link SidecarEnvironment}. A bad value stops
 * the process.
 *
 * @param socket where the sidecar listens; absent: the engine runs alone and loads from the source
 * @param podIp address to listen on
 * @param port 0 takes a free port
 * @param modelName what clients call the model
 * @param model {@code namespace/name}; a second name for clients; absent outside of a cluster
 * @param modelPath an ONNX file or a folder with one
 */
public record EngineConfig(@Nullable Path socket, String podIp, int port, String modelName, @Nullable String model,
        Path modelPath) {

    /** @throws IllegalArgumentException naming the variable, its value and what is expected */
    public static EngineConfig fromEnvironment(Map<String, String> environment) {
        Environment env = new Environment(environment);
        return new EngineConfig(env.path(SidecarEnvironment.SOCKET).orElse(null),
                env.required(SidecarEnvironment.POD_IP),
                env.number(SidecarEnvironment.ENGINE_PORT, PodConventions.ENGINE_PORT, 0, 65_535),
                env.required(SidecarEnvironment.MODEL_NAME), env.value(SidecarEnvironment.MODEL).orElse(null),
                Path.of(env.required(SidecarEnvironment.MODEL_PATH)));
    }
}

package dev.dormouse.engine.onnx;

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
        String socket = value(environment, SidecarEnvironment.SOCKET);
        return new EngineConfig(socket == null ? null : Path.of(socket),
                required(environment, SidecarEnvironment.POD_IP), port(environment),
                required(environment, SidecarEnvironment.MODEL_NAME), value(environment, SidecarEnvironment.MODEL),
                Path.of(required(environment, SidecarEnvironment.MODEL_PATH)));
    }

    private static @Nullable String value(Map<String, String> environment, String key) {
        String value = environment.get(key);
        return value == null || value.isBlank() ? null : value.strip();
    }

    private static String required(Map<String, String> environment, String key) {
        String value = value(environment, key);
        if (value == null) {
            throw new IllegalArgumentException("The environment variable " + key + " is required");
        }
        return value;
    }

    private static int port(Map<String, String> environment) {
        String value = value(environment, SidecarEnvironment.ENGINE_PORT);
        if (value == null) {
            return PodConventions.ENGINE_PORT;
        }
        try {
            int port = Integer.parseInt(value);
            if (port >= 0 && port <= 65_535) {
                return port;
            }
        } catch (NumberFormatException e) {
            // Answered below, as a number out of range is.
        }
        throw new IllegalArgumentException(
                SidecarEnvironment.ENGINE_PORT + " must be a port from 0 to 65535, not '" + value + "'");
    }
}

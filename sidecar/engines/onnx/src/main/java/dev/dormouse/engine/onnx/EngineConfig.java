package dev.dormouse.engine.onnx;

import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * How the engine is set up, from {@link SidecarEnvironment}.
 *
 * @param socket the sidecar's; empty when the engine runs alone
 * @param modelName what clients put into {@code model}
 * @param modelPath a folder with one {@code .onnx} and one {@code tokenizer.json}
 */
record EngineConfig(Optional<Path> socket, String podIp, int port, String modelName, Path modelPath) {

    /** @throws IllegalArgumentException naming the variable and what is allowed */
    static EngineConfig parse(Map<String, String> env) {
        String port = env.getOrDefault(SidecarEnvironment.ENGINE_PORT, Integer.toString(PodConventions.ENGINE_PORT));
        if (!port.matches("[1-9][0-9]{0,4}") || Integer.parseInt(port) > 65535) {
            throw new IllegalArgumentException(
                    SidecarEnvironment.ENGINE_PORT + " is \"" + port + "\"; it must be 1 to 65535");
        }
        String path = env.getOrDefault(SidecarEnvironment.MODEL_PATH, "");
        if (path.isBlank()) {
            throw new IllegalArgumentException(
                    SidecarEnvironment.MODEL_PATH + " is not set; it must name the model's folder");
        }
        return new EngineConfig(
                Optional.ofNullable(env.get(SidecarEnvironment.SOCKET)).filter(s -> !s.isBlank()).map(Path::of),
                env.getOrDefault(SidecarEnvironment.POD_IP, "0.0.0.0"), Integer.parseInt(port),
                env.getOrDefault(SidecarEnvironment.MODEL_NAME, "model"), Path.of(path));
    }

    Path onnxFile() throws IOException {
        return only(".onnx");
    }

    Path tokenizerFile() throws IOException {
        return only("tokenizer.json");
    }

    private Path only(String ending) throws IOException {
        if (!Files.exists(modelPath)) {
            throw new IOException(
                    modelPath + " does not exist: is the volume mounted and the path of model.uri right?");
        }
        Path folder = Files.isDirectory(modelPath) ? modelPath : modelPath.toAbsolutePath().getParent();
        if (modelPath.toString().endsWith(ending)) {
            return modelPath;
        }
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> found = files.filter(file -> file.getFileName().toString().endsWith(ending)).sorted().toList();
            if (found.size() != 1) {
                throw new IOException(folder + " must hold one file ending in " + ending + ", found " + found.size());
            }
            return found.getFirst();
        }
    }
}

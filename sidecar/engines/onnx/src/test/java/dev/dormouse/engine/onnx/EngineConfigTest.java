package dev.dormouse.engine.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class EngineConfigTest {
    private static final Map<String, String> LEAST = Map.of("POD_IP", "127.0.0.5", "DORMOUSE_MODEL_NAME", "minilm",
            "DORMOUSE_MODEL_PATH", "/mnt/models/minilm");

    @Test
    void allDefaults() {
        assertThat(EngineConfig.fromEnvironment(LEAST)).isEqualTo(
                new EngineConfig(null, "127.0.0.5", 8000, "minilm", null, Path.of("/mnt/models/minilm")));
    }

    @Test
    void allKeys() {
        Map<String, String> environment = new HashMap<>(LEAST);
        environment.put("DORMOUSE_SOCKET", "/run/dormouse/engine.sock");
        environment.put("DORMOUSE_ENGINE_PORT", "9000");
        environment.put("DORMOUSE_MODEL", "demo/minilm");

        assertThat(EngineConfig.fromEnvironment(environment)).isEqualTo(
                new EngineConfig(Path.of("/run/dormouse/engine.sock"), "127.0.0.5", 9000, "minilm", "demo/minilm",
                        Path.of("/mnt/models/minilm")));
    }

    @Test
    void whatIsMissingOrWrongIsNamedWithItsValue() {
        Map<String, String> environment = new HashMap<>(LEAST);
        environment.put("DORMOUSE_ENGINE_PORT", "http");
        assertThatThrownBy(() -> EngineConfig.fromEnvironment(environment)).hasMessageContaining("DORMOUSE_ENGINE_PORT")
                .hasMessageContaining("=\"http\"");
        environment.put("DORMOUSE_ENGINE_PORT", "65536");
        assertThatThrownBy(() -> EngineConfig.fromEnvironment(environment)).hasMessageContaining("=\"65536\"");
        environment.remove("DORMOUSE_MODEL_PATH");
        environment.remove("DORMOUSE_ENGINE_PORT");
        assertThatThrownBy(() -> EngineConfig.fromEnvironment(environment)).hasMessageContaining("DORMOUSE_MODEL_PATH");
    }
}

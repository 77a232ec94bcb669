package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.SidecarEnvironment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("The sidecar's configuration")
class AgentConfigTest {
    private static final String KEY = "0123456789abcdef".repeat(4);

    @Test
    @DisplayName("has defaults for all but the socket and the address (H3–H6, S6)")
    void hasDefaults() {
        AgentConfig config = AgentConfig.parse(Map.of(SidecarEnvironment.SOCKET, "/run/dormouse/engine.sock",
                SidecarEnvironment.POD_IP, "127.0.0.5"));

        assertThat(config.socket()).isEqualTo(Path.of("/run/dormouse/engine.sock"));
        assertThat(config.podIp()).isEqualTo("127.0.0.5");
        assertThat(config.httpPort()).isEqualTo(9400);
        assertThat(config.enginePort()).isEqualTo(8000);
        assertThat(config.volume()).isEmpty();
        assertThat(config.snapshots()).isFalse();
        assertThat(config.zstdLevel()).isZero();
        assertThat(config.verify()).isTrue();
        assertThat(config.warmup())
                .isEqualTo(new AgentConfig.WarmupSettings(true, true, true, 1, 2, Duration.ofSeconds(600)));
    }

    @Test
    @DisplayName("reads every variable (H2–H6, S1–S3, S6)")
    void readsEveryVariable() {
        Map<String, String> env = valid();
        env.put(SidecarEnvironment.POD_UID, "uid-1");
        env.put(SidecarEnvironment.MODEL, "shop/minilm");
        env.put(SidecarEnvironment.ACTIVATION, "wake-7");
        env.put(SidecarEnvironment.HTTP_PORT, "9401");
        env.put(SidecarEnvironment.ENGINE_PORT, "8001");
        env.put(SidecarEnvironment.COMPRESSION, "zstd");
        env.put(SidecarEnvironment.COMPRESSION_LEVEL, "19");
        env.put(SidecarEnvironment.VERIFY, "false");
        env.put(SidecarEnvironment.PRELOAD_WEIGHTS, "true");
        env.put(SidecarEnvironment.PREALLOCATE_POOLS, "false");
        env.put(SidecarEnvironment.PRECOMPILE_KERNELS, "false");
        env.put(SidecarEnvironment.BATCH_SIZE, "8");
        env.put(SidecarEnvironment.ITERATIONS, "5");
        env.put(SidecarEnvironment.DEADLINE_SECONDS, "30");

        AgentConfig config = AgentConfig.parse(env);

        assertThat(config).isEqualTo(new AgentConfig(Path.of("/run/engine.sock"), "127.0.0.5", "uid-1", "shop/minilm",
                "wake-7", 9401, 8001, java.util.Optional.of(Path.of("/var/lib/dormouse")), KEY, 19, false,
                new AgentConfig.WarmupSettings(true, false, false, 8, 5, Duration.ofSeconds(30))));
        assertThat(config.snapshots()).isTrue();
    }

    @Test
    @DisplayName("neither restores nor saves without preloaded weights, volume or not (H3)")
    void weightsThatAreNotPreloadedAreNotRestored() {
        Map<String, String> env = valid();
        env.put(SidecarEnvironment.PRELOAD_WEIGHTS, "false");

        assertThat(AgentConfig.parse(env).snapshots()).isFalse();
    }

    @Test
    @DisplayName("stores raw, whatever the level, unless compression is on (S2)")
    void storesRawUnlessCompressionIsOn() {
        Map<String, String> env = valid();
        env.put(SidecarEnvironment.COMPRESSION_LEVEL, "7");

        assertThat(AgentConfig.parse(env).zstdLevel()).isZero();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "DORMOUSE_SNAPSHOT_COMPRESSION       | lz4     | none or zstd",
            "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL | 0       | 1 to 22",
            "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL | 23      | 1 to 22",
            "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL | high    | 1 to 22",
            "DORMOUSE_SNAPSHOT_VERIFY            | yes     | true or false",
            "DORMOUSE_SNAPSHOT_KEY               | 0123abc | 64 hex digits",
            "DORMOUSE_WARMUP_PRELOAD_WEIGHTS     | 1       | true or false",
            "DORMOUSE_WARMUP_PREALLOCATE_POOLS   | TRUE    | true or false",
            "DORMOUSE_WARMUP_PRECOMPILE_KERNELS  | ''      | true or false",
            "DORMOUSE_WARMUP_BATCH_SIZE          | 0       | 1 to 4096",
            "DORMOUSE_WARMUP_BATCH_SIZE          | 4097    | 1 to 4096",
            "DORMOUSE_WARMUP_ITERATIONS          | 0       | 1 to 1000",
            "DORMOUSE_WARMUP_ITERATIONS          | 1e3     | 1 to 1000",
            "DORMOUSE_WARMUP_DEADLINE_SECONDS    | 0       | 1 to 86400",
            "DORMOUSE_WARMUP_DEADLINE_SECONDS    | 10s     | 1 to 86400",
            "DORMOUSE_HTTP_PORT                  | 65536   | 1 to 65535",
            "DORMOUSE_ENGINE_PORT                | -1      | 1 to 65535",
            "DORMOUSE_SOCKET                     | ''      | set",
            "POD_IP                              | ''      | set"})
    @DisplayName("names the variable, the value and what is allowed (S3)")
    void namesWhatIsWrong(String variable, String value, String allowed) {
        Map<String, String> env = valid();
        env.put(variable, value);

        assertThatThrownBy(() -> AgentConfig.parse(env)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage(variable + " is \"" + value + "\"; it must be " + allowed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"DORMOUSE_SOCKET", "POD_IP"})
    @DisplayName("names the variable that is missing")
    void namesWhatIsMissing(String variable) {
        Map<String, String> env = valid();
        env.remove(variable);

        assertThatThrownBy(() -> AgentConfig.parse(env)).hasMessage(variable + " is not set; it must be set");
    }

    private static Map<String, String> valid() {
        return new HashMap<>(Map.of(SidecarEnvironment.SOCKET, "/run/engine.sock", SidecarEnvironment.POD_IP,
                "127.0.0.5", SidecarEnvironment.VOLUME, "/var/lib/dormouse", SidecarEnvironment.SNAPSHOT_KEY, KEY));
    }
}

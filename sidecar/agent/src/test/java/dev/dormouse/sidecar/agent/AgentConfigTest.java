package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.SidecarEnvironment;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AgentConfigTest {
    private static final Map<String, String> LEAST = Map.of(SidecarEnvironment.SOCKET, "/run/e.sock",
            SidecarEnvironment.POD_IP,
            "10.0.0.1", SidecarEnvironment.VOLUME, "/var/lib/dormouse", SidecarEnvironment.SNAPSHOT_KEY,
            "ab".repeat(32));

    @Test
    void theLeastGetsEveryDefault() {
        AgentConfig config = AgentConfig.parse(LEAST);

        assertThat(config.httpPort()).isEqualTo(9400);
        assertThat(config.enginePort()).isEqualTo(8000);
        assertThat(config.zstdLevel()).isZero();
        assertThat(config.verify()).isTrue();
        assertThat(config.snapshots()).isTrue();
        assertThat(config.warmup().deadline()).hasMinutes(10);
    }

    @ParameterizedTest
    @CsvSource({"POD_IP, '', set", "DORMOUSE_HTTP_PORT, 99999, 1 to 65535", "DORMOUSE_SNAPSHOT_KEY, xyz, 64 hex digits",
            "DORMOUSE_SNAPSHOT_COMPRESSION, lz4, none or zstd", "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL, 23, 1 to 22",
            "DORMOUSE_SNAPSHOT_VERIFY, yes, true or false", "DORMOUSE_WARMUP_BATCH_SIZE, 0, 1 to 4096",
            "DORMOUSE_WARMUP_DEADLINE_SECONDS, soon, 1 to 86400"})
    void aBadValueIsNamedWithWhatIsAllowed(String key, String value, String allowed) {
        Map<String, String> env = new HashMap<>(LEAST);
        env.put(key, value);

        assertThatThrownBy(() -> AgentConfig.parse(env)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(key)
                .hasMessageContaining(allowed);
    }
}

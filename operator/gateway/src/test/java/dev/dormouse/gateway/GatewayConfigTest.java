package dev.dormouse.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GatewayConfigTest {

    @Test
    void defaults() {
        assertThat(GatewayConfig.fromEnvironment(Map.of())).isEqualTo(new GatewayConfig("0.0.0.0", 8080, 8081,
                Set.of(), "gateway", 1, Duration.ofSeconds(25), 1_048_576, 1000, 5000, 128 << 20, 32 << 20,
                Duration.ofSeconds(60), Duration.ofSeconds(600), Duration.ZERO, true, Optional.empty(), Duration.ZERO,
                false, Optional.empty(), "127.0.0.1", Optional.empty(), 64 << 20, 128 << 20, 1000, Optional.empty(),
                100, Optional.empty(), Set.of()));
    }

    @Test
    void everyKeyIsRead() {
        assertThat(GatewayConfig.fromEnvironment(Map.ofEntries(Map.entry("DORMOUSE_BIND", "127.0.0.1"),
                Map.entry("DORMOUSE_PORT", "1"), Map.entry("DORMOUSE_INTERNAL_PORT", "2"),
                Map.entry("DORMOUSE_WATCH_NAMESPACES", "a, b"), Map.entry("DORMOUSE_GATEWAY_NAME", "g"),
                Map.entry("DORMOUSE_GATEWAYS", "3"), Map.entry("DORMOUSE_DRAIN_SECONDS", "4"),
                Map.entry("DORMOUSE_PEEK_BYTES", "2048"), Map.entry("DORMOUSE_MAX_QUEUED_PER_MODEL", "5"),
                Map.entry("DORMOUSE_MAX_QUEUED", "6"), Map.entry("DORMOUSE_MAX_HELD_BYTES", "2000"),
                Map.entry("DORMOUSE_PEEK_FORM_BYTES", "3000"), Map.entry("DORMOUSE_REQUEST_TIMEOUT_SECONDS", "7"),
                Map.entry("DORMOUSE_UPSTREAM_IDLE_SECONDS", "8"), Map.entry("DORMOUSE_TOTAL_TIMEOUT_SECONDS", "9"),
                Map.entry("DORMOUSE_H2C", "false"), Map.entry("DORMOUSE_ACCESS_LOG", "true"),
                Map.entry("DORMOUSE_ADMIN_PORT", "5"), Map.entry("DORMOUSE_ADMIN_BIND", "::1"),
                Map.entry("DORMOUSE_RESULT_CACHE_BYTES", "6"), Map.entry("DORMOUSE_MAX_PEEKED_BYTES", "4000"),
                Map.entry("DORMOUSE_HISTORY_ENTRIES", "5000"),
                Map.entry("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                Map.entry("DORMOUSE_TRACE_PERCENT", "7"),
                Map.entry("DORMOUSE_API_KEYS_NAMESPACE", "keys"),
                Map.entry("DORMOUSE_SIDECAR_CA", "/ca/ca.crt"),
                Map.entry("DORMOUSE_CORS_ORIGINS", "https://a.example, http://b:3000"),
                Map.entry("DORMOUSE_GATEWAY_SERVICE", "ns/gw"))))
                .isEqualTo(new GatewayConfig("127.0.0.1", 1, 2, Set.of("a", "b"), "g", 3, Duration.ofSeconds(4), 2048,
                        5, 6, 2000, 3000, Duration.ofSeconds(7), Duration.ofSeconds(8), Duration.ofSeconds(9), false,
                        Optional.of(new GatewayConfig.Service("ns", "gw")), Duration.ofSeconds(5), true, Optional.of(5),
                        "::1", Optional.of("keys"), 6, 4000, 5000,
                        Optional.of("http://c:4318"), 7, Optional.of(Path.of("/ca/ca.crt")),
                        Set.of("https://a.example", "http://b:3000")));
    }

    @Test
    void aFlagIsTrueOrFalse() {
        assertThatThrownBy(() -> GatewayConfig.fromEnvironment(Map.of("DORMOUSE_H2C", "yes")))
                .hasMessage("DORMOUSE_H2C=\"yes\" is not valid: it must be true or false");
        assertThatThrownBy(() -> GatewayConfig.fromEnvironment(Map.of("DORMOUSE_GATEWAY_SERVICE", "gw")))
                .hasMessageContaining("<namespace>/<name>");
    }

    @Test
    void anOriginHasNoPath() {
        assertThatThrownBy(
                () -> GatewayConfig.fromEnvironment(Map.of("DORMOUSE_CORS_ORIGINS", "https://a.example/chat")))
                .hasMessage(
                        "DORMOUSE_CORS_ORIGINS=\"https://a.example/chat\" is not valid: it must be * or origins like"
                                + " https://chat.example, separated by commas");
    }

    @ParameterizedTest
    @CsvSource({"DORMOUSE_PORT,http", "DORMOUSE_PORT,65536", "DORMOUSE_INTERNAL_PORT,-1", "DORMOUSE_DRAIN_SECONDS,25s",
            "DORMOUSE_PEEK_BYTES,1", "DORMOUSE_GATEWAYS,0"})
    void aBadValueIsNamed(String key, String value) {
        assertThatThrownBy(() -> GatewayConfig.fromEnvironment(Map.of(key, value)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(key + "=\"" + value + "\"")
                .hasMessageContaining("whole number");
    }
}

package dev.dormouse.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OperatorConfigTest {

    @Test
    void everyVariableHasADefault() {
        assertThat(OperatorConfig.fromEnvironment(Map.of())).isEqualTo(new OperatorConfig("dormouse-system", Set.of(),
                "dormouse/sidecar:0.1.0", Optional.empty(), 4, true, Duration.ofSeconds(15), Duration.ofSeconds(10),
                Duration.ofSeconds(2), "0.0.0.0", 8082, Duration.ofSeconds(30), Duration.ofSeconds(60),
                Duration.ofMillis(1000), Duration.ofSeconds(600), Optional.empty(), Optional.empty(),
                Optional.empty()));
    }

    @Test
    void everyVariableIsRead() {
        Map<String, String> environment = Map.ofEntries(Map.entry("DORMOUSE_NAMESPACE", "ns"),
                Map.entry("DORMOUSE_WATCH_NAMESPACES", "a, b"), Map.entry("DORMOUSE_SIDECAR_IMAGE", "r/s:1"),
                Map.entry("DORMOUSE_GATEWAY_URL", "http://gw:8081"), Map.entry("DORMOUSE_WARMUP_MAX_CONCURRENT", "9"),
                Map.entry("DORMOUSE_LEADER_ELECTION", "false"), Map.entry("DORMOUSE_LEASE_SECONDS", "6"),
                Map.entry("DORMOUSE_LEASE_RENEW_SECONDS", "4"), Map.entry("DORMOUSE_LEASE_RETRY_SECONDS", "1"),
                Map.entry("DORMOUSE_BIND", "127.0.0.1"), Map.entry("DORMOUSE_HTTP_PORT", "0"),
                Map.entry("DORMOUSE_DRAIN_TIMEOUT_SECONDS", "5"), Map.entry("DORMOUSE_CLEANUP_SECONDS", "7"),
                Map.entry("DORMOUSE_SCRAPE_MILLIS", "250"), Map.entry("DORMOUSE_STORE_DEADLINE_SECONDS", "90"),
                Map.entry("DORMOUSE_SIDECAR_TLS_SECRET", "sidecar-tls"),
                Map.entry("DORMOUSE_SIDECAR_CA", "/ca/ca.crt"),
                Map.entry("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), Map.entry("HOSTNAME", "operator-7"));

        assertThat(OperatorConfig.fromEnvironment(environment)).isEqualTo(new OperatorConfig("ns", Set.of("a", "b"),
                "r/s:1", Optional.of(URI.create("http://gw:8081")), 9, false, Duration.ofSeconds(6),
                Duration.ofSeconds(4), Duration.ofSeconds(1), "127.0.0.1", 0, Duration.ofSeconds(5),
                Duration.ofSeconds(7), Duration.ofMillis(250), Duration.ofSeconds(90),
                Optional.of("sidecar-tls"), Optional.of(Path.of("/ca/ca.crt")),
                Optional.of(new OperatorConfig.Traces("http://c:4318", "operator-7"))));
    }

    @ParameterizedTest
    @CsvSource({"DORMOUSE_WARMUP_MAX_CONCURRENT,0", "DORMOUSE_WARMUP_MAX_CONCURRENT,many",
            "DORMOUSE_LEADER_ELECTION,yes", "DORMOUSE_GATEWAY_URL,gateway:8081", "DORMOUSE_GATEWAY_URL,https://gw:1",
            "DORMOUSE_GATEWAY_URL,http://gw", "DORMOUSE_HTTP_PORT,70000", "DORMOUSE_SCRAPE_MILLIS,1",
            "DORMOUSE_LOG_FORMAT,xml", "OTEL_EXPORTER_OTLP_ENDPOINT,collector:4318",
            "DORMOUSE_LOG_LEVEL,loud"})
    void aBadValueIsNamedWithItsVariable(String key, String value) {
        assertThatIllegalArgumentException().isThrownBy(() -> OperatorConfig.fromEnvironment(Map.of(key, value)))
                .withMessageContaining(key)
                .withMessageContaining(value)
                .withMessageContaining("must be");
    }

    @Test
    void aCertificateThatNobodyChecksAndACheckOfNoneAreRefused() {
        for (String one : List.of("DORMOUSE_SIDECAR_TLS_SECRET", "DORMOUSE_SIDECAR_CA")) {
            assertThatIllegalArgumentException().isThrownBy(() -> OperatorConfig.fromEnvironment(Map.of(one, "x")))
                    .withMessageContaining("go together");
        }
    }

    @Test
    void aLeaderMustStepDownBeforeItIsReplaced() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> OperatorConfig.fromEnvironment(Map.of("DORMOUSE_LEASE_SECONDS", "10")))
                .withMessageContaining(
                        "DORMOUSE_LEASE_RENEW_SECONDS (10) must be less than DORMOUSE_LEASE_SECONDS (10)");
    }
}

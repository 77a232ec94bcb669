package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.agent.AgentConfig.DeviceSettings;
import dev.dormouse.sidecar.agent.AgentConfig.FitnessSettings;
import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.agent.AgentConfig.LadderSettings;
import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.trust.TrustSettings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AgentConfigTest {
    private static final String KEY = "0123456789abcdef".repeat(4);
    private static final Map<String, String> LEAST = Map.of("POD_IP", "127.0.0.9", "POD_UID", "u-1", "DORMOUSE_MODEL",
            "ns/m");

    @Test
    @DisplayName("H3–H6, S2, S3, S6, H20: what is not set has the documented default")
    void defaults() {
        assertThat(AgentConfig.fromEnvironment(LEAST)).isEqualTo(new AgentConfig(Path.of("/run/dormouse/engine.sock"),
                "127.0.0.9", 9400, 8000, "u-1", "ns/m", "", null,
                new WarmupSettings(true, true, true, 1, 1, Duration.ofSeconds(600)), null, null,
                new DeviceSettings(Memory.Host, 0),
                new FitnessSettings(Set.of(), 96, 2, 11_080, Duration.ofSeconds(30), Path.of("/dev/termination-log")),
                Duration.ofSeconds(5)));
        var snapshots = AgentConfig
                .fromEnvironment(with(Map.of("DORMOUSE_VOLUME", "/v", "DORMOUSE_SNAPSHOT_KEY", KEY)))
                .snapshots();
        assertThat(snapshots)
                .isEqualTo(new SnapshotSettings(Path.of("/v"), KEY, Compression.None, 3, Verification.Crc));
    }

    @Test
    @DisplayName("H3–H6, H67: every variable is read, batch size and iterations apart")
    void everyVariableIsRead() {
        AgentConfig config = AgentConfig.fromEnvironment(Map.ofEntries(Map.entry("DORMOUSE_SOCKET", "/s"),
                Map.entry("POD_IP", "127.1.2.3"), Map.entry("POD_UID", "u"), Map.entry("DORMOUSE_MODEL", "n/m"),
                Map.entry("DORMOUSE_ENGINE_PORT", "1"), Map.entry("DORMOUSE_HTTP_PORT", "2"),
                Map.entry("DORMOUSE_ACTIVATION", "7"), Map.entry("DORMOUSE_VOLUME", "/v"),
                Map.entry("DORMOUSE_SNAPSHOT_KEY", KEY), Map.entry("DORMOUSE_SNAPSHOT_COMPRESSION", "zstd"),
                Map.entry("DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL", "9"), Map.entry("DORMOUSE_SNAPSHOT_VERIFY", "false"),
                Map.entry("DORMOUSE_WARMUP_PRELOAD_WEIGHTS", "false"),
                Map.entry("DORMOUSE_WARMUP_PREALLOCATE_POOLS", "false"),
                Map.entry("DORMOUSE_WARMUP_PRECOMPILE_KERNELS", "false"), Map.entry("DORMOUSE_WARMUP_BATCH_SIZE", "4"),
                Map.entry("DORMOUSE_API_TOKEN", "secret"), Map.entry("DORMOUSE_WARMUP_ITERATIONS", "5"),
                Map.entry("DORMOUSE_WARMUP_DEADLINE_SECONDS", "6"), Map.entry("DORMOUSE_TLS", "/tls"),
                Map.entry("DORMOUSE_VOLUME_ID", "tenant"), Map.entry("DORMOUSE_SNAPSHOT_SIGNATURES", "required"),
                Map.entry("DORMOUSE_TRUSTED_KEYS", "/t"), Map.entry("DORMOUSE_SIGNING_KEY", "/k/2026.pem"),
                Map.entry("DORMOUSE_WRAPPING_KEYS", "/w"), Map.entry("DORMOUSE_DEVICE", "Owned"),
                Map.entry("DORMOUSE_GPU", "3"), Map.entry("DORMOUSE_FITNESS_SKIP", "disk,copy"),
                Map.entry("DORMOUSE_FITNESS_MEMORY_MIB", "1"), Map.entry("DORMOUSE_FITNESS_DISK_PERCENT", "5"),
                Map.entry("DORMOUSE_RESTORE_DEADLINE_SECONDS", "3"),
                Map.entry("DORMOUSE_FROM_SOURCE_BECAUSE", "it hung"),
                Map.entry("DORMOUSE_FITNESS_DRIVER", "12000"), Map.entry("DORMOUSE_FITNESS_DEVICE_SECONDS", "7"),
                Map.entry("DORMOUSE_TERMINATION_LOG", "/t"), Map.entry("DORMOUSE_SAMPLE_SECONDS", "60")));

        assertThat(config).isEqualTo(new AgentConfig(Path.of("/s"), "127.1.2.3", 2, 1, "u", "n/m", "7",
                new SnapshotSettings(Path.of("/v"), KEY, Compression.Zstd, 9, Verification.None,
                        new TrustSettings("tenant", true, Path.of("/t"), Path.of("/k/2026.pem"), Path.of("/w"))),
                new WarmupSettings(false, false, false, 4, 5, Duration.ofSeconds(6), WarmupPlan.NONE,
                        new LadderSettings(Duration.ofSeconds(3), "it hung")),
                Path.of("/tls"), "secret",
                new DeviceSettings(Memory.Owned, 3),
                new FitnessSettings(Set.of("disk", "copy"), 1, 5, 12_000, Duration.ofSeconds(7), Path.of("/t")),
                Duration.ofSeconds(60)));
    }

    @ParameterizedTest
    @CsvSource({"DORMOUSE_HTTP_PORT,70000", "DORMOUSE_ENGINE_PORT,0", "DORMOUSE_WARMUP_BATCH_SIZE,0",
            "DORMOUSE_WARMUP_ITERATIONS,many", "DORMOUSE_WARMUP_DEADLINE_SECONDS,-1",
            "DORMOUSE_RESTORE_DEADLINE_SECONDS,0",
            "DORMOUSE_WARMUP_PRELOAD_WEIGHTS,yes", "DORMOUSE_SNAPSHOT_COMPRESSION,lz4",
            "DORMOUSE_SNAPSHOT_COMPRESSION_LEVEL,23", "DORMOUSE_SNAPSHOT_KEY,../../etc", "DORMOUSE_SNAPSHOT_VERIFY,1",
            "DORMOUSE_SNAPSHOT_SIGNATURES,yes", "DORMOUSE_DEVICE,cuda", "DORMOUSE_GPU,-1",
            "DORMOUSE_FITNESS_SKIP,everything"})
    @DisplayName("S54, BR11: a bad value is refused with the variable, the value and what is allowed")
    void aBadValueIsRefused(String key, String value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AgentConfig
                        .fromEnvironment(with(bad(key, value))))
                .withMessageStartingWith(key + "=\"" + value + "\" is not valid: it must be ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"POD_IP", "POD_UID", "DORMOUSE_MODEL"})
    void whatTheOperatorMustSetIsAskedFor(String key) {
        Map<String, String> without = new HashMap<>(LEAST);
        without.remove(key);

        assertThatIllegalArgumentException().isThrownBy(() -> AgentConfig.fromEnvironment(without))
                .withMessageStartingWith(key + " is not set");
    }

    @Test
    void aVolumeWithoutAKeyIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AgentConfig.fromEnvironment(with(Map.of("DORMOUSE_VOLUME", "/v"))))
                .withMessageContaining("DORMOUSE_SNAPSHOT_KEY is not set");
    }

    @Test
    @DisplayName("S2, S6: compression may decide for itself, and verification may go as far as identities")
    void compressionAndVerification() {
        var snapshots = AgentConfig
                .fromEnvironment(with(Map.of("DORMOUSE_VOLUME", "/v", "DORMOUSE_SNAPSHOT_KEY", KEY,
                        "DORMOUSE_SNAPSHOT_COMPRESSION", "auto", "DORMOUSE_SNAPSHOT_VERIFY", "digest")))
                .snapshots();

        assertThat(snapshots)
                .isEqualTo(new SnapshotSettings(Path.of("/v"), KEY, Compression.Auto, 3, Verification.Digest));
    }

    @Test
    @DisplayName("S50: required signatures need trusted keys; what protects is bound to the model's namespace unless said otherwise")
    void trust() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AgentConfig.fromEnvironment(with(bad("DORMOUSE_SNAPSHOT_SIGNATURES", "required"))))
                .withMessageContaining("DORMOUSE_TRUSTED_KEYS");
        assertThat(AgentConfig.fromEnvironment(with(bad("DORMOUSE_WRAPPING_KEYS", "/w"))).snapshots())
                .isEqualTo(new SnapshotSettings(Path.of("/v"), KEY, Compression.None, 3, Verification.Crc,
                        new TrustSettings("ns", false, null, null, Path.of("/w"))));
    }

    @Test
    @DisplayName("BL41: it samples every 5 s, no more often, and not at all where that is switched off")
    void sampling() {
        assertThat(AgentConfig.fromEnvironment(with(Map.of("DORMOUSE_SAMPLE_SECONDS", "0"))).sampling()).isNull();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> AgentConfig.fromEnvironment(with(Map.of("DORMOUSE_SAMPLE_SECONDS", "4"))))
                .withMessageContaining("DORMOUSE_SAMPLE_SECONDS")
                .withMessageContaining("from 5 to 3600");
    }

    private static Map<String, String> bad(String key, String value) {
        Map<String, String> all = new HashMap<>(Map.of("DORMOUSE_VOLUME", "/v", "DORMOUSE_SNAPSHOT_KEY", KEY));
        all.put(key, value);
        return all;
    }

    private static Map<String, String> with(Map<String, String> more) {
        Map<String, String> all = new HashMap<>(LEAST);
        all.putAll(more);
        return all;
    }
}

package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.device.HostDevice;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CanaryTest {
    private static final WarmupPlan.Canary PROBE = new WarmupPlan.Canary("/v1/embeddings", "{\"input\":\"canary\"}",
            "/data", 0.01);

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"{\"id\":1,\"data\":[1,200]}|{\"id\":2,\"data\":[1.009,201.9]}|",
            "{\"data\":[1,200]}|{\"data\":[1.011,200]}|/data/0 was 1 and is 1.011",
            "{\"data\":\"a\"}|{\"data\":\"b\"}|/data was \"a\" and is \"b\"",
            "{\"data\":[1]}|{\"data\":[1,2]}|/data was [1] and is [1,2]",
            "{\"data\":{\"x\":1}}|{\"data\":{\"y\":1}}|/data/x was 1 and is ",
            "plain|plain|", "plain|other|the answer was plain and is other"})
    void answersAreComparedWhereThePointerPoints(String recorded, String now, String difference) {
        assertThat(Canary.difference(PROBE, recorded.getBytes(UTF_8), now.getBytes(UTF_8)))
                .isEqualTo(Optional.ofNullable(difference).map(text -> text.endsWith("is") ? text + " " : text));
    }

    @Test
    @DisplayName("The canary recorded at capture is replayed after a restore; another answer quarantines the snapshot and fails the replica")
    void anotherAnswerAfterARestoreQuarantines() throws Exception {
        WarmupPlan plan = new WarmupPlan(null, null, PROBE);
        try (FakeEngine engine = new FakeEngine("127.0.0.1").answering(200, "{\"data\":[0.5]}")) {
            Sidecars pod = Sidecars.in(folder, engine).with(settings(plan));
            Files.createDirectories(pod.volume());
            try (Agent agent = Agent.start(pod.config(), pod.store(), new HostDevice(1L << 30), Clock.systemUTC())) {
                try (EngineClient client = pod.connect()) {
                    pod.loadFromSource(client);
                    client.ready(Sidecars.ready());
                    assertThat(ended(agent).snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
                }
            }
            try (Agent same = Agent.start(pod.config(), pod.store(), new HostDevice(1L << 30), Clock.systemUTC());
                    EngineClient client = pod.connect()) {
                client.attach();
                client.ready(Sidecars.ready());
                assertThat(ended(same).phase()).isEqualTo(ReplicaPhase.Ready);
                assertThat(engine.requests().getLast()).contains("canary");
            }
            engine.answering(200, "{\"data\":[0.7]}");
            try (Agent other = Agent.start(pod.config(), pod.store(), new HostDevice(1L << 30), Clock.systemUTC());
                    EngineClient client = pod.connect()) {
                client.attach();
                client.ready(Sidecars.ready());

                SidecarStatus status = ended(other);
                assertThat(status.phase()).isEqualTo(ReplicaPhase.Failed);
                assertThat(status.reason()).isEqualTo("CanaryMismatch");
                assertThat(status.snapshot().state()).isEqualTo(SnapshotReport.State.Quarantined);
                assertThat(status.message()).contains("/data/0 was 0.5 and is 0.7");
            }
            assertThat(pod.store().list().snapshots()).as("the next process comes up from source").isEmpty();
            assertThat(pod.store().list().refused()).singleElement()
                    .satisfies(refused -> assertThat(refused.reason()).isEqualTo("CanaryMismatch"));
        }
    }

    @Test
    @DisplayName("H27, H28, H31: the hook runs before the first request, requests come from the spec, a failing hook fails the warmup")
    void hookAndRequestsComeFromTheSpec() throws Exception {
        Path proof = folder.resolve("proof");
        WarmupPlan plan = new WarmupPlan(new WarmupPlan.Hook(List.of("touch", proof.toString()), null),
                new WarmupPlan.Request("/v1/own", "{\"x\":\"@batch\"}", "\"item\""), null);
        try (FakeEngine engine = new FakeEngine("127.0.0.1")) {
            Sidecars pod = Sidecars.in(folder, engine).with(settings(plan));
            assertThat(ofWholeStart(pod).phase()).isEqualTo(ReplicaPhase.Ready);
            assertThat(proof).exists();
            assertThat(engine.requests()).containsExactly("POST /v1/own {\"x\":[\"item\",\"item\"]}",
                    "POST /v1/own {\"x\":[\"item\",\"item\"]}", "POST /v1/own {\"x\":[\"item\",\"item\"]}");

            Sidecars failing = Sidecars.in(folder, engine)
                    .with(settings(
                            new WarmupPlan(new WarmupPlan.Hook(List.of("sh", "-c", "echo no luck; exit 3"), null),
                                    null, null)));
            SidecarStatus status = ofWholeStart(failing);
            assertThat(status.phase()).isEqualTo(ReplicaPhase.Failed);
            assertThat(status.phases().getLast().name()).isEqualTo(PhaseTiming.CUSTOM_INIT);
            assertThat(status.phases().getLast().error()).contains("status 3: no luck");

            engine.answering(503, "not yet");
            Sidecars refused = Sidecars.in(folder, engine)
                    .with(settings(new WarmupPlan(
                            new WarmupPlan.Hook(null, new WarmupPlan.Request("/init", "{}", null)), null, null)));
            assertThat(ofWholeStart(refused).message()).contains("POST /init with 503: not yet");
        }
    }

    private static SidecarStatus ofWholeStart(Sidecars pod) throws Exception {
        try (Agent agent = Agent.start(pod.configWithoutSnapshots(), null, new HostDevice(1L << 30), Clock.systemUTC());
                EngineClient client = pod.connect()) {
            client.ready(Sidecars.ready());
            return ended(agent);
        }
    }

    private static SidecarStatus ended(Agent agent) {
        Awaitility.await().until(() -> agent.status().phase().terminal());
        return agent.status();
    }

    private static WarmupSettings settings(WarmupPlan plan) {
        return new WarmupSettings(true, true, true, 2, 3, Duration.ofMinutes(1), plan);
    }
}

package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images that were never made for Dormouse. */
class PlainEngineTest {
    @TempDir
    private Path folder;
    private final DeviceMemory device = new HostDevice(1L << 30);
    private FakeEngine engine;
    private Sidecars pod;
    /** Started by each test in its own way. */
    @SuppressWarnings("NullAway.Init")
    private Agent agent;

    @BeforeEach
    void createFolders() throws IOException {
        engine = new FakeEngine("127.0.0.1");
        pod = Sidecars.in(folder, engine);
        Files.createDirectories(pod.volume());
    }

    @AfterEach
    void stop() throws IOException {
        agent.close();
        engine.close();
        device.close();
    }

    private void awaitPhase(ReplicaPhase phase) {
        await().until(() -> agent.status().phase() == phase);
    }

    @Test
    void itIsReadyWhenItsHealthIsGoodAndNotWhenItIsGone() throws Exception {
        agent = Agent.start(pod.configWithoutSnapshots(), null, device, Clock.systemUTC());
        awaitPhase(ReplicaPhase.Starting);
        engine.healthy();
        awaitPhase(ReplicaPhase.Ready);
        assertThat(agent.status().rung()).isEqualTo(Rung.Cold);
        assertThat(agent.status().snapshot().state()).isEqualTo(SnapshotReport.State.Skipped);

        engine.close();

        awaitPhase(ReplicaPhase.Starting);
    }

    @Test
    @DisplayName("It answers the warmup requests of the spec as every engine does")
    void itIsWarmedByTheRequestsOfTheSpec() throws Exception {
        engine.healthy();
        WarmupPlan plan = new WarmupPlan(null, new WarmupPlan.Request("/v1/completions", "{\"prompt\":\"a\"}", null),
                null);
        AgentConfig config = pod.with(new WarmupSettings(true, true, true, 1, 1, Duration.ofMinutes(5), plan))
                .configWithoutSnapshots();
        agent = Agent.start(config, null, device, Clock.systemUTC());

        awaitPhase(ReplicaPhase.Ready);

        assertThat(engine.requests()).containsExactly("POST /v1/completions {\"prompt\":\"a\"}");
    }

    @Test
    void withSnapshotsOnItServesAllTheSameAndNothingIsSaved() throws Exception {
        engine.healthy();
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());

        awaitPhase(ReplicaPhase.Ready);

        assertThat(pod.store().list().snapshots()).isEmpty();
    }

    @Test
    @DisplayName("An engine that has made a snapshot has a client, however long a busy node keeps it from connecting")
    void aSnapshotShowsThatThereIsAClient() throws Exception {
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());
        assertThat(PlainEngine.patience(agent.status().snapshot().state())).as("without a snapshot")
                .isEqualTo(Duration.ofSeconds(5));
        assertThat(Stream.of(SnapshotReport.State.Restored, SnapshotReport.State.Saved).map(PlainEngine::patience))
                .containsOnly(Duration.ofMinutes(1));
    }

    @Test
    void anEngineThatServesBeforeItsClientConnectsIsNoPlainOne() throws Exception {
        engine.healthy();
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            pod.loadFromSource(client);
            client.ready(Sidecars.ready());
            awaitPhase(ReplicaPhase.Ready);
        }
        assertThat(pod.store().list().snapshots()).hasSize(1);
    }
}

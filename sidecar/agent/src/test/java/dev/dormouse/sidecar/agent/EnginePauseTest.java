package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.device.RingDevice;
import dev.dormouse.sidecar.store.FillingVolume;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Memory that only an engine's promise keeps still is captured between its word that it holds still and that it goes on. */
class EnginePauseTest {
    @TempDir
    Path folder;

    private final RingDevice device = new RingDevice(6);
    private FakeEngine http;
    private Sidecars pod;
    @SuppressWarnings("NullAway.Init")
    private Agent agent;

    @BeforeEach
    void createFolders() throws IOException {
        http = new FakeEngine("127.0.0.1");
        pod = Sidecars.in(folder, http);
        Files.createDirectories(pod.volume());
    }

    @AfterEach
    void stop() throws IOException {
        agent.close();
        http.close();
        await().until(() -> device.usedBytes() == 0);
        device.close();
    }

    private void start() throws IOException {
        start(pod.store());
    }

    private void start(SnapshotStore store) throws IOException {
        agent = Agent.start(pod.config(), store, device, Clock.systemUTC());
    }

    @Test
    @DisplayName("S17: QUIESCE, the engine's word, the bytes, RESUME, the engine's word, Ready: in this order")
    void theOrder() throws Exception {
        CountDownLatch mayGoOn = new CountDownLatch(1);
        start();
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(Sidecars.ready(), answer -> {
                if (engine.asked.getLast().equals("Resume")) {
                    awaitOpen(mayGoOn);
                }
                return answer;
            });

            await().until(() -> engine.asked.contains("Resume"));
            assertThat(engine.asked).containsExactly("Quiesce", "Fetch", "Fetch", "FetchEnd", "Resume");
            assertThat(agent.status().phase()).as("it may still hold still").isEqualTo(ReplicaPhase.Warming);

            mayGoOn.countDown();
            assertThat(Sidecars.awaitReady(agent).snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        }
    }

    private static void awaitOpen(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    @DisplayName("S17: an engine that cannot hold still is not captured, is told to go on, and serves")
    void itCannot() throws Exception {
        start();
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(Sidecars.ready(), answer -> engine.asked.getLast().equals("Quiesce")
                    ? new EngineMessage.Failed("DeviceError", "the device hangs")
                    : answer);

            SnapshotReport report = Sidecars.awaitReady(agent).snapshot();

            assertThat(report.state()).isEqualTo(SnapshotReport.State.Failed);
            assertThat(report.reason()).isEqualTo("QuiesceFailed");
            assertThat(report.message()).isEqualTo("the engine cannot hold still: DeviceError: the device hangs");
            assertThat(engine.asked).containsExactly("Quiesce", "Resume");
        }
        assertThat(pod.store().list().snapshots()).isEmpty();
    }

    @Test
    @DisplayName("S17: an engine that does not answer costs its snapshot and a bounded time")
    void itDoesNotAnswer() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        pod = pod.with(new WarmupSettings(true, true, true, 1, 1, Duration.ofSeconds(2)));
        start();
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(Sidecars.ready(), answer -> {
                awaitOpen(end);
                return answer;
            });

            SidecarStatus ready = Sidecars.awaitReady(agent);

            assertThat(ready.snapshot().reason()).isEqualTo("QuiesceTimeout");
            end.countDown();
            await().until(() -> engine.asked.equals(List.of("Quiesce", "Resume")));
        } finally {
            end.countDown();
        }
    }

    @Test
    @DisplayName("S17: an engine without hooks has committed, and that is enough for weights")
    void itDoesNotKnowHow() throws Exception {
        start();
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(Sidecars.ready(), answer -> answer instanceof EngineMessage.Filled
                    ? answer
                    : new EngineMessage.Failed("UnexpectedMessage", "never heard of it"));

            assertThat(Sidecars.awaitReady(agent).snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
            assertThat(engine.asked).containsExactly("Quiesce", "Fetch", "Fetch", "FetchEnd");
        }
    }

    @Test
    @DisplayName("S58, S62: a save that fails ends the pause like any other")
    void theSaveFails() throws Exception {
        start(FillingVolume.open(pod.volume(), 100));
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(Sidecars.ready());

            assertThat(Sidecars.awaitReady(agent).snapshot().reason()).isEqualTo("VolumeFull");
            assertThat(engine.asked).startsWith("Quiesce").endsWith("Resume");
        }
    }

    @Test
    @DisplayName("S64: an engine that dies while it holds still leaves a sidecar that serves the next one")
    void itDies() throws Exception {
        start();
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(Sidecars.ready(), answer -> null);
            await().until(() -> !engine.asked.isEmpty());
            await().until(() -> agent.status().phase() == ReplicaPhase.Starting);
        }
        try (StagedEngine next = StagedEngine.connect(pod)) {
            assertThat(next.connection.welcome().mode()).isEqualTo(Mode.Create);
            next.commit();
            next.serve(Sidecars.ready());
            assertThat(Sidecars.awaitReady(agent).snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        }
    }
}

package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.RingDevice;
import dev.dormouse.sidecar.store.GatedVolume;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An engine need not take the memory it is welcomed to: it has served since before this sidecar came, or loads by itself. */
class TurnedDownTest {
    /** Of an engine that has nothing to tell: it has done all that long ago. */
    private static final EngineMessage.Ready AGAIN = new EngineMessage.Ready(List.of(), Sidecars.ready().probe(), 0);

    @TempDir
    Path folder;

    private final DeviceMemory staged = new RingDevice(6);
    private final DeviceMemory host = new HostDevice(1L << 30);
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
        await().until(() -> staged.usedBytes() + host.usedBytes() == 0);
        staged.close();
        host.close();
    }

    private void start(DeviceMemory device) throws IOException {
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());
    }

    private String savedByAStagedEngine() throws Exception {
        start(staged);
        String id;
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.commit();
            engine.serve(AGAIN);
            id = Objects.requireNonNull(Sidecars.awaitReady(agent).snapshot().id());
        }
        agent.close();
        return id;
    }

    @Test
    @DisplayName("S64: an engine that can use host memory only serves beside a sidecar of another mode, without a snapshot, and the status says what to set")
    void anEngineThatCannotUseTheMemoryServesWithoutSnapshots() throws Exception {
        savedByAStagedEngine();
        start(staged);
        try (EngineClient engine = pod.connect()) {
            assertThat(engine.welcome().mode()).isEqualTo(Mode.Bypass);
            assertThat(engine.welcome().reason()).isEqualTo("UnsupportedMemory");
            engine.ready(Sidecars.ready());

            SidecarStatus ready = Sidecars.awaitReady(agent);
            assertThat(ready.rung()).isEqualTo(Rung.Cold);
            assertThat(ready.snapshot().state()).isEqualTo(SnapshotReport.State.Skipped);
            assertThat(ready.snapshot().message()).contains("cannot use memory of mode Staged",
                    "set snapshot.memory to one of [Host, Owned]");
        }
    }

    @Test
    @DisplayName("S64: an engine that holds its memory itself is ready again beside a new sidecar, which restores nothing for it")
    void readyAgain() throws Exception {
        String id = savedByAStagedEngine();
        start(staged);
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            assertThat(engine.connection.welcome().mode()).isEqualTo(Mode.Attach);
            engine.serve(AGAIN);

            SidecarStatus ready = Sidecars.awaitReady(agent);

            assertThat(ready.rung()).isEqualTo(Rung.Resident);
            assertThat(ready.snapshot().state()).as("it is there for the next one")
                    .isEqualTo(SnapshotReport.State.Saved);
            assertThat(ready.snapshot().id()).isEqualTo(id);
            assertThat(ready.previousSnapshot()).isNull();
            assertThat(engine.asked).as("nothing is saved again").isEmpty();
            await().untilAsserted(() -> assertThat(staged.usedBytes()).isZero());
        }
        try (StagedEngine next = StagedEngine.connect(pod)) {
            assertThat(next.connection.welcome().mode()).as("the next one is restored").isEqualTo(Mode.Attach);
        }
    }

    @Test
    @DisplayName("S64: after ABORT an engine may serve from what it loads by itself, or say HELLO again")
    void abortAndReady() throws Exception {
        savedByAStagedEngine();
        start(staged);
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.abort();
            assertThatThrownBy(() -> engine.connection.request(new EngineMessage.Attach(), List.of()))
                    .hasMessageContaining("WrongState");
            engine.serve(Sidecars.ready());

            SidecarStatus ready = Sidecars.awaitReady(agent);
            assertThat(ready.rung()).isEqualTo(Rung.Cold);
            assertThat(ready.phases()).contains(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1_000));
        }
        try (StagedEngine engine = StagedEngine.connect(pod)) {
            engine.abort();
            EngineMessage.Hello hello = new EngineMessage.Hello(1, "staged", "1.0", Map.of(),
                    List.of(EngineMessage.Memory.Staged));
            assertThat(engine.connection.expect(EngineMessage.Welcome.class, hello, List.of()).mode())
                    .isEqualTo(Mode.Attach);
        }
    }

    @Test
    @DisplayName("S64: where nothing was saved yet, ABORT gives up the offer and READY serves without a snapshot")
    void abortOfAnOffer() throws Exception {
        start(host);
        try (EngineClient client = pod.connect()) {
            client.allocate(1_000_000, BufferType.Weights);
            client.abort("no room for a copy");
            assertThatThrownBy(() -> client.allocate(1, BufferType.Weights)).hasMessageContaining("WrongState");
            client.ready(Sidecars.ready());

            assertThat(Sidecars.awaitReady(agent).snapshot().state()).isEqualTo(SnapshotReport.State.Absent);
        }
        assertThat(pod.store().list().snapshots()).isEmpty();
    }

    @Test
    @DisplayName("S64: where the sidecar has memory of its own, it goes on restoring for the next engine, and this one does not wait")
    void hostMemoryStays() throws Exception {
        start(host);
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            client.ready(Sidecars.ready());
            Sidecars.awaitReady(agent);
        }
        agent.close();
        CountDownLatch reading = new CountDownLatch(1);
        agent = Agent.start(pod.config(), GatedVolume.readingAfter(reading, pod.volume()), host, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            client.ready(AGAIN);
            SidecarStatus ready = Sidecars.awaitReady(agent);
            assertThat(ready.snapshot().state()).isEqualTo(SnapshotReport.State.Restoring);
            assertThat(ready.rung()).isEqualTo(Rung.Resident);
        }
        reading.countDown();
        try (EngineClient next = pod.connect()) {
            Attachment attached = next.attach();
            next.await(null);
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(Sidecars.weights(), 1_000_000));
        }
    }
}

package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The sidecar as a process: what its environment, its signals and its death do. */
class AgentMainTest {
    private static final int LARGE = 48_000_000;

    @TempDir
    Path folder;

    private FakeEngine engine;
    private Sidecars pod;

    @BeforeEach
    void createFolders() throws IOException {
        engine = new FakeEngine("127.0.0.1");
        pod = Sidecars.in(folder, engine);
        Files.createDirectories(pod.volume());
    }

    @AfterEach
    void stopEngine() {
        engine.close();
    }

    @Test
    void memoryCrossesProcessesAndOutlivesBothOfThem() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            pod.loadFromSource(client);
            client.ready(Sidecars.ready());
            SidecarStatus ready = awaitPhase(sidecar, ReplicaPhase.Ready);
            assertThat(ready.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        }
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = client.attach();
            client.await(null);
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(Sidecars.weights(), 1_000_000));
            client.ready(Sidecars.ready());
            awaitPhase(sidecar, ReplicaPhase.Ready);
        }
    }

    @Test
    @DisplayName("Native libraries come from java.library.path: a sidecar saves and restores with zstd, a hook and a canary, and no temp folder")
    void noTempFolderIsNeeded() throws Exception {
        Map<String, String> environment = Map.of("JAVA_TOOL_OPTIONS", "-Djava.io.tmpdir=" + folder.resolve("nowhere"),
                "DORMOUSE_SNAPSHOT_COMPRESSION", "zstd", "DORMOUSE_WARMUP_PLAN",
                "{\"customInit\":{\"exec\":[\"sh\",\"-c\",\"echo well\"]},"
                        + "\"canary\":{\"path\":\"/v1/x\",\"body\":\"{}\",\"tolerance\":0.001}}");
        for (Mode mode : List.of(Mode.Create, Mode.Attach)) {
            try (AgentProcess sidecar = AgentProcess.start(pod, environment); EngineClient client = pod.connect()) {
                assertThat(client.welcome().mode()).as(sidecar.output()).isEqualTo(mode);
                if (mode == Mode.Create) {
                    pod.loadFromSource(client);
                } else {
                    client.attach();
                    client.await(null);
                }
                client.ready(Sidecars.ready());
                SidecarStatus ready = awaitPhase(sidecar, ReplicaPhase.Ready);
                assertThat(ready.snapshot().state()).as(sidecar.output())
                        .isEqualTo(mode == Mode.Create ? SnapshotReport.State.Saved : SnapshotReport.State.Restored);
            }
        }
        assertThat(folder.resolve("nowhere")).doesNotExist();
    }

    @Test
    @DisplayName("A sidecar that is killed or terminated while it restores comes back and restores the same bytes")
    void aSidecarMayEndWhileItRestores() throws Exception {
        byte[] weights = saveALargeModel();
        int killedMidway = 0;
        for (int round = 0; round < 20 && killedMidway < 2; round++) {
            try (AgentProcess sidecar = AgentProcess.start(pod, Map.of())) {
                await().atMost(Duration.ofSeconds(60))
                        .pollInterval(Duration.ofMillis(4))
                        .until(() -> sidecar.output().contains("restoring snapshot"));
                sidecar.kill();
                killedMidway += sidecar.output().contains("restored snapshot") ? 0 : 1;
            }
        }
        assertThat(killedMidway).isEqualTo(2);
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            client.attach();
            sidecar.kill();
            assertThatThrownBy(() -> client.await(null)).isInstanceOf(IOException.class);
        }
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            sidecar.terminate();

            assertThat(sidecar.exitCode()).isZero();
        }
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = client.attach();
            client.await(null);
            assertThat(attached.buffer("large").mismatch(MemorySegment.ofArray(weights))).isEqualTo(-1);
            client.ready(Sidecars.ready());
            assertThat(awaitPhase(sidecar, ReplicaPhase.Ready).previousSnapshot()).isNull();
        }
    }

    @Test
    void memoryThatAnEngineHasMappedOutlivesTheSidecar() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            SharedMemory memory = client.allocate(1_000_000, BufferType.Weights);
            memory.segment().fill((byte) 3);
            client.put(List.of(buffer("a", memory, 1_000_000)));
            client.commit();

            sidecar.kill();

            assertThat(Sidecars.bytes(memory.segment().asSlice(0, 1_000_000))).containsOnly((byte) 3);
        }
    }

    @Test
    void aTerminatedSidecarStopsCleanly() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of())) {
            try (EngineClient client = pod.connect()) {
                client.allocate(100, BufferType.Weights);

                sidecar.terminate();

                assertThat(sidecar.exitCode()).isZero();
                assertThatThrownBy(() -> client.allocate(100, BufferType.Weights)).isInstanceOf(IOException.class);
            }
            assertThat(pod.socket()).doesNotExist();
        }
    }

    @Test
    @DisplayName("H20: a bad value ends the process with status 2 and one line")
    void aBadValueEndsTheProcess() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of("DORMOUSE_WARMUP_ITERATIONS", "0"))) {
            assertThat(sidecar.exitCode()).isEqualTo(2);
            assertThat(sidecar.output()).isEqualTo("dormouse sidecar: DORMOUSE_WARMUP_ITERATIONS=\"0\" is not valid: "
                    + "it must be a whole number from 1 to 10000\n");
        }
    }

    @Test
    @DisplayName("S26: a key that is none ends the process, and the kubelet learns which one it is")
    void aKeyThatIsNoneEndsTheProcess() throws Exception {
        Path log = Files.createFile(folder.resolve("termination-log"));
        Path keys = Files.createDirectory(folder.resolve("keys"));
        Files.writeString(keys.resolve("2026-11"), "short");
        try (AgentProcess sidecar = AgentProcess.start(pod,
                Map.of("DORMOUSE_WRAPPING_KEYS", keys.toString(), "DORMOUSE_TERMINATION_LOG", log.toString()))) {
            assertThat(sidecar.exitCode()).isEqualTo(2);
            assertThat(log).content().contains("wrapping key '2026-11' has 5 bytes, not 32").doesNotContain("short");
        }
    }

    @Test
    void aPortThatIsTakenEndsTheProcessWithItsName() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod,
                Map.of("DORMOUSE_HTTP_PORT", Integer.toString(engine.port())))) {
            assertThat(sidecar.exitCode()).isEqualTo(1);
            assertThat(sidecar.output()).contains("Cannot listen on 127.0.0.1:" + engine.port());
        }
    }

    private byte[] saveALargeModel() throws Exception {
        byte[] weights = new byte[LARGE];
        new Random(7).nextBytes(weights);
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            SharedMemory memory = client.allocate(LARGE, BufferType.Weights);
            MemorySegment.copy(MemorySegment.ofArray(weights), 0, memory.segment(), 0, LARGE);
            client.put(List.of(buffer("large", memory, LARGE)));
            client.commit();
            client.ready(Sidecars.ready());
            assertThat(awaitPhase(sidecar, ReplicaPhase.Ready).snapshot().state())
                    .isEqualTo(SnapshotReport.State.Saved);
        }
        return weights;
    }

    private static BufferMeta buffer(String name, SharedMemory memory, long length) {
        return new BufferMeta(name, memory.id(), 0, length, BufferType.Weights, "u8", List.of(length), false);
    }

    @Test
    @DisplayName("W60: a start that neither signs nor encrypts loads nothing of the JDK's cryptography before its restore has ended")
    void noCryptographyOnTheWayToARestore() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of()); EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            client.ready(Sidecars.ready());
            awaitPhase(sidecar, ReplicaPhase.Ready);
        }
        Path classes = folder.resolve("classes.txt");
        try (AgentProcess sidecar = AgentProcess.start(pod,
                Map.of("JAVA_TOOL_OPTIONS", "-Xlog:class+load:file=" + classes))) {
            await().ignoreExceptions()
                    .atMost(Duration.ofSeconds(30))
                    .until(() -> sidecar.status().snapshot().state() == SnapshotReport.State.Restored);
            assertThat(Files.readString(classes)).contains("dev.dormouse.sidecar.pipeline.RestoreTask")
                    .doesNotContain("javax.crypto.")
                    .doesNotContain("sun.security.jca.Providers ")
                    .doesNotContain("java.security.SecureRandom ");
        }
    }

    private static SidecarStatus awaitPhase(AgentProcess sidecar, ReplicaPhase phase) {
        return await().atMost(Duration.ofSeconds(60))
                .ignoreException(IOException.class)
                .until(sidecar::status,
                        status -> status.phase() == phase);
    }
}

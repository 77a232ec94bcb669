package dev.dormouse.sidecar.agent;

import static dev.dormouse.sidecar.agent.FakeEngine.HELLO;
import static dev.dormouse.sidecar.agent.FakeEngine.OTHER_DTYPE;
import static dev.dormouse.sidecar.agent.FakeEngine.READY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.api.SnapshotReport.State;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.store.DiskFiles;
import dev.dormouse.sidecar.store.SnapshotFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

@DisplayName("A sidecar")
class AgentTest {
    @TempDir
    private Path folder;

    private FakeEngine engine;
    private AgentConfig config;

    @BeforeEach
    void startEngine() throws IOException {
        engine = new FakeEngine();
        config = TestSidecar.config(folder, engine, TestSidecar.WARMUP);
    }

    @AfterEach
    void stopEngine() {
        engine.close();
    }

    @Test
    @DisplayName("saves a snapshot before it is Ready, and restores its very bytes in the next pod (S26, S31, S17, H24)")
    void restoresTheBytesItSaved() throws IOException {
        SidecarStatus cold = wakeCold(new DiskFiles());
        assertThat(cold.rung()).isEqualTo(Rung.Cold);
        assertThat(cold.snapshot().state()).isEqualTo(State.Saved);
        assertThat(cold.snapshot().storedBytes()).isPositive();

        try (TestSidecar sidecar = TestSidecar.start(config); EngineClient client = FakeEngine.connect(config, HELLO)) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            assertRestored(client);
            client.ready(READY);

            SidecarStatus warm = sidecar.await(ReplicaPhase.Ready);
            assertThat(warm.rung()).isEqualTo(Rung.Volume);
            assertThat(warm.snapshot().state()).isEqualTo(State.Restored);
            assertThat(warm.snapshot().id()).isEqualTo(cold.snapshot().id());
            assertThat(warm.restoredBytes()).isEqualTo(warm.snapshot().rawBytes())
                    .isEqualTo(cold.snapshot().rawBytes());
            assertThat(warm.previousSnapshot()).isNull();
            assertThat(warm.phases().getFirst().name()).isEqualTo(PhaseTiming.WEIGHT_LOAD);
            assertThat(warm.phases().getFirst().micros()).as("the restore's own time").isPositive().isNotEqualTo(10);
        }
        assertThat(TestSidecar.snapshots(config)).as("what was restored is not saved again").hasSize(1);
    }

    @Test
    @DisplayName("is not Ready while its snapshot is being written, and after its warmup requests were answered (H32)")
    void isNotReadyWhileItSaves() throws IOException {
        CountDownLatch writing = new CountDownLatch(1);
        FaultyFiles slow = new FaultyFiles() {
            @Override
            public Output create(Path file) throws IOException {
                pass(writing);
                return super.create(file);
            }
        };
        try (TestSidecar sidecar = TestSidecar.start(config, slow);
                EngineClient client = FakeEngine.connect(config, HELLO)) {
            FakeEngine.load(client, folder);
            client.ready(READY);

            SidecarStatus saving = sidecar.await(status -> status.snapshot().state() == State.Saving);
            assertThat(saving.phase()).isEqualTo(ReplicaPhase.Warming);
            assertThat(saving.readyAtEpochMicros()).isZero();
            assertThat(engine.requests()).hasSize(2);

            writing.countDown();
            assertThat(sidecar.await(ReplicaPhase.Ready).snapshot().state()).isEqualTo(State.Saved);
        }
    }

    @Test
    @DisplayName("hands memory over while it still reads: attach answers at once, await blocks for one buffer")
    void handsMemoryOverWhileItReads() throws IOException {
        wakeCold(new DiskFiles());
        CountDownLatch reading = new CountDownLatch(1);

        try (TestSidecar sidecar = TestSidecar.start(config, readingAfter(reading));
                EngineClient client = FakeEngine.connect(config, HELLO)) {
            Attachment attachment = client.attach();
            assertThat(sidecar.status().phase()).isEqualTo(ReplicaPhase.Restoring);
            assertThat(sidecar.status().restoredBytes()).isZero();

            reading.countDown();
            client.await("bias");
            assertThat(FakeEngine.bytes(attachment, "bias")).isEqualTo(FakeEngine.BIAS);
            assertThatThrownBy(() -> client.await("no such buffer"))
                    .isInstanceOfSatisfying(SnapshotRefusedException.class,
                            e -> assertThat(e.code()).isEqualTo("UnknownName"));
        }
    }

    @Test
    @DisplayName("refuses a damaged snapshot for ever, tells the engine, and saves a sound one in its place (S32)")
    void refusesADamagedSnapshot() throws IOException {
        SidecarStatus cold = wakeCold(new DiskFiles());
        flipAByteOfThePack();
        CountDownLatch reading = new CountDownLatch(1);

        try (TestSidecar sidecar = TestSidecar.start(config, readingAfter(reading))) {
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
                client.attach();
                reading.countDown();

                assertThatThrownBy(() -> client.await(null)).isInstanceOfSatisfying(SnapshotRefusedException.class,
                        e -> assertThat(e.code()).isEqualTo("ChecksumMismatch"));
            }
            sidecar.awaitNoMemoryInUse();
            assertThat(quarantined()).containsExactly(cold.snapshot().id());

            try (EngineClient again = FakeEngine.connect(config, HELLO)) {
                assertThat(again.welcome().mode()).isEqualTo(Mode.Create);
                FakeEngine.load(again, folder);
                again.ready(READY);

                SidecarStatus ready = sidecar.await(ReplicaPhase.Ready);
                assertThat(ready.rung()).isEqualTo(Rung.Cold);
                assertThat(ready.snapshot().state()).isEqualTo(State.Saved);
                SnapshotReport refused = java.util.Objects.requireNonNull(ready.previousSnapshot());
                assertThat(refused.id()).isEqualTo(cold.snapshot().id());
                assertThat(refused.state()).isEqualTo(State.Quarantined);
                assertThat(refused.reason()).isEqualTo("ChecksumMismatch");
                assertThat(refused.message()).contains(".pack: chunk");
            }
        }
        try (TestSidecar next = TestSidecar.start(config); EngineClient client = FakeEngine.connect(config, HELLO)) {
            assertRestored(client);
            assertThat(next.status().snapshot().id()).isNotEqualTo(cold.snapshot().id());
        }
    }

    @Test
    @DisplayName("reads over damage when told not to verify (S33)")
    void readsOverDamageWhenToldTo() throws IOException {
        wakeCold(new DiskFiles());
        flipAByteOfThePack();
        AgentConfig trusting = new AgentConfig(config.socket(), config.podIp(), config.podUid(), config.model(),
                config.activation(), config.httpPort(), config.enginePort(), config.volume(), config.snapshotKey(),
                config.zstdLevel(), false, config.warmup());

        try (TestSidecar sidecar = TestSidecar.start(trusting);
                EngineClient client = FakeEngine.connect(trusting, HELLO)) {
            client.attach();
            client.await(null);

            sidecar.await(status -> status.snapshot().state() == State.Restored);
        }
    }

    @Test
    @DisplayName("does not give an engine a snapshot that another kind of engine took, and keeps it for its own kind")
    void refusesAnIncompatibleSnapshotWithoutQuarantine() throws IOException {
        SidecarStatus cold = wakeCold(new DiskFiles());

        try (TestSidecar sidecar = TestSidecar.start(config);
                EngineClient other = FakeEngine.connect(config, OTHER_DTYPE)) {
            assertThat(other.welcome().mode()).isEqualTo(Mode.Create);
            SnapshotReport refused = java.util.Objects.requireNonNull(sidecar.status().previousSnapshot());
            assertThat(refused.id()).isEqualTo(cold.snapshot().id());
            assertThat(refused.state()).isEqualTo(State.Failed);
            assertThat(refused.reason()).isEqualTo("Incompatible");
            assertThat(refused.message()).contains("dtype=f32").contains("dtype=bf16");
            sidecar.awaitNoMemoryInUse();
        }
        assertThat(quarantined()).isEmpty();
        try (TestSidecar sidecar = TestSidecar.start(config);
                EngineClient client = FakeEngine.connect(config, HELLO)) {
            assertRestored(client);
            assertThat(sidecar.status().previousSnapshot()).isNull();
        }
    }

    @ParameterizedTest
    @MethodSource("fullVolumes")
    @DisplayName("becomes Ready on a full volume too, says so, and leaves the older snapshot as it was")
    void becomesReadyOnAFullVolume(SnapshotFiles full) throws IOException {
        wakeCold(new DiskFiles());
        List<Path> before = volume();

        try (TestSidecar sidecar = TestSidecar.start(config, full);
                EngineClient client = FakeEngine.connect(config, OTHER_DTYPE)) {
            FakeEngine.load(client, folder);
            client.ready(READY);

            SidecarStatus ready = sidecar.await(ReplicaPhase.Ready);
            assertThat(ready.snapshot().state()).isEqualTo(State.Failed);
            assertThat(ready.snapshot().reason()).isEqualTo("VolumeFull");
            assertThat(ready.snapshot().message()).contains("enlarge the claim or delete old snapshots");
        }
        assertThat(volume()).isEqualTo(before);
        try (TestSidecar sidecar = TestSidecar.start(config);
                EngineClient client = FakeEngine.connect(config, HELLO)) {
            assertRestored(client);
            sidecar.await(status -> status.snapshot().state() == State.Restored);
        }
    }

    static Stream<Named<SnapshotFiles>> fullVolumes() {
        return Stream.of(Named.of("no room is left", FaultyFiles.withoutRoom()),
                Named.of("it runs full half-way", FaultyFiles.runningFull()));
    }

    @Test
    @DisplayName("lets a restarted engine attach to the memory it has, saves it if the first engine could not, and once")
    void letsARestartedEngineAttach() throws IOException {
        try (TestSidecar sidecar = TestSidecar.start(config)) {
            try (EngineClient first = FakeEngine.connect(config, HELLO)) {
                FakeEngine.load(first, folder);
            }
            assertThat(TestSidecar.snapshots(config)).isEmpty();

            SidecarStatus ready = reattach(sidecar);
            assertThat(ready.rung()).isEqualTo(Rung.Resident);
            assertThat(ready.snapshot().state()).isEqualTo(State.Saved);
            SidecarStatus readyAgain = reattach(sidecar);
            assertThat(readyAgain.rung()).isEqualTo(Rung.Resident);
            assertThat(TestSidecar.snapshots(config)).extracting(Manifest::id).containsExactly(ready.snapshot().id());
        }
    }

    @Test
    @DisplayName("says when it began and when it was Ready, and which model, pod and wake it belongs to")
    void saysWhoseItIs() throws IOException {
        SidecarStatus ready = wakeCold(new DiskFiles());

        assertThat(ready.model()).isEqualTo("shop/minilm");
        assertThat(ready.podUid()).isEqualTo("uid-1");
        assertThat(ready.activation()).isEqualTo("wake-1");
        assertThat(ready.instance()).isNotEmpty();
        assertThat(ready.readyAtEpochMicros()).isGreaterThan(ready.startedAtEpochMicros());
    }

    @Test
    @DisplayName("releases its memory and its socket when it stops, with an engine attached")
    void releasesEverythingWhenItStops() throws IOException {
        TestSidecar sidecar = TestSidecar.start(config);
        try (EngineClient client = FakeEngine.connect(config, HELLO)) {
            FakeEngine.load(client, folder);

            sidecar.close();

            assertThat(sidecar.device().usedBytes()).isZero();
            assertThat(config.socket()).doesNotExist();
            client.awaitEnd();
        }
    }

    private SidecarStatus wakeCold(SnapshotFiles files) throws IOException {
        try (TestSidecar sidecar = TestSidecar.start(config, files);
                EngineClient client = FakeEngine.connect(config, HELLO)) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            FakeEngine.load(client, folder);
            client.ready(READY);
            return sidecar.await(ReplicaPhase.Ready);
        }
    }

    private SidecarStatus reattach(TestSidecar sidecar) throws IOException {
        try (EngineClient again = FakeEngine.connect(config, HELLO)) {
            assertThat(again.welcome().mode()).isEqualTo(Mode.Attach);
            again.ready(READY);
            return sidecar.await(ReplicaPhase.Ready);
        }
    }

    private static void assertRestored(EngineClient client) throws IOException {
        Attachment attachment = client.attach();
        client.await(null);
        assertThat(FakeEngine.bytes(attachment, "matrix")).isEqualTo(FakeEngine.MATRIX);
        assertThat(FakeEngine.bytes(attachment, "bias")).isEqualTo(FakeEngine.BIAS);
        assertThat(attachment.buffers()).extracting(BufferMeta::name).containsExactly("matrix", "bias");
        assertThat(FakeEngine.file(attachment, "graph.onnx")).isEqualTo(FakeEngine.GRAPH);
    }

    /** Packs are readable from the moment the test says so. */
    private static FaultyFiles readingAfter(CountDownLatch reading) {
        return new FaultyFiles() {
            @Override
            public FileChannel open(Path file) throws IOException {
                pass(reading);
                return super.open(file);
            }
        };
    }

    private static void pass(CountDownLatch gate) throws IOException {
        try {
            gate.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted at the gate", e);
        }
    }

    private void flipAByteOfThePack() throws IOException {
        Path pack = volume().stream().filter(file -> file.toString().endsWith(".pack")).findFirst().orElseThrow();
        try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            long middle = channel.size() / 2;
            channel.read(one, middle);
            one.put(0, (byte) (one.get(0) ^ 1));
            channel.write(one.flip(), middle);
        }
    }

    private List<String> quarantined() throws IOException {
        return volume().stream()
                .filter(file -> file.endsWith("quarantined.json"))
                .map(file -> file.getName(file.getNameCount() - 2).toString())
                .toList();
    }

    private List<Path> volume() throws IOException {
        try (Stream<Path> all = Files.walk(config.volume().orElseThrow())) {
            return all.sorted().toList();
        }
    }
}

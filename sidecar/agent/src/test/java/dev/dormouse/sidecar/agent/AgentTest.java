package dev.dormouse.sidecar.agent;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.list;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.agent.AgentConfig.LadderSettings;
import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PhaseTiming.State;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.store.FillingVolume;
import dev.dormouse.sidecar.store.GatedVolume;
import dev.dormouse.sidecar.transport.MessageChannel;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.MemorySegment;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A whole agent and an engine that talks to it through the real socket, in one JVM. */
class AgentTest {
    @TempDir
    Path folder;

    private final DeviceMemory device = device();
    private FakeEngine engine;
    private Sidecars pod;
    /** Started by each test in its own way. */
    @SuppressWarnings("NullAway.Init")
    private Agent agent;

    /** Whose memory all of this is about. */
    DeviceMemory device() {
        return new HostDevice(1L << 30);
    }

    @BeforeEach
    void createFolders() throws IOException {
        engine = new FakeEngine("127.0.0.1");
        pod = Sidecars.in(folder, engine);
        Files.createDirectories(pod.volume());
    }

    @AfterEach
    void stop() throws IOException {
        if (agent != null) {
            agent.close();
        }
        engine.close();
        // A restore that was given up releases its memory when the last of its readers has noticed.
        await().until(() -> device.usedBytes() == 0);
        device.close();
    }

    @Test
    @DisplayName("H32, H34, S17: what one engine commits is saved before Ready, and the next replica gets it back byte for byte")
    void aColdStartIsSavedAndRestored() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());
            SidecarStatus cold = awaitPhase(ReplicaPhase.Ready);
            assertThat(cold.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
            assertThat(cold.rung()).isEqualTo(Rung.Cold);
            assertThat(cold.snapshot().rawBytes()).isGreaterThanOrEqualTo(Sidecars.WEIGHTS + 11);
        }
        restart();

        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = client.attach();
            client.await("embeddings");
            client.await("tokenizer/vocab.txt");
            client.await(null);

            byte[] weights = Sidecars.weights();
            assertThat(attached.buffers().keySet()).containsExactly("embeddings", "dense");
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(weights, 1_000_000));
            assertThat(Sidecars.bytes(attached.buffer("dense")))
                    .isEqualTo(Arrays.copyOfRange(weights, 1_000_000, Sidecars.WEIGHTS));
            assertThat(attached.buffers()).extractingByKey("dense")
                    .extracting(BufferMeta::shape, list(Long.class))
                    .containsExactly(500L, 1_000L);
            assertThat(new String(Sidecars.bytes(attached.file("tokenizer/vocab.txt")), UTF_8))
                    .isEqualTo("hello world");
            assertThatThrownBy(() -> attached.buffer("dense").set(JAVA_BYTE, 0, (byte) 1))
                    .isInstanceOf(IllegalArgumentException.class);

            Sidecars.serve(client, Sidecars.ready());
            SidecarStatus warm = awaitPhase(ReplicaPhase.Ready);
            assertThat(warm.rung()).isEqualTo(Rung.Volume);
            assertThat(warm.snapshot().state()).isEqualTo(SnapshotReport.State.Restored);
            assertThat(warm.restoredBytes()).isGreaterThanOrEqualTo(Sidecars.WEIGHTS);
            assertThat(phase(warm, PhaseTiming.WEIGHT_LOAD).micros()).isEqualTo(warm.snapshot().micros());
        }
        assertThat(pod.store().list().snapshots()).as("what was restored is not saved again").hasSize(1);
    }

    @Test
    @DisplayName("H32: the replica is not Ready while its snapshot is being written, though its warmup is over")
    void aReplicaIsNotReadyWhileItSaves() throws Exception {
        CountDownLatch writing = new CountDownLatch(1);
        agent = Agent.start(pod.config(), GatedVolume.writingAfter(writing, pod.volume()), device, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());

            SidecarStatus saving = await().until(agent::status,
                    status -> status.snapshot().state() == SnapshotReport.State.Saving);
            assertThat(saving.phase()).isEqualTo(ReplicaPhase.Warming);
            assertThat(saving.readyAtEpochMicros()).isZero();
            assertThat(engine.requests()).hasSize(1);

            writing.countDown();
            assertThat(awaitPhase(ReplicaPhase.Ready).snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        }
    }

    @Test
    void memoryIsHandedOverWhileItIsStillBeingRead() throws Exception {
        coldStartOnce();
        agent.close();
        CountDownLatch reading = new CountDownLatch(1);
        agent = Agent.start(pod.config(), GatedVolume.readingAfter(reading, pod.volume()), device, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            Attachment attached = client.attach();
            assertThat(agent.status().phase()).isEqualTo(ReplicaPhase.Restoring);
            assertThat(agent.status().restoredBytes()).isZero();

            reading.countDown();
            client.await("embeddings");
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(Sidecars.weights(), 1_000_000));
        }
    }

    @Test
    @DisplayName("Design §5: a restore that overruns its deadline gives way to the source, while the warmup's own goes on; the snapshot stays")
    void aRestoreThatOverrunsItsDeadlineGivesWay() throws Exception {
        String slow = coldStartOnce();
        agent.close();
        CountDownLatch reading = new CountDownLatch(1);
        pod = pod.with(ladder(new LadderSettings(Duration.ofSeconds(1), null)));
        agent = Agent.start(pod.config(), GatedVolume.readingAfter(reading, pod.volume()), device, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            if (client.welcome().mode() == Mode.Attach) {
                assertThatThrownBy(() -> {
                    client.attach();
                    client.await(null);
                }).isInstanceOf(SnapshotRefusedException.class);
            }
        }
        SidecarStatus fallen = await().until(agent::status, status -> status.previousSnapshot() != null);
        assertThat(previous(fallen).state()).isEqualTo(SnapshotReport.State.Failed);
        assertThat(previous(fallen).reason()).isEqualTo("RestoreDeadlineExceeded");
        assertThat(fallen.rung()).isEqualTo(Rung.Cold);

        reading.countDown();
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(client.welcome().reason()).isEqualTo("RestoreDeadlineExceeded");
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());
            assertThat(awaitPhase(ReplicaPhase.Ready).rung()).isEqualTo(Rung.Cold);
        }
        assertThat(pod.store().list().snapshots()).as("slow is not damaged").extracting(s -> s.id()).contains(slow);
    }

    @Test
    @DisplayName("Design §5: a replica that is told to come up from its source restores nothing and says why")
    void aReplicaMayBeToldToComeUpFromItsSource() throws Exception {
        coldStartOnce();
        agent.close();
        pod = pod.with(ladder(new LadderSettings(null, "the last one hung")));
        start();

        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(client.welcome().reason()).isEqualTo("FromSource");
            assertThat(previous(agent.status()).message()).isEqualTo("the last one hung");
        }
    }

    private static WarmupSettings ladder(LadderSettings ladder) {
        return new WarmupSettings(true, true, true, 1, 1, Duration.ofMinutes(5), WarmupPlan.NONE, ladder);
    }

    @Test
    void stoppingReleasesMemoryAndSocketWhileAnEngineIsAttached() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);

            agent.close();

            await().untilAsserted(() -> assertThat(device.usedBytes()).isZero());
            assertThat(pod.socket()).doesNotExist();
            client.awaitGone();
        }
    }

    @Test
    @DisplayName("H6, H14, H15, H22, H23, H28, H30, H36, H38–H40, H67: the warmup is timed by phase, the engine's own pools and kernels too, and sends real requests")
    void theWarmupIsTimedAndSendsRealRequests() throws Exception {
        pod = pod.with(new WarmupSettings(true, true, true, 3, 4, Duration.ofMinutes(5)));
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());

            SidecarStatus status = awaitPhase(ReplicaPhase.Ready);

            assertThat(engine.requests()).hasSize(4)
                    .containsOnly("POST /v1/embeddings {\"input\":[\"hi\",\"hi\",\"hi\"]}");
            assertThat(status.phases()).extracting(PhaseTiming::name).isEqualTo(PhaseTiming.NAMES);
            assertThat(status.phases()).startsWith(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1_000),
                    PhaseTiming.done(PhaseTiming.POOL_ALLOC, 200), PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, 300),
                    PhaseTiming.skipped(PhaseTiming.CUSTOM_INIT));
            assertThat(phase(status, PhaseTiming.WARMUP_INFERENCE).micros())
                    .isGreaterThanOrEqualTo(status.firstInferenceMicros());
            assertThat(status.firstInferenceMicros()).isPositive();
            assertThat(status.warmupIterations()).isEqualTo(4);
            assertThat(status.memoryBytes()).isGreaterThanOrEqualTo(Sidecars.WEIGHTS + 4096 + 5_000);
            assertThat(status.readyAtEpochMicros()).isGreaterThan(status.startedAtEpochMicros());
            assertThat(status.percent()).isEqualTo(100);
        }
    }

    @Test
    @DisplayName("H24–H26, H29: phases that are switched off are Skipped")
    void phasesThatAreSwitchedOffAreSkipped() throws Exception {
        pod = pod.with(new WarmupSettings(false, false, false, 1, 1, Duration.ofMinutes(5)));
        start();
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Bypass);
            assertThat(client.welcome().reason()).isEqualTo("PreloadWeightsOff");
            Sidecars.serve(client, Sidecars.ready());

            assertThat(awaitPhase(ReplicaPhase.Ready).phases().subList(0, 4)).extracting(PhaseTiming::state)
                    .containsOnly(State.Skipped);
        }
    }

    @Test
    @DisplayName("H29: without a request to send the inference is Skipped, and nothing is asked of the engine")
    void anEngineWithoutAProbeIsNotAsked() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, new EngineMessage.Ready(List.of(), null, 0));

            SidecarStatus ready = awaitPhase(ReplicaPhase.Ready);

            assertThat(ready.phases()).extracting(PhaseTiming::name).isEqualTo(PhaseTiming.NAMES);
            assertThat(ready.phases()).extracting(PhaseTiming::state).containsOnly(State.Skipped);
            assertThat(ready.warmupIterations()).isZero();
            assertThat(engine.requests()).isEmpty();
        }
    }

    @Test
    void withoutAVolumeTheEngineKeepsItsOwnMemory() throws Exception {
        agent = Agent.start(pod.configWithoutSnapshots(), null, device, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Bypass);
            assertThatThrownBy(() -> client.allocate(10, BufferType.Weights)).hasMessageContaining("WrongState");
            Sidecars.serve(client, Sidecars.ready());

            SidecarStatus status = awaitPhase(ReplicaPhase.Ready);
            assertThat(status.snapshot().state()).isEqualTo(SnapshotReport.State.Skipped);
            assertThat(phase(status, PhaseTiming.WEIGHT_LOAD).micros()).isEqualTo(1_000);
        }
    }

    @Test
    void aWriterThatDisappearsBeforeItCommitsHasAborted() throws Exception {
        start();
        EngineClient writer = pod.connect();
        SharedMemory memory = writer.allocate(1_000_000, BufferType.Weights);
        memory.segment().fill((byte) 7);
        assertThat(device.usedBytes()).isGreaterThanOrEqualTo(1_000_000);

        writer.close();

        await().untilAsserted(() -> assertThat(device.usedBytes()).isZero());
        try (EngineClient next = pod.connect()) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Create);
            SharedMemory fresh = next.allocate(1_000_000, BufferType.Weights);
            assertThat(fresh.segment().mismatch(MemorySegment.ofArray(new byte[(int) fresh.bytes()]))).isEqualTo(-1);
        }
    }

    @Test
    void anAbortReleasesTheMemoryAndTheEngineMayBeginAgain() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            client.allocate(1_000_000, BufferType.Weights);
            client.abort("changed my mind");

            assertThat(device.usedBytes()).isZero();
            assertThatThrownBy(() -> client.allocate(1, BufferType.Weights)).hasMessageContaining("WrongState");
        }
    }

    @Test
    @DisplayName("H65: an engine that restarts alone attaches to the memory it left, and its warmup starts clean")
    void anEngineThatRestartsAloneFindsItsMemory() throws Exception {
        start();
        String savedAs;
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());
            savedAs = awaitPhase(ReplicaPhase.Ready).snapshot().id();
        }
        SidecarStatus gone = awaitPhase(ReplicaPhase.Starting);
        assertThat(gone.reason()).isEqualTo("EngineGone");
        assertThat(get("/readyz")).isEqualTo(503);

        try (EngineClient again = pod.connect()) {
            assertThat(again.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = again.attach();
            again.await(null);
            assertThat(attached.buffers().keySet()).containsExactly("embeddings", "dense", "kv");
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(Sidecars.weights(), 1_000_000));
            assertThat(agent.status().phases()).hasSize(1);
            Sidecars.serve(again, Sidecars.ready());

            SidecarStatus resident = awaitPhase(ReplicaPhase.Ready);
            assertThat(resident.rung()).isEqualTo(Rung.Resident);
            assertThat(resident.phases()).hasSize(5);
            assertThat(resident.warmupIterations()).isEqualTo(1);
            assertThat(resident.snapshot().id()).isEqualTo(savedAs);
        }
    }

    @Test
    void theGenerationTellsTheSameMemoryFromAnother() throws Exception {
        start();
        String first;
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
        }
        try (EngineClient client = pod.connect()) {
            first = client.welcome().generation();
        }
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().generation()).isEqualTo(first);
        }
        try (EngineClient client = pod.connect(Sidecars.hello("bf16"))) {
            pod.loadFromSource(client);
        }
        try (EngineClient client = pod.connect(Sidecars.hello("bf16"))) {
            assertThat(client.welcome().generation()).isNotEqualTo(first);
        }
    }

    @Test
    void aDamagedSnapshotIsQuarantinedAndTheModelLoadsFromItsSource() throws Exception {
        String damaged = coldStartOnce();
        flipAByteOfAPack();
        restart();

        SidecarStatus refused;
        try (EngineClient client = pod.connect()) {
            if (client.welcome().mode() == Mode.Attach) {
                // The restore may find the damage before the engine attaches; either call says so.
                assertThatThrownBy(() -> {
                    client.attach();
                    client.await(null);
                }).isInstanceOf(SnapshotRefusedException.class).hasMessageContaining("ChecksumMismatch");
            }
        }
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(client.welcome().reason()).isEqualTo("ChecksumMismatch");
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());
            refused = awaitPhase(ReplicaPhase.Ready);
        }
        assertThat(previous(refused).id()).isEqualTo(damaged);
        assertThat(previous(refused).state()).isEqualTo(SnapshotReport.State.Quarantined);
        assertThat(refused.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        assertThat(refused.rung()).isEqualTo(Rung.Cold);

        restart();
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = client.attach();
            client.await(null);
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(Sidecars.weights(), 1_000_000));
        }
    }

    @Test
    void anEngineMayAskAgainOnTheSameConnectionAfterARefusal() throws Exception {
        coldStartOnce();
        flipAByteOfAPack();
        restart();
        await().until(() -> agent.status().previousSnapshot() != null);

        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            assertThatThrownBy(client::attach).hasMessageContaining("WrongState");
            pod.loadFromSource(client);
        }
    }

    @Test
    void aSnapshotThatDoesNotFitTheEngineIsDroppedButNotDestroyed() throws Exception {
        coldStartOnce();
        restart();
        try (EngineClient client = pod.connect(Sidecars.hello("bf16"))) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(client.welcome().reason()).isEqualTo("Incompatible");
        }
        assertThat(previous(agent.status()).message())
                .isEqualTo("dtype is f32 in the snapshot and bf16 in the engine");
        await().untilAsserted(() -> assertThat(device.usedBytes()).isZero());
        restart();
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
        }
    }

    @Test
    @DisplayName("H31: a warmup request that fails is recorded and the replica never becomes Ready")
    void aFailedWarmupIsRecorded() throws Exception {
        pod = pod.with(new WarmupSettings(true, true, true, 1, 2, Duration.ofMinutes(5)));
        engine.answering(500, "cannot allocate");
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());

            SidecarStatus failed = awaitPhase(ReplicaPhase.Failed);

            assertThat(failed.reason()).isEqualTo("WarmupFailed");
            assertThat(failed.message()).contains("warmup_inference", "500", "cannot allocate");
            assertThat(failed.phases()).hasSize(5);
            assertThat(failed.phases().getLast().state()).isEqualTo(State.Failed);
            assertThat(failed.phases().getLast().error()).contains("cannot allocate");
            assertThat(failed.phases().getLast().micros()).as("H30").isPositive();
            assertThat(engine.requests()).as("the second iteration is not tried").hasSize(1);
            assertThat(failed.snapshot().state()).isEqualTo(SnapshotReport.State.Absent);
            assertThat(failed.readyAtEpochMicros()).isZero();
            assertThat(get("/readyz")).isEqualTo(503);
            assertThat(get("/livez")).isEqualTo(200);
        }
        assertThatThrownBy(pod::connect).hasMessageContaining("WarmupFailed");
        assertThat(agent.status().phase()).isEqualTo(ReplicaPhase.Failed);
    }

    @Test
    @DisplayName("H31: a phase that the engine reports as failed ends the warmup before any request is sent")
    void aPhaseThatTheEngineReportsAsFailedEndsTheWarmup() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            client.ready(new EngineMessage.Ready(
                    List.of(new PhaseTiming(PhaseTiming.POOL_ALLOC, State.Failed, 9, "no room for the cache")), null,
                    0));

            assertThat(awaitPhase(ReplicaPhase.Failed).message()).isEqualTo("pool_alloc: no room for the cache");
            assertThat(engine.requests()).isEmpty();
        }
    }

    @Test
    @DisplayName("H66: a warmup that hangs is cut by the deadline")
    void aHangingWarmupIsCut() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        engine.hangingUntil(end);
        pod = pod.deadline(Duration.ofSeconds(1));
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());

            SidecarStatus failed = awaitPhase(ReplicaPhase.Failed);

            assertThat(failed.reason()).isEqualTo("WarmupDeadlineExceeded");
            assertThat(failed.phases().getLast().name()).isEqualTo(PhaseTiming.WARMUP_INFERENCE);
            assertThat(failed.phases().getLast().error()).contains("not warm within 1 s");
        } finally {
            end.countDown();
        }
    }

    @Test
    @DisplayName("H66: an engine that never comes up is cut by the deadline too")
    void anEngineThatNeverComesUpIsCut() throws Exception {
        pod = pod.deadline(Duration.ofSeconds(1));
        start();

        SidecarStatus failed = awaitPhase(ReplicaPhase.Failed);

        assertThat(failed.reason()).isEqualTo("WarmupDeadlineExceeded");
        assertThat(failed.phases()).singleElement().extracting(PhaseTiming::name).isEqualTo(PhaseTiming.WEIGHT_LOAD);
        assertThat(failed.message()).contains("did not say that it serves");
    }

    @Test
    @DisplayName("H65: an engine that dies in its warmup has not failed it; the next one starts clean")
    void anEngineThatDiesInItsWarmupMayComeBack() throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        engine.waitingFor(never);
        start();
        EngineClient dying = pod.connect();
        pod.loadFromSource(dying);
        Sidecars.serve(dying, Sidecars.ready());
        await().until(() -> engine.requests().size() == 1);

        dying.close();

        awaitPhase(ReplicaPhase.Starting);
        never.countDown();
        try (EngineClient next = pod.connect()) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Attach);
            next.attach();
            Sidecars.serve(next, Sidecars.ready());
            SidecarStatus ready = awaitPhase(ReplicaPhase.Ready);
            assertThat(ready.phases()).hasSize(5).extracting(PhaseTiming::state).doesNotContain(State.Failed);
            assertThat(ready.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        }
    }

    @Test
    void oneEngineIsServedAtATime() throws Exception {
        start();
        EngineClient first = pod.connect();
        assertThatThrownBy(() -> EngineClient.connect(pod.socket(), Sidecars.HELLO, Duration.ofMillis(200)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("one engine at a time");

        first.close();

        pod.connect().close();
    }

    @Test
    @DisplayName("S20, S51, S54: what an engine must not say is refused by code, and it may go on")
    void refusalsLeaveTheConnectionOpen() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            assertThatThrownBy(client::attach).hasMessageContaining("WrongState");
            assertThatThrownBy(() -> client.await(null)).hasMessageContaining("NoMemory");
            assertThatThrownBy(() -> client.ready(Sidecars.ready())).hasMessageContaining("NotCommitted");
            assertThatThrownBy(() -> client.allocate(0, BufferType.Weights)).hasMessageContaining("BadSize");
            assertThatThrownBy(() -> client.allocate(Long.MAX_VALUE, BufferType.Weights))
                    .hasMessageContaining("BadSize");
            assertThatThrownBy(client::commit).hasMessageContaining("NothingToCommit");
            SharedMemory memory = client.allocate(100, BufferType.Weights);
            assertThatThrownBy(() -> client.put(List.of(buffer("a", memory.id(), 0, Long.MAX_VALUE))))
                    .hasMessageContaining("OutOfBounds");
            client.put(List.of(buffer("a", memory.id(), 0, 10)));
            assertThatThrownBy(() -> client.put(List.of(buffer("a", memory.id(), 0, 10))))
                    .hasMessageContaining("DuplicateName");
            Path file = Files.writeString(folder.resolve("f"), "x");
            assertThatThrownBy(() -> client.putFile("../f", file)).hasMessageContaining("BadName");

            client.commit();
            assertThatThrownBy(() -> client.put(List.of(buffer("b", memory.id(), 0, 10))))
                    .hasMessageContaining("WrongState");
            assertThatThrownBy(() -> client.await("nobody")).hasMessageContaining("UnknownName");
            client.await("a");
            Sidecars.serve(client, Sidecars.ready());
            awaitPhase(ReplicaPhase.Ready);
        }
    }

    @Test
    void committedMemoryCannotBeWrittenAnyMore() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            SharedMemory memory = client.allocate(100, BufferType.Weights);
            client.put(List.of(buffer("a", memory.id(), 0, 100)));
            MemorySegment writable = memory.segment();
            writable.set(JAVA_BYTE, 99, (byte) 5);

            client.commit();

            assertThatThrownBy(() -> writable.set(JAVA_BYTE, 0, (byte) 1))
                    .isInstanceOf(IllegalStateException.class);
            assertThat(memory.segment().isReadOnly()).isTrue();
            assertThatThrownBy(client::commit).hasMessageContaining("WrongState");
            assertThat(memory.segment().get(JAVA_BYTE, 99)).as("a commit too many unmaps nothing").isEqualTo((byte) 5);
        }
    }

    @Test
    void anEngineThatTalksNonsenseIsCutOffAndTheNextIsServed() throws Exception {
        start();
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(pod.socket()))) {
            raw.write(ByteBuffer.wrap("GET / HTTP/1.1\r\n\r\n".getBytes(UTF_8)));
            assertThat(cutOff(raw)).isTrue();
        }
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "[]", "\"HELLO\"", "{\"type\":\"NONSENSE\"}", "{\"type\":\"HELLO\",\"protocol\":1}",
            "{\"type\":\"PUT_META\",\"buffers\":[{\"allocation\":0,\"shape\":[]}]}", "{\"type\":\"PUT_META\"}",
            "{\"type\":\"ALLOC\",\"bytes\":1}", "{\"type\":\"READY\"}", "{\"type\":\"PUT_FILE\"}"})
    void aMessageThatLacksSomethingCostsAtMostItsConnection(String message) throws Exception {
        start();
        try (SocketChannel raw = SocketChannel.open(UnixDomainSocketAddress.of(pod.socket()))) {
            raw.write(frame("{\"type\":\"HELLO\",\"protocol\":1,\"engine\":\"e\",\"engineVersion\":\"1\","
                    + "\"compatibility\":{}}"));
            assertThat(raw.read(ByteBuffer.allocate(4_096))).as("WELCOME").isPositive();
            raw.write(frame(message));
            cutOff(raw); // or answered with a refusal: silence would hang here
        }
        await().untilAsserted(() -> assertThat(device.usedBytes()).isZero());

        try (EngineClient next = pod.connect()) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Create);
        }
    }

    private static ByteBuffer frame(String json) {
        byte[] body = json.getBytes(UTF_8);
        return ByteBuffer.allocate(4 + body.length).putInt(body.length).put(body).flip();
    }

    @Test
    void anEngineMustNotSayWhatIsTheSidecarsToSay() throws Exception {
        start();
        assertThatThrownBy(() -> pod.connect(new EngineMessage.Hello(0, "fake", "1", Map.of())))
                .hasMessageContaining("UnsupportedProtocol");
        assertThatThrownBy(() -> pod.connect(new EngineMessage.Hello(1, "new\nline", "1", Map.of())))
                .hasMessageContaining("BadText");
        assertThatThrownBy(() -> pod.connect(new EngineMessage.Hello(1, "fake", "x".repeat(257), Map.of())))
                .hasMessageContaining("BadText");
        try (MessageChannel raw = MessageChannel.connect(pod.socket())) {
            raw.send(new EngineMessage.Committed());
            assertThat(raw.receive().orElseThrow().message()).isEqualTo(
                    new EngineMessage.Failed("UnexpectedMessage", "Committed is for the sidecar to say"));
        }
    }

    @Test
    void aVolumeThatFillsUpDuringTheSaveCostsNeitherTheReplicaNorTheOlderSnapshot() throws Exception {
        String older = coldStartOnce();
        agent.close();
        agent = Agent.start(pod.config(), FillingVolume.open(pod.volume(), 500), device, Clock.systemUTC());
        try (EngineClient client = pod.connect(Sidecars.hello("bf16"))) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Create);
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());

            SidecarStatus ready = awaitPhase(ReplicaPhase.Ready);
            assertThat(ready.snapshot().state()).isEqualTo(SnapshotReport.State.Failed);
            assertThat(ready.snapshot().reason()).isEqualTo("VolumeFull");
            assertThat(get("/readyz")).isEqualTo(200);
        }
        restart();
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = client.attach();
            client.await(null);
            assertThat(Sidecars.bytes(attached.buffer("embeddings")))
                    .isEqualTo(Arrays.copyOf(Sidecars.weights(), 1_000_000));
            assertThat(agent.status().snapshot().id()).isEqualTo(older);
        }
    }

    @Test
    void theStatusStreamTellsAWakeFromRestoringToReady() throws Exception {
        coldStartOnce();
        restart();
        URI watch = URI.create("http://127.0.0.1:" + agent.httpPort() + "/status?watch=true");
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(watch.toURL().openStream(), UTF_8));
                EngineClient client = pod.connect()) {
            client.attach();
            client.await(null);
            Sidecars.serve(client, Sidecars.ready());

            List<ReplicaPhase> phases = new ArrayList<>();
            SidecarStatus last;
            do {
                last = new ObjectMapper().readValue(lines.readLine(), SidecarStatus.class);
                phases.add(last.phase());
            } while (last.phase() != ReplicaPhase.Ready);

            assertThat(phases).isSorted().startsWith(ReplicaPhase.Restoring);
            assertThat(last.activation()).isEqualTo("1");
            assertThat(last.podUid()).isEqualTo("uid-1");
            assertThat(last.model()).isEqualTo("ns/m");
        }
    }

    @Test
    void aVolumeThatCannotBeReadCostsTheSnapshotAndNotTheReplica() throws Exception {
        agent = Agent.start(pod.config(), null, device, Clock.systemUTC());
        try (EngineClient client = pod.connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Bypass);
            Sidecars.serve(client, Sidecars.ready());

            assertThat(previous(awaitPhase(ReplicaPhase.Ready)).reason()).isEqualTo("VolumeError");
        }
    }

    private void start() throws IOException {
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());
    }

    private void restart() throws IOException {
        agent.close();
        start();
    }

    private String coldStartOnce() throws Exception {
        start();
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            Sidecars.serve(client, Sidecars.ready());
            return Objects.requireNonNull(awaitPhase(ReplicaPhase.Ready).snapshot().id());
        }
    }

    private static SnapshotReport previous(SidecarStatus status) {
        return Objects.requireNonNull(status.previousSnapshot());
    }

    private void flipAByteOfAPack() throws IOException {
        Path pack;
        try (var files = Files.walk(pod.volume())) {
            pack = files.filter(Files::isRegularFile)
                    .max(Comparator.comparing(f -> f.toFile().length()))
                    .orElseThrow();
        }
        try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            long middle = channel.size() / 2;
            ByteBuffer one = ByteBuffer.allocate(1);
            channel.read(one, middle);
            channel.write(ByteBuffer.wrap(new byte[]{(byte) (one.get(0) ^ 1)}), middle);
        }
    }

    private SidecarStatus awaitPhase(ReplicaPhase phase) {
        return await().atMost(Duration.ofSeconds(20)).until(agent::status, status -> status.phase() == phase);
    }

    private static boolean cutOff(SocketChannel raw) {
        try {
            return raw.read(ByteBuffer.allocate(10)) < 0;
        } catch (IOException reset) {
            return true; // What was sent and never read makes the kernel say so.
        }
    }

    private int get(String path) throws IOException {
        return ((HttpURLConnection) URI.create("http://127.0.0.1:" + agent.httpPort() + path).toURL().openConnection())
                .getResponseCode();
    }

    private static PhaseTiming phase(SidecarStatus status, String name) {
        return status.phases().stream().filter(phase -> phase.name().equals(name)).findFirst().orElseThrow();
    }

    private static BufferMeta buffer(String name, int allocation, long offset, long length) {
        return new BufferMeta(name, allocation, offset, length, BufferType.Weights, "u8", List.of(length), false);
    }
}

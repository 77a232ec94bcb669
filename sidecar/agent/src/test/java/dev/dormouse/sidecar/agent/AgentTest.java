package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.EngineMessage.Probe;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PhaseTiming.State;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.Pack;
import dev.dormouse.sidecar.store.DiskFiles;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole agent, and an engine that talks to it through the real socket, in one JVM. */
class AgentTest {
    private static final String KEY = "ab".repeat(32);
    private static final int WEIGHTS = 3_000_000;
    private static final int HTTP = 9400;

    @TempDir
    Path folder;

    private final HostDevice device = new HostDevice(1L << 32);
    private final String address = "127.66.%d.%d".formatted(1 + new Random().nextInt(250),
            1 + new Random().nextInt(250));
    private WarmupSettings warmup = new WarmupSettings(true, true, true, 1, 1, Duration.ofMinutes(5));
    private boolean volumeFull;
    private FakeEngine engine;
    private @Nullable Agent agent;

    @BeforeEach
    void startEngine() throws IOException {
        engine = new FakeEngine(address);
    }

    @AfterEach
    void stop() {
        if (agent != null) {
            agent.close();
        }
        engine.close();
        assertThat(device.usedBytes()).isZero();
    }

    private void start() throws IOException {
        if (agent != null) {
            agent.close();
        }
        AgentConfig config = new AgentConfig(folder.resolve("e.sock"), address, "uid-1", "ns/m", "7", HTTP,
                engine.port(),
                Optional.of(folder.resolve("volume")), KEY, 0, true, warmup);
        SnapshotStore store = new SnapshotStore(folder.resolve("volume"), volumeFull ? new FullDisk() : new DiskFiles(),
                Clock.systemUTC(), new Random(1));
        Agent started = Agent.start(config, device, new DiskFiles(), Optional.of(store), Clock.systemUTC());
        agent = started;
        Thread.ofPlatform().daemon().start(() -> {
            try {
                started.serve();
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
    }

    private static final class FullDisk extends DiskFiles {
        @Override
        public long usableBytes(Path folder) {
            return 17;
        }
    }

    private EngineClient connect(String dtype) throws IOException {
        return EngineClient.connect(folder.resolve("e.sock"),
                new EngineMessage.Hello(EngineMessage.PROTOCOL, "fake", "1.0", Map.of("dtype", dtype)),
                Duration.ofSeconds(20));
    }

    private EngineClient connect() throws IOException {
        return connect("f32");
    }

    private static byte[] weights() {
        byte[] weights = new byte[WEIGHTS];
        new Random(42).nextBytes(weights);
        return weights;
    }

    private void loadFromSource(EngineClient client) throws IOException {
        SharedMemory weights = client.allocate(WEIGHTS, BufferType.Weights);
        MemorySegment.copy(MemorySegment.ofArray(weights()), 0, weights.segment(), 0, WEIGHTS);
        SharedMemory cache = client.allocate(4096, BufferType.KvCache);
        client.put(List.of(buffer("embeddings", weights.id(), 0, 1_000_000),
                buffer("dense", weights.id(), 1_000_000, 2_000_000),
                new BufferMeta("kv", cache.id(), 0, 4096, BufferType.KvCache, "f16", List.of(2048L), false)));
        client.putFile("vocab.txt", Files.writeString(folder.resolve("vocab.txt"), "hello world"));
        client.commit();
    }

    private static BufferMeta buffer(String name, int allocation, long offset, long length) {
        return new BufferMeta(name, allocation, offset, length, BufferType.Weights, "u8", List.of(length), false);
    }

    private static EngineMessage.Ready ready() {
        return new EngineMessage.Ready(
                List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1000), PhaseTiming.done(PhaseTiming.POOL_ALLOC, 200),
                        PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, 300)),
                new Probe("/v1/embeddings", "{\"input\":\"@batch\"}", "hi"), 5000);
    }

    private SidecarStatus status() throws IOException {
        HttpURLConnection http = open("/status");
        return new ObjectMapper().readValue(http.getInputStream(), SidecarStatus.class);
    }

    private HttpURLConnection open(String path) throws IOException {
        return (HttpURLConnection) URI.create("http://" + address + ":" + HTTP + path).toURL().openConnection();
    }

    private SidecarStatus awaitPhase(ReplicaPhase phase) {
        return await().atMost(Duration.ofSeconds(30)).until(this::status, status -> status.phase() == phase);
    }

    private SidecarStatus coldStartOnce() throws IOException {
        start();
        try (EngineClient client = connect()) {
            loadFromSource(client);
            client.ready(ready());
            return awaitPhase(ReplicaPhase.Ready);
        }
    }

    @Test
    @DisplayName("H32, H34, S17, S26, S31: what an engine commits is saved before Ready; the next replica gets it back")
    void coldStartIsSavedAndRestored() throws Exception {
        SidecarStatus cold = coldStartOnce();
        assertThat(cold.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
        assertThat(cold.snapshot().rawBytes()).isEqualTo(WEIGHTS + 11);
        assertThat(cold.rung()).isEqualTo(Rung.Cold);
        start();

        try (EngineClient client = connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = client.attach();
            client.await("vocab.txt");
            client.await("dense");
            client.await(null);
            assertThat(attached.buffers()).extracting(BufferMeta::name).containsExactly("embeddings", "dense");
            assertThat(attached.bytes(attached.buffers().get(1)).toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(weights(), 1_000_000, WEIGHTS));
            assertThatThrownBy(
                    () -> attached.bytes(attached.buffers().getFirst()).set(ValueLayout.JAVA_BYTE, 0, (byte) 1))
                    .isInstanceOf(IllegalArgumentException.class);
            client.ready(ready());
            SidecarStatus warm = awaitPhase(ReplicaPhase.Ready);
            assertThat(warm.rung()).isEqualTo(Rung.Volume);
            assertThat(warm.snapshot().state()).isEqualTo(SnapshotReport.State.Restored);
            assertThat(warm.restoredBytes()).isEqualTo(WEIGHTS + 11);
        }
    }

    @Test
    @DisplayName("H6, H14, H15, H23, H28, H36, H67: phases in order, real requests, batch size and iterations apart")
    void warmupIsTimedAndSendsRealRequests() throws Exception {
        warmup = new WarmupSettings(true, true, true, 3, 4, Duration.ofMinutes(5));

        SidecarStatus status = coldStartOnce();

        assertThat(engine.requests()).hasSize(4).containsOnly("POST /v1/embeddings {\"input\":[\"hi\",\"hi\",\"hi\"]}");
        assertThat(status.phases()).extracting(PhaseTiming::name).isEqualTo(PhaseTiming.NAMES);
        assertThat(status.phases()).startsWith(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1000),
                PhaseTiming.done(PhaseTiming.POOL_ALLOC, 200), PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, 300));
        assertThat(status.warmupIterations()).isEqualTo(4);
        assertThat(status.firstInferenceMicros()).isPositive();
        assertThat(status.memoryBytes()).isGreaterThanOrEqualTo(WEIGHTS + 4096 + 5000);
    }

    @Test
    @DisplayName("H3–H5, H24–H26, H29: phases that are switched off are Skipped, and nothing is saved")
    void switchedOffPhasesAreSkipped() throws Exception {
        warmup = new WarmupSettings(false, false, false, 1, 1, Duration.ofMinutes(5));
        start();
        try (EngineClient client = connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Bypass);
            client.ready(ready());
            SidecarStatus status = awaitPhase(ReplicaPhase.Ready);
            assertThat(status.phases().subList(0, 4)).extracting(PhaseTiming::state).containsOnly(State.Skipped);
            assertThat(status.snapshot().state()).isEqualTo(SnapshotReport.State.Skipped);
        }
    }

    @Test
    @DisplayName("A writer that disappears before its commit has aborted: its memory is released")
    void writerThatDisappearsHasAborted() throws Exception {
        start();
        EngineClient writer = connect();
        writer.allocate(1_000_000, BufferType.Weights).segment().fill((byte) 7);
        assertThat(device.usedBytes()).isEqualTo(1_000_000);
        writer.close();

        await().untilAsserted(() -> assertThat(device.usedBytes()).isZero());
        try (EngineClient next = connect()) {
            assertThat(next.welcome().mode()).isEqualTo(Mode.Create);
        }
    }

    @Test
    @DisplayName("H65: an engine that restarts alone attaches to the memory it left, and its warmup starts clean")
    void engineThatRestartsAloneFindsItsMemory() throws Exception {
        coldStartOnce();
        await().until(() -> status().phase() == ReplicaPhase.Loading);
        assertThat(open("/readyz").getResponseCode()).isEqualTo(503);

        try (EngineClient again = connect()) {
            assertThat(again.welcome().mode()).isEqualTo(Mode.Attach);
            Attachment attached = again.attach();
            again.await(null);
            assertThat(attached.bytes(attached.buffers().getFirst()).toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOf(weights(), 1_000_000));
            again.ready(ready());
            assertThat(awaitPhase(ReplicaPhase.Ready).rung()).isEqualTo(Rung.Resident);
        }
    }

    @Test
    @DisplayName("S32: a damaged snapshot is quarantined with its reason, and the model comes up from its source")
    void damagedSnapshotIsQuarantined() throws Exception {
        String damaged = coldStartOnce().snapshot().id();
        try (Stream<Path> packs = Files.list(folder.resolve("volume/packs"));
                RandomAccessFile pack = new RandomAccessFile(packs.findFirst().orElseThrow().toFile(), "rw")) {
            pack.seek(3 * Pack.BLOCK);
            pack.write(pack.read() ^ 1);
        }
        start();

        boolean created = false;
        while (!created) { // the refusal is found before or after the first hello
            try (EngineClient client = connect()) {
                created = client.welcome().mode() == Mode.Create;
                if (created) {
                    loadFromSource(client);
                    client.ready(ready());
                    SidecarStatus status = awaitPhase(ReplicaPhase.Ready);
                    SnapshotReport refused = Objects.requireNonNull(status.previousSnapshot());
                    assertThat(refused.id()).isEqualTo(damaged);
                    assertThat(refused.state()).isEqualTo(SnapshotReport.State.Quarantined);
                    assertThat(refused.reason()).isEqualTo("ChecksumMismatch");
                    assertThat(status.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
                } else {
                    assertThatThrownBy(() -> client.await(null)).isInstanceOf(SnapshotRefusedException.class);
                }
            }
        }
    }

    @Test
    @DisplayName("S59: a snapshot of another engine is not used and not destroyed")
    void incompatibleSnapshotIsLeftAlone() throws Exception {
        coldStartOnce();
        start();
        try (EngineClient other = connect("bf16")) {
            assertThat(other.welcome().mode()).isEqualTo(Mode.Create);
            assertThat(status().previousSnapshot()).isNotNull()
                    .extracting(SnapshotReport::reason)
                    .isEqualTo("Incompatible");
        }
        start();
        try (EngineClient client = connect()) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Attach);
        }
    }

    @Test
    @DisplayName("S62, S63: a full volume costs the snapshot, not the replica, and is said")
    void fullVolumeCostsOnlyTheSnapshot() throws Exception {
        volumeFull = true;

        SidecarStatus status = coldStartOnce();

        assertThat(status.phase()).isEqualTo(ReplicaPhase.Ready);
        assertThat(status.snapshot().state()).isEqualTo(SnapshotReport.State.Failed);
        assertThat(status.snapshot().reason()).isEqualTo("VolumeFull");
        assertThat(status.snapshot().message()).contains("17 left");
    }

    @Test
    @DisplayName("H30, H31: a warmup request that fails is recorded and the replica never becomes Ready")
    void failedWarmupIsRecorded() throws Exception {
        engine.answering(500, "cannot allocate");
        start();
        try (EngineClient client = connect()) {
            loadFromSource(client);
            client.ready(ready());
            SidecarStatus failed = awaitPhase(ReplicaPhase.Failed);
            assertThat(failed.reason()).isEqualTo("WarmupFailed/warmup_inference");
            assertThat(failed.phases().getLast().error()).contains("500", "cannot allocate");
            assertThat(failed.snapshot().state()).isEqualTo(SnapshotReport.State.Absent);
            assertThat(open("/readyz").getResponseCode()).isEqualTo(503);
            assertThat(open("/livez").getResponseCode()).isEqualTo(200);
        }
    }

    @Test
    @DisplayName("H66: a warmup that hangs is cut by the deadline")
    void hangingWarmupIsCut() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        engine.hangingUntil(end);
        warmup = new WarmupSettings(true, true, true, 1, 1, Duration.ofSeconds(1));
        start();
        try (EngineClient client = connect()) {
            loadFromSource(client);
            client.ready(ready());
            assertThat(awaitPhase(ReplicaPhase.Failed).reason()).isEqualTo("DeadlineExceeded");
        } finally {
            end.countDown();
        }
    }

    @Test
    @DisplayName("S20, S51, S54: what an engine must not say is refused by code, and it may go on")
    void refusalsLeaveTheConnectionOpen() throws Exception {
        start();
        try (EngineClient client = connect()) {
            assertRefused("InvalidSize", () -> client.allocate(0, BufferType.Weights));
            assertRefused("OutOfMemory", () -> client.allocate(1L << 33, BufferType.Weights));
            SharedMemory memory = client.allocate(4096, BufferType.Weights);
            assertRefused("OutOfBounds", () -> client.put(List.of(buffer("a", memory.id(), 4000, 97))));
            assertRefused("OutOfBounds", () -> client.put(List.of(buffer("a", memory.id(), Long.MAX_VALUE, 1))));
            assertRefused("UnknownAllocation", () -> client.put(List.of(buffer("a", 99, 0, 1))));
            assertRefused("DuplicateName",
                    () -> client.put(List.of(buffer("a", memory.id(), 0, 1), buffer("a", memory.id(), 1, 1))));
            assertRefused("InvalidName", () -> client.put(List.of(buffer("", memory.id(), 0, 1))));
            Path file = Files.writeString(folder.resolve("f"), "x");
            assertRefused("InvalidName", () -> client.putFile("../etc/passwd", file));
            client.put(List.of(buffer("a", memory.id(), 0, 4096)));
            client.commit();
            assertRefused("Committed", () -> client.put(List.of(buffer("b", memory.id(), 0, 1))));
        }
    }

    private static void assertRefused(String code, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(SnapshotRefusedException.class,
                refused -> assertThat(refused.code()).isEqualTo(code));
    }

    @Test
    @DisplayName("H34, H35: the status is one line at once and one per change; readiness and metrics beside it")
    void statusIsAStream() throws Exception {
        start();
        try (BufferedReader lines = new BufferedReader(
                new InputStreamReader(open("/status?watch=true").getInputStream(), StandardCharsets.UTF_8))) {
            ObjectMapper json = new ObjectMapper();
            SidecarStatus first = json.readValue(lines.readLine(), SidecarStatus.class);
            assertThat(first.model()).isEqualTo("ns/m");
            assertThat(first.activation()).isEqualTo("7");
            try (EngineClient client = connect()) {
                loadFromSource(client);
                client.ready(ready());
                SidecarStatus last = first;
                while (last.phase() != ReplicaPhase.Ready) {
                    SidecarStatus next = json.readValue(lines.readLine(), SidecarStatus.class);
                    assertThat(next.sequence()).isGreaterThan(last.sequence());
                    last = next;
                }
                assertThat(open("/readyz").getResponseCode()).isEqualTo(200);
                assertThat(new String(open("/metrics").getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                        .contains("dormouse_sidecar_ready 1", "dormouse_sidecar_phase_seconds{phase=\"weight_load\"");
            }
        }
    }
}

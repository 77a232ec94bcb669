package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A sidecar and an engine with its weights on a GPU, each in a process of its own, in every mode of device memory. On the
 * stand-in where there is no driver; unchanged on a GPU.
 */
@Execution(ExecutionMode.CONCURRENT)
class DeviceModesTest {
    private static final long BYTES = 14_000_000;
    private static final long SEED = 7;
    private static final int ROUNDS = Integer.getInteger("soak.rounds", 1);
    /** From so many rounds on it pays to keep the processes' class data: most of a round is the start of a JVM. */
    private static final int MANY = 50;

    @TempDir
    Path folder;

    private Sidecars pod;
    private JvmCommand command = JvmCommand.LIKE_THIS;

    @BeforeAll
    static void needsADriver() {
        try {
            assumeTrue(CudaContext.devices() > 0, "no GPU");
        } catch (CudaUnavailableException e) {
            assumeTrue(false, "neither a CUDA driver nor its stand-in (gcc): " + e.getMessage());
        }
    }

    @BeforeEach
    void choosePort() throws IOException {
        try (ServerSocket free = new ServerSocket(0)) {
            pod = new Sidecars(folder, free.getLocalPort(), new AgentConfig.WarmupSettings(true, true, true, 1, 1,
                    Duration.ofMinutes(5)));
        }
        Files.createDirectories(pod.volume());
    }

    private AgentProcess sidecar(Memory memory) throws IOException {
        return AgentProcess.start(pod, Map.of("DORMOUSE_DEVICE", memory.name(), "STANDIN_COPY_DELAY_MICROS", "300"),
                command);
    }

    private EngineProcess engine() throws IOException {
        return EngineProcess.start(pod, BYTES, SEED, false, command);
    }

    private EngineProcess engineThatKeeps() throws IOException {
        return EngineProcess.start(pod, BYTES, SEED, true, command);
    }

    private static SidecarStatus awaitReady(AgentProcess sidecar) {
        return await().ignoreExceptions()
                .atMost(Duration.ofSeconds(90))
                .pollInterval(Duration.ofMillis(20))
                .until(sidecar::status, status -> status.phase() == ReplicaPhase.Ready);
    }

    @ParameterizedTest
    @EnumSource(value = Memory.class, names = "Host", mode = EnumSource.Mode.EXCLUDE)
    @DisplayName("H37, S17, S64: what an engine commits on the device is saved, and restored on the device of another process")
    void savedAndRestored(Memory memory) throws Exception {
        String weights;
        try (AgentProcess sidecar = sidecar(memory); EngineProcess engine = engine()) {
            weights = engine.weights();
            SidecarStatus cold = awaitReady(sidecar);
            assertThat(cold.snapshot().state()).isEqualTo(SnapshotReport.State.Saved);
            assertThat(cold.snapshot().rawBytes()).isGreaterThanOrEqualTo(BYTES);
            assertThat(engine.rest()).as("it held still for the save").containsExactly("Quiesced", "Resumed");
        }
        assertThat(weights).startsWith("Create ");
        String restored = weights.replace("Create", "Attach");
        try (EngineProcess keeping = engineThatKeeps()) {
            try (AgentProcess sidecar = sidecar(memory)) {
                assertThat(keeping.weights()).isEqualTo(restored);
                SidecarStatus warm = awaitReady(sidecar);
                assertThat(warm.snapshot().state()).isEqualTo(SnapshotReport.State.Restored);
                assertThat(warm.previousSnapshot()).isNull();
            }
            try (AgentProcess sidecar = sidecar(memory)) {
                assertThat(keeping.weights()).as("an engine that is ready again without having attached")
                        .isEqualTo(restored.replace("Attach", "Keep"));
                assertThat(awaitReady(sidecar).rung()).isEqualTo(Rung.Resident);
                keeping.kill();
                try (EngineProcess next = engine()) {
                    assertThat(next.weights()).as("an engine that comes after one that died").isEqualTo(restored);
                    awaitReady(sidecar);
                }
            }
        }
        flipAByteOfAPack();
        try (AgentProcess sidecar = sidecar(memory); EngineProcess engine = engine()) {
            assertThat(engine.weights()).as("a damaged snapshot is refused, the source is used").isEqualTo(weights);
            SidecarStatus ready = awaitReady(sidecar);
            assertThat(ready.previousSnapshot()).isNotNull()
                    .extracting(SnapshotReport::reason)
                    .isEqualTo("ChecksumMismatch");
        }
    }

    private void flipAByteOfAPack() throws IOException {
        Path pack;
        try (var files = Files.walk(pod.volume())) {
            pack = files.filter(Files::isRegularFile)
                    .max(Comparator.comparing(file -> file.toFile().length()))
                    .orElseThrow();
        }
        try (FileChannel channel = FileChannel.open(pack, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer one = ByteBuffer.allocate(1);
            channel.read(one, channel.size() / 2);
            channel.write(ByteBuffer.wrap(new byte[]{(byte) (one.get(0) ^ 1)}), channel.size() / 2);
        }
    }

    @ParameterizedTest
    @EnumSource(value = Memory.class, names = "Host", mode = EnumSource.Mode.EXCLUDE)
    @DisplayName("S64: either side killed at any moment: no wrong byte, no hang, no memory or descriptor left behind")
    void eitherSideKilled(Memory memory) throws Exception {
        Random random = new Random(Long.getLong("soak.seed", 1));
        command = ROUNDS < MANY ? command : JvmCommand.keepingClassData(folder);
        AgentProcess sidecar = sidecar(memory);
        EngineProcess engine = engine();
        Map<Long, Held> first = new HashMap<>();
        int engines = 0;
        int checked = 0;
        try {
            String weights = engine.weights().substring("Create ".length());
            awaitReady(sidecar);
            if (ROUNDS >= MANY) {
                // Class data is written by who is asked to end.
                engine.terminate();
                sidecar.terminate();
                sidecar = sidecar(memory);
                engine = engine();
            }
            for (int round = 1; round <= ROUNDS; round++) {
                boolean engineDies = random.nextBoolean();
                if (engineDies) {
                    engines++;
                    engine.kill();
                    assertRight(engine, weights);
                    engine = engine();
                } else {
                    sidecar.kill();
                    sidecar = sidecar(memory);
                }
                if (random.nextInt(3) == 0) {
                    // The next death comes in the middle of whatever this one has begun.
                    Thread.sleep(random.nextInt(1_500));
                } else {
                    if (engineDies) {
                        // Else the sidecar may still be ready by the one before.
                        assertThat(engine.weights()).endsWith(weights);
                    }
                    SidecarStatus ready = awaitReady(sidecar);
                    assertThat(ready.previousSnapshot()).as("round %d", round).isNull();
                    assertRight(engine, weights);
                    assertNotMore("the sidecar in round " + round, sidecar.pid(), first);
                    assertNotMore("the engine in round " + round, engine.pid(), first);
                    checked++;
                }
                if (round % 100 == 0) {
                    System.out.printf("soak: %s, %d rounds so far%n", memory, round);
                }
            }
            awaitReady(sidecar);
            assertRight(engine, weights);
            System.out.printf(
                    "soak: %s, %d rounds: the engine killed %d times, the sidecar %d; %d times both were looked"
                            + " into; the last sidecar held %s, the last engine %s%n",
                    memory, ROUNDS, engines,
                    ROUNDS - engines, checked, Held.by(sidecar.pid()), Held.by(engine.pid()));
        } finally {
            engine.close();
            sidecar.close();
        }
    }

    private static void assertNotMore(String who, long pid, Map<Long, Held> first) throws IOException {
        Held held = Held.by(pid);
        Held before = first.putIfAbsent(pid, held);
        if (before != null) {
            assertThat(held.descriptors).as("descriptors of %s", who).isLessThanOrEqualTo(before.descriptors + 4);
            assertThat(held.memory).as("device and shared memory of %s", who)
                    .isLessThanOrEqualTo(before.memory + (1L << 20));
        }
    }

    /** Whatever the engine has said about its weights: they were the right ones. */
    private static void assertRight(EngineProcess engine, String weights) {
        List<String> said = engine.rest();
        assertThat(said)
                .allSatisfy(line -> assertThat(line)
                        .matches("(Create|Attach) " + weights + "|Refused .*|Gone.*|Quiesced|Resumed"));
    }

    /** What a process holds open. */
    private record Held(int descriptors, long memory) {
        static Held by(long pid) throws IOException {
            try (Stream<Path> open = Files.list(Path.of("/proc/" + pid + "/fd"))) {
                List<Path> all = open.toList();
                long memory = 0;
                for (Path descriptor : all) {
                    String name = Files.exists(descriptor) ? Files.readSymbolicLink(descriptor).toString() : "";
                    if (name.startsWith("/memfd:")) {
                        memory += Files.size(descriptor);
                    }
                }
                return new Held(all.size(), memory);
            }
        }
    }

    @Test
    @DisplayName("A sidecar without a GPU loads nothing of CUDA")
    void theHostPathKnowsNothingOfCuda() throws Exception {
        Path classes = folder.resolve("classes");
        try (AgentProcess sidecar = AgentProcess.start(pod,
                Map.of("DORMOUSE_DEVICE", "Host", "JAVA_TOOL_OPTIONS", "-Xlog:class+load:file=" + classes))) {
            await().ignoreExceptions()
                    .atMost(Duration.ofSeconds(90))
                    .until(sidecar::status, status -> status.phase() == ReplicaPhase.Starting);
            assertThat(Files.readString(classes)).contains("dev.dormouse.sidecar.device.HostDevice")
                    .doesNotContain("jcuda.")
                    .doesNotContain("dev.dormouse.sidecar.cuda.CudaContext")
                    .doesNotContain("dev.dormouse.sidecar.device.Cuda");
        }
    }

    @Test
    @DisplayName("BR10, BR11: without a driver the sidecar says so in one line and ends")
    void noDriver() throws Exception {
        Path reason = Files.createFile(folder.resolve("termination-log"));
        try (AgentProcess sidecar = AgentProcess.start(pod,
                Map.of("DORMOUSE_DEVICE", "Owned", "STANDIN_DEVICES", "0", "DORMOUSE_TERMINATION_LOG",
                        reason.toString()))) {
            assertThat(sidecar.exitCode()).isEqualTo(1);
            assertThat(sidecar.output().lines().filter(line -> line.startsWith("dormouse sidecar:")))
                    .containsExactly("dormouse sidecar: not fit (driver): cuInit: CUDA_ERROR_NO_DEVICE (100): the"
                            + " container sees no GPU; check its resource claim and the NVIDIA container runtime");
            assertThat(Files.readString(reason)).startsWith("dormouse sidecar: not fit (driver): ");
        }
    }

    @Test
    @DisplayName("BL40, BL42: the GPU's figures are among the sidecar's metrics; what the device does not have is left out")
    void figures() throws Exception {
        try (AgentProcess sidecar = sidecar(Memory.Owned)) {
            String metrics = await().ignoreExceptions()
                    .atMost(Duration.ofSeconds(90))
                    .until(sidecar::metrics, text -> text.contains("dormouse_sidecar_phase"));
            if (System.getProperty("dormouse.nvml.library") != null) {
                assertThat(metrics).contains("dormouse_sidecar_gpu_temperature_celsius{model=\"ns/m\"} 41\n")
                        .contains("dormouse_sidecar_gpu_memory_used_bytes{model=\"ns/m\"} 1073741824\n")
                        .contains("dormouse_sidecar_gpu_memory_temperature_celsius{model=\"ns/m\"} 52\n")
                        .contains("dormouse_sidecar_gpu_power_watts{model=\"ns/m\"} 75.500000\n")
                        .doesNotContain("gpu_fan");
                assertThat(sidecar.get("/hardware.txt")).containsPattern(
                        "gpu +.+ \\(sm_[0-9]+\\), [0-9.]+ GiB, GPU-[0-9a-f-]+, driver 560.00-standin, CUDA 12.6");
            }
        }
    }

    @Test
    @DisplayName("BR10, BR11: a GPU that hangs on its first copy ends the sidecar, whatever its threads wait for")
    void hangingDevice() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod, Map.of("DORMOUSE_DEVICE", "Ipc",
                "STANDIN_COPY_DELAY_MICROS", "60000000", "DORMOUSE_FITNESS_DEVICE_SECONDS", "1"))) {
            assertThat(sidecar.exitCode()).isEqualTo(1);
            assertThat(sidecar.output()).containsPattern(
                    "not fit \\((driver|device|copy)\\): the GPU has not answered within 1 s: look for Xid errors");
        }
    }

    @Test
    @DisplayName("BR11: a driver that is too old is refused with what it is and what is needed")
    void oldDriver() throws Exception {
        try (AgentProcess sidecar = AgentProcess.start(pod,
                Map.of("DORMOUSE_DEVICE", "Ipc", "STANDIN_DRIVER", "11040"))) {
            assertThat(sidecar.exitCode()).isEqualTo(1);
            assertThat(sidecar.output()).contains(
                    "not fit (driver): the driver speaks CUDA 11.4, 11.8 is needed: update the NVIDIA driver of the node");
        }
    }
}

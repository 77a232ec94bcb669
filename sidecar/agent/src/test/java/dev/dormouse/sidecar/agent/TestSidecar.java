package dev.dormouse.sidecar.agent;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.store.DiskFiles;
import dev.dormouse.sidecar.store.SnapshotFiles;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.awaitility.Awaitility;

/** A whole sidecar in this process, seen only through its socket, its HTTP port, its device and its volume. */
final class TestSidecar implements AutoCloseable {
    static final AgentConfig.WarmupSettings WARMUP = new AgentConfig.WarmupSettings(true, true, true, 1, 2,
            Duration.ofSeconds(60));
    private static final String KEY = "0123456789abcdef".repeat(4);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final AgentConfig config;
    private final HostDevice device = new HostDevice(1L << 30);
    private final Agent agent;
    private final Thread serving;

    private TestSidecar(AgentConfig config, SnapshotFiles files) throws IOException {
        this.config = config;
        Optional<SnapshotStore> store = config.volume().map(root -> store(root, files));
        agent = Agent.start(config, device, files, store, Clock.systemUTC());
        serving = Thread.ofPlatform().name("agent").start(this::serve);
    }

    static TestSidecar start(AgentConfig config) throws IOException {
        return start(config, new DiskFiles());
    }

    static TestSidecar start(AgentConfig config, SnapshotFiles files) throws IOException {
        return new TestSidecar(config, files);
    }

    static AgentConfig config(Path folder, FakeEngine engine, AgentConfig.WarmupSettings warmup) throws IOException {
        return new AgentConfig(folder.resolve("engine.sock"), "127.0.0.1", "uid-1", "shop/minilm", "wake-1",
                freePort(), engine.port(), Optional.of(folder.resolve("volume")), KEY, 0, true, warmup);
    }

    private static int freePort() throws IOException {
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            return free.getLocalPort();
        }
    }

    private static SnapshotStore store(Path root, SnapshotFiles files) {
        return new SnapshotStore(root, files, Clock.systemUTC(), RandomGenerator.getDefault());
    }

    /** What is published on the volume. */
    static List<Manifest> snapshots(AgentConfig config) throws IOException {
        return store(config.volume().orElseThrow(), new DiskFiles()).list();
    }

    private void serve() {
        try {
            agent.serve();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    HostDevice device() {
        return device;
    }

    SidecarStatus status() {
        try (var body = URI.create("http://127.0.0.1:" + config.httpPort() + "/status").toURL().openStream()) {
            return JSON.readValue(new String(body.readAllBytes(), StandardCharsets.UTF_8), SidecarStatus.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    SidecarStatus await(ReplicaPhase phase) {
        return await(status -> status.phase() == phase);
    }

    SidecarStatus await(Predicate<SidecarStatus> condition) {
        return Awaitility.await().atMost(Duration.ofSeconds(20)).until(this::status, condition);
    }

    void awaitNoMemoryInUse() {
        Awaitility.await().until(() -> device.usedBytes() == 0);
    }

    @Override
    public void close() {
        agent.close();
        Awaitility.await().until(() -> !serving.isAlive());
    }
}

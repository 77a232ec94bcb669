package dev.dormouse.sidecar.agent;

import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Probe;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** A pod's worth of paths and settings, and the small model that the tests keep in it. */
record Sidecars(Path folder, int enginePort, WarmupSettings warmup) {
    static final String KEY = "ab".repeat(32);
    static final EngineMessage.Hello HELLO = hello("f32");
    static final int WEIGHTS = 3_000_000;
    private static final AgentConfig.FitnessSettings FITNESS = new AgentConfig.FitnessSettings(Set.of(), 0, 0, 0,
            Duration.ofSeconds(30),
            Path.of("none"));

    static Sidecars in(Path folder, FakeEngine engine) {
        return new Sidecars(folder, engine.port(), new WarmupSettings(true, true, true, 1, 1, Duration.ofMinutes(5)));
    }

    Sidecars with(WarmupSettings settings) {
        return new Sidecars(folder, enginePort, settings);
    }

    Sidecars deadline(Duration deadline) {
        return with(new WarmupSettings(true, true, true, 1, 1, deadline));
    }

    Path volume() {
        return folder.resolve("volume");
    }

    Path socket() {
        return folder.resolve("engine.sock");
    }

    SnapshotStore store() throws IOException {
        return SnapshotStore.open(volume(), Writer.inPod("uid-1"), Clock.systemUTC());
    }

    AgentConfig config() {
        return new AgentConfig(socket(), "127.0.0.1", 0, enginePort, "uid-1", "ns/m", "1",
                new SnapshotSettings(volume(), KEY, Compression.None, 3, Verification.Crc), warmup, null, null,
                new AgentConfig.DeviceSettings(EngineMessage.Memory.Host, 0), FITNESS, null);
    }

    AgentConfig configWithoutSnapshots() {
        return new AgentConfig(socket(), "127.0.0.1", 0, enginePort, "uid-1", "ns/m", "1", null, warmup, null, null,
                new AgentConfig.DeviceSettings(EngineMessage.Memory.Host, 0), FITNESS, null);
    }

    EngineClient connect() throws IOException {
        return connect(HELLO);
    }

    EngineClient connect(EngineMessage.Hello hello) throws IOException {
        return EngineClient.connect(socket(), hello, Duration.ofSeconds(20));
    }

    static EngineMessage.Hello hello(String dtype) {
        return new EngineMessage.Hello(EngineMessage.PROTOCOL, "fake", "1.0", Map.of("dtype", dtype),
                List.of(EngineMessage.Memory.Host, EngineMessage.Memory.Owned));
    }

    static SidecarStatus awaitReady(Agent agent) {
        return await().atMost(Duration.ofSeconds(20))
                .until(agent::status, status -> status.phase() == ReplicaPhase.Ready);
    }

    /** Loads the model from its "source": two buffers of weights, one cache that is not worth keeping, one file. */
    void loadFromSource(EngineClient client) throws Exception {
        SharedMemory weights = client.allocate(WEIGHTS, BufferType.Weights);
        MemorySegment.copy(MemorySegment.ofArray(weights()), 0, weights.segment(), 0, WEIGHTS);
        SharedMemory cache = client.allocate(4096, BufferType.KvCache);
        client.put(List.of(
                new BufferMeta("embeddings", weights.id(), 0, 1_000_000, BufferType.Weights, "f32", List.of(250_000L),
                        false),
                new BufferMeta("dense", weights.id(), 1_000_000, 2_000_000, BufferType.Weights, "f32",
                        List.of(500L, 1_000L), false),
                new BufferMeta("kv", cache.id(), 0, 4096, BufferType.KvCache, "f16", List.of(2_048L), false)));
        client.putFile("tokenizer/vocab.txt", Files.writeString(folder.resolve("vocab.txt"), "hello world"));
        client.commit();
    }

    static byte[] weights() {
        byte[] weights = new byte[WEIGHTS];
        new Random(42).nextBytes(weights);
        return weights;
    }

    static byte[] bytes(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_BYTE);
    }

    /** Says ready, and answers what the sidecar asks from then on, as engines do. */
    static void serve(EngineClient client, EngineMessage.Ready ready) throws Exception {
        client.ready(ready);
        Thread.ofPlatform().daemon().name("serving").start(client::awaitGone);
    }

    static EngineMessage.Ready ready() {
        return new EngineMessage.Ready(
                List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1_000), PhaseTiming.done(PhaseTiming.POOL_ALLOC, 200),
                        PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, 300)),
                new Probe("/v1/embeddings", "{\"input\":\"@batch\"}", "\"hi\""), 5_000);
    }
}

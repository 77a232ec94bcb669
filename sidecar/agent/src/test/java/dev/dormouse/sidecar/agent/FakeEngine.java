package dev.dormouse.sidecar.agent;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.client.Attachment;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SharedMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;

/** An engine with random weights: its half of the protocol, and the HTTP server that answers warmup requests. */
final class FakeEngine implements AutoCloseable {
    static final EngineMessage.Hello HELLO = new EngineMessage.Hello(1, "fake", "1.0", Map.of("dtype", "f32"));
    static final EngineMessage.Hello OTHER_DTYPE = new EngineMessage.Hello(1, "fake", "1.0", Map.of("dtype", "bf16"));
    /** Two chunks and a bit. */
    static final byte[] MATRIX = random(1, (8 << 20) + 5000);
    static final byte[] BIAS = random(2, 777);
    static final byte[] GRAPH = random(3, 10_000);
    static final EngineMessage.Probe PROBE = new EngineMessage.Probe("/v1/embeddings", "{\"input\":\"@batch\"}",
            "good morning");
    /** What an engine that loaded from the source reports, in an order of its own. */
    static final EngineMessage.Ready READY = new EngineMessage.Ready(
            List.of(PhaseTiming.done(PhaseTiming.CUSTOM_INIT, 40), PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, 30),
                    PhaseTiming.done(PhaseTiming.POOL_ALLOC, 20), PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 10)),
            PROBE, 1000);

    private final HttpServer http;
    private final CopyOnWriteArrayList<JsonNode> requests = new CopyOnWriteArrayList<>();
    private final CountDownLatch released = new CountDownLatch(1);
    private volatile int status = 200;
    private volatile boolean hanging;

    FakeEngine() throws IOException {
        http = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 16);
        http.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        http.createContext("/v1/embeddings", this::answer);
        http.start();
    }

    int port() {
        return http.getAddress().getPort();
    }

    /** Bodies of the warmup requests so far. */
    List<JsonNode> requests() {
        return List.copyOf(requests);
    }

    void answerWith(int code) {
        status = code;
    }

    /** Whether requests that come from now on are answered only when the engine stops. */
    void hang(boolean on) {
        hanging = on;
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            requests.add(new ObjectMapper().readTree(exchange.getRequestBody()));
            if (hanging) {
                released.await();
            }
            byte[] body = "{\"said\":\"hm\"}".getBytes(java.nio.charset.StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    static EngineClient connect(AgentConfig config, EngineMessage.Hello hello) throws IOException {
        return EngineClient.connect(config.socket(), hello, Duration.ofSeconds(10));
    }

    /** Loads from the source: two weights and a cache that no snapshot holds, and a file. Commits. */
    static void load(EngineClient client, Path folder) throws IOException {
        SharedMemory weights = client.allocate(MATRIX.length + 64, BufferType.Weights);
        SharedMemory more = client.allocate(BIAS.length, BufferType.Weights);
        SharedMemory cache = client.allocate(4096, BufferType.KvCache);
        weights.segment().asSlice(64).copyFrom(MemorySegment.ofArray(MATRIX));
        more.segment().copyFrom(MemorySegment.ofArray(BIAS));
        cache.segment().fill((byte) 1);
        client.put(List.of(buffer("matrix", weights.id(), 64, MATRIX.length, BufferType.Weights),
                buffer("cache", cache.id(), 0, 4096, BufferType.KvCache)));
        client.put(List.of(buffer("bias", more.id(), 0, BIAS.length, BufferType.Weights)));
        client.putFile("graph.onnx", Files.write(folder.resolve("graph"), GRAPH));
        client.commit();
    }

    static BufferMeta buffer(String name, int allocation, long offset, long length, BufferType type) {
        return new BufferMeta(name, allocation, offset, length, type, "u8", List.of(length), false);
    }

    static byte[] bytes(Attachment attachment, String name) {
        return attachment.buffers()
                .stream()
                .filter(buffer -> buffer.name().equals(name))
                .findFirst()
                .map(attachment::bytes)
                .map(EngineClient::toArray)
                .orElseThrow(() -> new AssertionError("no buffer " + name + " in " + attachment.buffers()));
    }

    static byte[] file(Attachment attachment, String name) {
        return EngineClient.toArray(Objects.requireNonNull(attachment.files().get(name), name));
    }

    private static byte[] random(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Override
    public void close() {
        released.countDown();
        http.stop(0);
    }
}

package dev.dormouse.sidecar.agent;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpServer;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaEngineClient;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.DeviceAttachment;
import dev.dormouse.sidecar.cuda.DeviceRegion;
import dev.dormouse.sidecar.cuda.EngineHooks;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32C;

/**
 * The main program of an engine whose weights are on a GPU: {@code socket port bytes seed keep}. Says on standard output how
 * it came by its weights and what they are ({@code Create <crc>}, {@code Attach <crc>}) and when it holds still, and serves
 * until its sidecar is gone. Then it starts again with the next one or, if {@code keep} is true, goes on with the weights it
 * has ({@code Keep <crc>}). Ends when nobody reads its output or comes within a minute.
 */
final class DeviceEngine {
    private static final int STEP = 4 << 20;
    private static final String VOCABULARY = "hello world";

    private static final EngineHooks HOOKS = new EngineHooks() {
        @Override
        public void quiesce(int maxPauseSeconds) {
            System.out.println("Quiesced");
        }

        @Override
        public void resume() {
            System.out.println("Resumed");
        }
    };

    private final CudaContext context;
    private final Path socket;
    private final long bytes;
    private final long seed;
    private final boolean keep;
    /** Where the weights are that it keeps. */
    private long kept;

    private DeviceEngine(CudaContext context, Path socket, long bytes, long seed, boolean keep) {
        this.keep = keep;
        this.context = context;
        this.socket = socket;
        this.bytes = bytes;
        this.seed = seed;
    }

    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1])), 0);
        server.createContext("/", exchange -> {
            try (exchange) {
                exchange.sendResponseHeaders(200, -1);
            }
        });
        server.start();
        try (CudaContext context = CudaContext.open(0)) {
            var engine = new DeviceEngine(context, Path.of(arguments[0]), Long.parseLong(arguments[2]),
                    Long.parseLong(arguments[3]), Boolean.parseBoolean(arguments[4]));
            while (true) {
                engine.once();
            }
        } catch (IOException e) {
            System.out.println("End " + e.getMessage());
        } finally {
            server.stop(0);
        }
    }

    private void once() throws IOException {
        var hello = new EngineMessage.Hello(EngineMessage.PROTOCOL, "fake", "1.0", Map.of("dtype", "f32"));
        try (CudaEngineClient client = CudaEngineClient.connect(socket, hello, context, Duration.ofSeconds(60))) {
            serve(client);
            while (kept != 0) {
                // What is mapped or allocated belongs to the first connection, which stays open until the process ends.
                try (CudaEngineClient next = CudaEngineClient.connect(socket, hello, context, Duration.ofSeconds(60))) {
                    serve(next);
                }
            }
        }
    }

    private void serve(CudaEngineClient client) {
        try {
            String weights;
            if (kept != 0) {
                client.ready(new EngineMessage.Ready(List.of(), Sidecars.ready().probe(), 0));
                weights = "Keep " + crc(kept);
            } else {
                Mode mode = client.welcome().mode();
                weights = mode + " " + (mode == Mode.Create ? create(client) : attach(client));
                client.ready(Sidecars.ready());
            }
            System.out.println(weights);
            client.serve(HOOKS);
        } catch (SnapshotRefusedException e) {
            System.out.println("Refused " + e.getMessage());
        } catch (IOException e) {
            System.out.println("Gone " + e.getMessage());
        }
    }

    private String create(CudaEngineClient client) throws IOException, SnapshotRefusedException {
        DeviceRegion weights = client.allocate(bytes, BufferType.Weights);
        DeviceRegion cache = client.allocate(4096, BufferType.KvCache);
        Random random = new Random(seed);
        try (CudaStream stream = new CudaStream(context); PinnedMemory slot = context.pinned(STEP)) {
            for (long at = 0; at < bytes; at += STEP) {
                int length = (int) Math.min(STEP, bytes - at);
                byte[] piece = new byte[length];
                // Every third step is zeros, which are not stored.
                if (at / STEP % 3 != 2) {
                    random.nextBytes(piece);
                }
                slot.segment().asSlice(0, length).copyFrom(MemorySegment.ofArray(piece));
                stream.toDevice(weights.address() + at, slot.segment().asSlice(0, length));
                stream.synchronize();
            }
        }
        client.put(List.of(
                new BufferMeta("weights", weights.id(), 0, bytes, BufferType.Weights, "u8", List.of(bytes), false),
                new BufferMeta("kv", cache.id(), 0, 4096, BufferType.KvCache, "f16", List.of(2_048L), false)));
        Path file = Files.writeString(Files.createTempFile("vocabulary", ".txt"), VOCABULARY);
        client.putFile("vocabulary.txt", file);
        Files.delete(file);
        client.commit();
        return held(weights.address());
    }

    private String attach(CudaEngineClient client) throws IOException, SnapshotRefusedException {
        DeviceAttachment attached = client.attach();
        client.await(null);
        var file = attached.files().get("vocabulary.txt");
        if (file == null || !new String(file.toArray(JAVA_BYTE), UTF_8).equals(VOCABULARY)) {
            throw new IllegalStateException("the file came back as something else");
        }
        return held(attached.address("weights"));
    }

    private String held(long address) {
        kept = keep ? address : 0;
        return crc(address);
    }

    private String crc(long address) {
        CRC32C crc = new CRC32C();
        try (CudaStream stream = new CudaStream(context); PinnedMemory slot = context.pinned(STEP)) {
            for (long at = 0; at < bytes; at += STEP) {
                MemorySegment piece = slot.segment().asSlice(0, Math.min(STEP, bytes - at));
                stream.toHost(piece, address + at);
                stream.synchronize();
                crc.update(piece.asByteBuffer());
            }
        }
        return Long.toHexString(crc.getValue());
    }
}

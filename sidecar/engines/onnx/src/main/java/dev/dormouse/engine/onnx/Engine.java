package dev.dormouse.engine.onnx;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.engine.onnx.ModelLoader.Loaded;
import dev.dormouse.engine.onnx.http.EmbeddingsServer;
import dev.dormouse.engine.onnx.model.NativeLibraries;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine's life: listen, get a model, say so, and stay with the sidecar for as long as both live.
 *
 * <p>Once a model serves, nothing takes its memory away: a sidecar that restarts is told again that we serve, and the
 * session keeps reading the mappings of the connection it was built with, which is therefore never closed.
 */
final class Engine {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);
    private static final Duration SIDECAR_TIMEOUT = Duration.ofSeconds(60);
    /** A refused restore, then the source; one more for a sidecar that changes its mind. */
    private static final int MAX_TRIES = 3;
    /** Half of what Kubernetes gives a pod by default. */
    private static final Duration GRACE = Duration.ofSeconds(15);
    private static final long REJOIN_MILLIS = 1_000;
    private static final String PROBE_TEXT = "The dormouse sleeps through the winter and wakes when it is needed.";

    private final EngineConfig config;
    private final EmbeddingsServer server;
    private final ModelLoader loader;

    private Engine(EngineConfig config, EmbeddingsServer server, ModelLoader loader) {
        this.config = config;
        this.server = server;
        this.loader = loader;
    }

    /** Listens, and begins to load native libraries. */
    static Engine listen(EngineConfig config) throws IOException {
        NativeLibraries natives = NativeLibraries.load();
        InetSocketAddress address = new InetSocketAddress(config.podIp(), config.port());
        EmbeddingsServer server = EmbeddingsServer.listen(address, config.modelName(),
                config.model() == null ? Set.of() : Set.of(config.model()));
        return new Engine(config, server, new ModelLoader(config.modelPath(), natives));
    }

    InetSocketAddress address() {
        return server.address();
    }

    /**
     * Serves until the process ends.
     *
     * @throws IOException when no model could be had; never after the first one was
     */
    void run() throws IOException, InterruptedException {
        Path socket = config.socket();
        if (socket == null) {
            server.serve(loader.alone().model());
            LOG.info("serving {} on {}, without a sidecar", config.modelName(), address());
            Thread.currentThread().join();
            return;
        }
        EngineClient sidecar = wake(socket);
        while (true) {
            sidecar.awaitGone();
            LOG.warn("the sidecar is gone; serving goes on from the memory at hand");
            sidecar = rejoin(socket);
        }
    }

    /** Down the ladder: a snapshot that is refused while it is restored leads to another hello, and to the source. */
    private EngineClient wake(Path socket) throws IOException, InterruptedException {
        for (int tries = 1;; tries++) {
            EngineClient sidecar = EngineClient.connect(socket, hello(), SIDECAR_TIMEOUT);
            Mode mode = sidecar.welcome().mode();
            LOG.info("the sidecar says {}", mode);
            try {
                Loaded loaded = loader.load(sidecar);
                server.serve(loaded.model());
                sayReady(sidecar, loaded.phases());
                LOG.info("serving {} on {}: {}", config.modelName(), address(), loaded.phases());
                return sidecar;
            } catch (SnapshotRefusedException e) {
                if (server.withdraw(GRACE)) {
                    sidecar.close();
                }
                if (mode != Mode.Attach || tries == MAX_TRIES) {
                    throw new IOException("The sidecar does not take this engine: " + e.getMessage(), e);
                }
                LOG.warn("the snapshot is refused, asking again: {}", e.getMessage());
            }
        }
    }

    private void sayReady(EngineClient sidecar, List<PhaseTiming> phases) throws IOException, SnapshotRefusedException {
        sidecar.ready(new EngineMessage.Ready(phases, probe(), ProcessMemory.anonymousBytes()));
    }

    private EngineClient rejoin(Path socket) throws InterruptedException {
        while (true) {
            try {
                EngineClient sidecar = EngineClient.connect(socket, hello(), SIDECAR_TIMEOUT);
                if (rejoined(sidecar)) {
                    LOG.info("the sidecar is back, as {}", sidecar.welcome().mode());
                    return sidecar;
                }
                sidecar.close();
            } catch (IOException e) {
                LOG.warn("no sidecar yet: {}", e.getMessage());
            }
            TimeUnit.MILLISECONDS.sleep(REJOIN_MILLIS);
        }
    }

    private boolean rejoined(EngineClient sidecar) throws IOException {
        try {
            if (sidecar.welcome().mode() == Mode.Create) {
                loader.offer(sidecar);
            }
            sayReady(sidecar, List.of());
            return true;
        } catch (SnapshotRefusedException e) {
            LOG.warn("the sidecar does not take us back: {}", e.getMessage());
            return false;
        }
    }

    private static EngineMessage.Hello hello() {
        String version = NativeLibraries.runtimeVersion();
        return new EngineMessage.Hello(EngineMessage.PROTOCOL, "onnx", version, Map.of("onnxruntime.version", version,
                "onnxruntime.provider", "cpu", "arch", System.getProperty("os.arch"), "layout", ModelLoader.LAYOUT));
    }

    private EngineMessage.Probe probe() throws IOException {
        ObjectMapper json = new ObjectMapper();
        String body = json.createObjectNode().put("model", config.modelName()).put("input", "@batch").toString();
        return new EngineMessage.Probe("/v1/embeddings", body, json.writeValueAsString(PROBE_TEXT));
    }

    /**
     * Takes no more requests and lets those in flight finish.
     *
     * @return whether nothing native is in use any more
     */
    boolean stop() throws InterruptedException {
        server.stop(GRACE);
        return server.withdraw(Duration.ZERO);
    }
}

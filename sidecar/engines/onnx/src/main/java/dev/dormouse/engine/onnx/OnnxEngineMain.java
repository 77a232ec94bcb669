package dev.dormouse.engine.onnx;

import ai.onnxruntime.OrtEnvironment;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The engine's process. */
public final class OnnxEngineMain {
    private static final Logger LOG = LoggerFactory.getLogger(OnnxEngineMain.class);
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int ATTEMPTS = 3;

    private OnnxEngineMain() {}

    public static void main(String[] args) {
        try {
            NativeLibraries.use();
            run(EngineConfig.parse(System.getenv()));
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse onnx engine: " + e.getMessage());
            System.exit(2);
        } catch (IOException e) {
            System.err.println("dormouse onnx engine: " + e.getMessage());
            System.exit(1);
        }
    }

    private static void run(EngineConfig config) throws IOException {
        if (config.socket().isEmpty()) {
            serve(config, ModelLoader.alone(config));
            return;
        }
        for (int attempt = 1;; attempt++) {
            EngineClient sidecar = EngineClient.connect(config.socket().get(), hello(), PATIENCE);
            try {
                ModelLoader loaded = load(config, sidecar);
                serve(config, loaded);
                sidecar.ready(new EngineMessage.Ready(loaded.phases(), probe(config), 0));
                stayConnected(config.socket().get(), sidecar);
                return;
            } catch (SnapshotRefusedException e) {
                sidecar.close();
                if (attempt == ATTEMPTS) {
                    throw e;
                }
                LOG.atWarn().setMessage("starting again from the source").addKeyValue("cause", e.getMessage()).log();
            }
        }
    }

    private static EngineMessage.Hello hello() {
        return new EngineMessage.Hello(EngineMessage.PROTOCOL, "dormouse-onnx",
                OrtEnvironment.getEnvironment().getVersion(), ModelLoader.compatibility());
    }

    private static ModelLoader load(EngineConfig config, EngineClient sidecar) throws IOException {
        Mode mode = sidecar.welcome().mode();
        LOG.atInfo()
                .setMessage("sidecar")
                .addKeyValue("mode", mode)
                .addKeyValue("reason", sidecar.welcome().reason())
                .log();
        return switch (mode) {
            case Create -> ModelLoader.create(config, sidecar);
            case Attach -> ModelLoader.attach(sidecar);
            case Bypass -> ModelLoader.alone(config);
        };
    }

    private static void serve(EngineConfig config, ModelLoader loaded) throws IOException {
        OpenAiServer server = OpenAiServer.start(new InetSocketAddress(config.podIp(), config.port()), loaded.model(),
                config.modelName(), Clock.systemUTC());
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().name("stop").unstarted(() -> {
            try {
                server.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }));
        LOG.atInfo()
                .setMessage("serving")
                .addKeyValue("model", config.modelName())
                .addKeyValue("phases", loaded.phases())
                .log();
    }

    private static EngineMessage.Probe probe(EngineConfig config) throws IOException {
        String body = new ObjectMapper().writeValueAsString(Map.of("model", config.modelName(), "input", "@batch"));
        return new EngineMessage.Probe("/v1/embeddings", body, "The quick brown fox jumps over the lazy dog.");
    }

    /**
     * Requests go on while the sidecar is away: the memory stays mapped. A sidecar that comes back with other memory
     * would not describe ours, so the engine ends and starts with it.
     */
    private static void stayConnected(Path socket, EngineClient sidecar) throws IOException {
        sidecar.awaitEnd();
        LOG.atWarn().setMessage("the sidecar went away").addKeyValue("socket", socket).log();
        System.exit(0);
    }
}

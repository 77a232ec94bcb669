package dev.dormouse.engine.onnx;

import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts the engine. Exit status: 0 after SIGTERM, 1 when no model can be served, 2 for a bad configuration. */
public final class OnnxEngineMain {
    private static final Logger LOG = LoggerFactory.getLogger(OnnxEngineMain.class);

    private OnnxEngineMain() {}

    public static void main(String[] arguments) throws InterruptedException {
        EngineConfig config;
        try {
            config = EngineConfig.fromEnvironment(System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse engine: " + e.getMessage());
            System.exit(2);
            return;
        }
        try {
            Engine engine = Engine.listen(config);
            Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
                engine.stop();
                // The JVM would say 143 for a SIGTERM that it has answered well.
                Runtime.getRuntime().halt(0);
            }));
            engine.run();
        } catch (IOException e) {
            System.err.println("dormouse engine: " + e.getMessage());
            // Not exit: the hook above is for a stop that somebody asked for.
            Runtime.getRuntime().halt(1);
        } catch (RuntimeException | Error e) {
            // The server's threads would keep a process alive that can never serve.
            LOG.error("the engine failed", e);
            Runtime.getRuntime().halt(1);
        }
    }
}

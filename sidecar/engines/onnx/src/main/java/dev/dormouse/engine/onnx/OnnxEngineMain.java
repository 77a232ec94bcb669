package dev.dormouse.engine.onnx;

import java.io.IOException;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import sun.misc.Signal;

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
            // Not a shutdown hook: ONNX Runtime has one that tears it down under the requests in flight, and hooks run
            // all at once.
            for (String signal : List.of("TERM", "INT")) {
                Signal.handle(new Signal(signal), received -> stop(engine));
            }
            engine.run();
        } catch (IOException e) {
            System.err.println("dormouse engine: " + e.getMessage());
            // Nothing of ONNX Runtime may be torn down under the threads that load it.
            Runtime.getRuntime().halt(1);
        } catch (RuntimeException | Error e) {
            // The server's threads would keep a process alive that can never serve.
            LOG.error("the engine failed", e);
            Runtime.getRuntime().halt(1);
        }
    }

    private static void stop(Engine engine) {
        try {
            if (engine.stop()) {
                System.exit(0);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        // A session that is being built, or that still runs, must not see ONNX Runtime's hook.
        Runtime.getRuntime().halt(0);
    }
}

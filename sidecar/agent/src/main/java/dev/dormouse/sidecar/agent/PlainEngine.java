package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.client.SnapshotRefusedException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The client of an engine that has none: any image that serves HTTP. When its health is good and nobody has connected for it,
 * this says hello and ready in its place, through the same socket and by the same rules. Such an engine loads as it likes and
 * has no snapshots.
 */
final class PlainEngine implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PlainEngine.class);
    /** vLLM, SGLang, TGI, TEI, llama.cpp and ours have the first; every OpenAI server has the second. */
    private static final List<String> PATHS = List.of("/health", "/v1/models");
    private static final int NOT_FOUND = 404;
    private static final int UNREACHABLE = -1;
    private static final EngineMessage.Hello HELLO = new EngineMessage.Hello(EngineMessage.PROTOCOL, "plain", "unknown",
            Map.of(), List.of(EngineMessage.Memory.values()));

    /** A client looks for a sidecar that has restarted several times a second. */
    private static final Duration CLIENT_RECONNECTS = Duration.ofSeconds(5);
    /** On a node with more work than processors it may not get to that for long; what is lost otherwise is a restore. */
    private static final Duration CLIENT_STARVES = Duration.ofSeconds(60);
    private static final Duration POLL = Duration.ofMillis(100);
    private static final Duration WATCH = Duration.ofSeconds(1);
    private static final Duration ANSWER = Duration.ofSeconds(2);
    private static final Duration CONNECT = Duration.ofSeconds(1);
    /** One refused connection may be a full backlog. */
    private static final int REFUSED_WHEN_GONE = 3;

    private final AgentConfig config;
    private final Supplier<Duration> patience;
    private final BooleanSupplier connected;
    private final Thread thread = Thread.ofPlatform().daemon().name("plain-engine").unstarted(this::run);

    /**
     * @param patience how long an engine is well before it is taken for one without a client: one with a client may serve
     *     while that connects again, after a restart of this sidecar
     * @param connected whether a client has connected
     */
    PlainEngine(AgentConfig config, Supplier<Duration> patience, BooleanSupplier connected) {
        this.config = config;
        this.patience = patience;
        this.connected = connected;
    }

    /** How long a healthy engine may be silent, with this snapshot at hand: one that has made it has a client. */
    static Duration patience(SnapshotReport.State atHand) {
        return switch (atHand) {
            case Restoring, Restored, Saving, Saved -> CLIENT_STARVES;
            case Absent, Skipped, Failed, Quarantined -> CLIENT_RECONNECTS;
        };
    }

    void start() {
        thread.start();
    }

    private void run() {
        try {
            while (true) {
                awaitHealthAlone();
                speakForIt();
            }
        } catch (InterruptedException e) {
            // Closed.
        }
    }

    private void awaitHealthAlone() throws InterruptedException {
        long since = -1;
        while (since < 0 || System.nanoTime() - since < patience.get().toNanos()) {
            Thread.sleep(POLL);
            if (connected.getAsBoolean() || !healthy()) {
                since = -1;
            } else if (since < 0) {
                since = System.nanoTime();
            }
        }
    }

    /** Until it is gone, and its container starts anew. */
    private void speakForIt() throws InterruptedException {
        try (EngineClient client = EngineClient.connect(config.socket(), HELLO, CONNECT)) {
            if (client.welcome().mode() != Mode.Bypass) {
                client.abort("the engine has no client");
            }
            client.ready(new EngineMessage.Ready(List.of(), null, 0));
            LOG.info("the engine answers on port {} and has no client: it serves, without snapshots",
                    config.enginePort());
            int refused = 0;
            while (refused < REFUSED_WHEN_GONE) {
                Thread.sleep(WATCH);
                refused = status(PATHS.getFirst()) == UNREACHABLE ? refused + 1 : 0;
            }
        } catch (IOException | SnapshotRefusedException e) {
            LOG.debug("nothing was said for the engine: {}", e.getMessage());
        }
    }

    private boolean healthy() {
        for (String path : PATHS) {
            int status = status(path);
            if (status != NOT_FOUND) {
                return status / 100 == 2;
            }
        }
        return false;
    }

    /** @return of a GET; 0 when there is a listener and no answer of HTTP, {@link #UNREACHABLE} when there is no listener */
    private int status(String path) {
        try (Socket socket = new Socket()) {
            try {
                socket.connect(new InetSocketAddress(config.podIp(), config.enginePort()), (int) ANSWER.toMillis());
            } catch (IOException e) {
                return UNREACHABLE;
            }
            socket.setSoTimeout((int) ANSWER.toMillis());
            socket.getOutputStream()
                    .write(("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                            .getBytes(ISO_8859_1));
            String line = new BufferedReader(new InputStreamReader(socket.getInputStream(), ISO_8859_1)).readLine();
            return WarmupInference.status(line == null ? "" : line);
        } catch (IOException e) {
            return WarmupInference.NO_HTTP;
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}

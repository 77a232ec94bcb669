package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.cuda.CudaException;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.host.HostFiles;
import dev.dormouse.sidecar.host.Sampler;
import dev.dormouse.sidecar.http.HostRoutes;
import dev.dormouse.sidecar.http.SnapshotRoutes;
import dev.dormouse.sidecar.http.SnapshotStats;
import dev.dormouse.sidecar.http.StatusServer;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.transport.MessageChannel;
import dev.dormouse.sidecar.transport.UnixListener;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A running sidecar: the replica, its HTTP side, and the socket on which it serves one engine after the other. */
final class Agent implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);

    private final StatusBoard board;
    private final Replica replica;
    private final StatusServer http;
    private final UnixListener listener;
    private final DeviceMemory device;
    private final Thread engines;
    private final PlainEngine plain;
    private final @Nullable Sampler sampler;
    private volatile @Nullable MessageChannel engine;
    private volatile boolean closed;

    private Agent(AgentConfig config, StatusBoard board, Replica replica, StatusServer http, UnixListener listener,
            DeviceMemory device, @Nullable Sampler sampler) {
        this.sampler = sampler;
        this.device = device;
        this.board = board;
        this.replica = replica;
        this.http = http;
        this.listener = listener;
        this.engines = Thread.ofPlatform().name("engine").unstarted(this::serveEngines);
        this.plain = new PlainEngine(config, () -> config.snapshots() == null
                ? Duration.ZERO
                : PlainEngine.patience(board.current().snapshot().state()), () -> engine != null);
    }

    /**
     * Starts in the order that saves most time: the snapshot is being read before anything else is even loaded.
     *
     * @param store absent when snapshots are off
     * @throws IOException when the HTTP port or the socket cannot be had
     */
    static Agent start(AgentConfig config, @Nullable SnapshotStore store, DeviceMemory device, Clock clock)
            throws IOException {
        return start(config, store, device, clock, status -> {
        });
    }

    /** @param witness is told every change of the status */
    static Agent start(AgentConfig config, @Nullable SnapshotStore store, DeviceMemory device, Clock clock,
            Consumer<SidecarStatus> witness) throws IOException {
        StatusBoard board = new StatusBoard(config, clock, witness);
        SnapshotSettings settings = config.snapshots();
        var stats = new SnapshotStats.Counter();
        SnapshotKeeper keeper = store == null || settings == null
                ? null
                : new SnapshotKeeper(store, settings, device, clock, stats);
        if (settings != null && store == null) {
            board.update(status -> status.previousSnapshot = SnapshotReport.none(SnapshotReport.State.Failed,
                    "VolumeError", "the snapshot volume cannot be used; see the sidecar's log"));
        }
        Replica replica = new Replica(config, device, keeper, board, clock, stats);
        replica.start();
        var requests = new SnapshotRequests(replica, device, keeper, stats);
        StatusServer http = null;
        Sampler sampler = config.sampling() == null
                ? null
                : Sampler.start(HostFiles.OF_THIS_CONTAINER, device::figures, clock, config.sampling());
        try {
            http = StatusServer.start(config.podIp(), config.httpPort(), board,
                    new SnapshotRoutes(store, requests, config.apiToken()), requests,
                    new HostRoutes(HostFiles.OF_THIS_CONTAINER, device::accelerator, sampler), config.tls());
            Agent agent = new Agent(config, board, replica, http, UnixListener.bind(config.socket()), device,
                    sampler);
            agent.engines.start();
            agent.plain.start();
            LOG.info("listening on {}:{} and {}", config.podIp(), http.port(), config.socket());
            return agent;
        } catch (IOException | RuntimeException e) {
            replica.close();
            if (http != null) {
                http.close();
            }
            if (sampler != null) {
                sampler.close();
            }
            throw e;
        }
    }

    SidecarStatus status() {
        return board.current();
    }

    int httpPort() {
        return http.port();
    }

    /** Waits until no engine can connect any more; answers whether that is because the agent was closed. */
    boolean join() throws InterruptedException {
        engines.join();
        return closed;
    }

    /** The connection is the lock: the next engine is served when the one before is gone. */
    private void serveEngines() {
        while (!closed) {
            try {
                Optional<MessageChannel> next = listener.accept();
                if (next.isEmpty()) {
                    return;
                }
                engine = next.get();
                if (closed) {
                    next.get().close();
                    return;
                }
                new EngineSession(next.get(), replica, device).run();
            } catch (IOException e) {
                LOG.error("no engine can connect", e);
                return;
            } catch (CudaException e) {
                LOG.error("a session ended because of the device", e);
                if (e.contextLost()) {
                    // Whoever waits for this thread ends the process, and the kubelet starts one with a new context.
                    return;
                }
            } catch (RuntimeException e) {
                LOG.error("a session ended for a reason of our own", e);
            } finally {
                engine = null;
            }
        }
    }

    /** Stops a restore, lets the engine go, ends every stream. */
    @Override
    public void close() throws IOException {
        closed = true;
        plain.close();
        if (sampler != null) {
            sampler.close();
        }
        replica.close();
        MessageChannel connected = engine;
        if (connected != null) {
            connected.shutdown();
        }
        listener.close();
        http.close();
    }
}

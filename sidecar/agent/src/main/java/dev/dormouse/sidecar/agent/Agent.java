package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.status.StatusBoard;
import dev.dormouse.sidecar.status.StatusServer;
import dev.dormouse.sidecar.status.Statuses;
import dev.dormouse.sidecar.store.SnapshotFiles;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.transport.FramedServer;
import dev.dormouse.sidecar.transport.FramedSocket;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The sidecar's parts put together, in the order that matters: read first, then everything else. */
public final class Agent implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);

    private final Replica replica;
    private final StatusServer http;
    private final FramedServer engines;
    private volatile boolean closing;
    private volatile @Nullable FramedSocket connected;

    private Agent(Replica replica, StatusServer http, FramedServer engines) {
        this.replica = replica;
        this.http = http;
        this.engines = engines;
    }

    static Agent start(AgentConfig config, DeviceMemory device, SnapshotFiles files, Optional<SnapshotStore> store,
            Clock clock) throws IOException {
        long startedAt = ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
        StatusBoard board = new StatusBoard(Statuses.first(UUID.randomUUID().toString(), config.podUid(),
                config.model(), config.activation(), startedAt));
        Replica replica = new Replica(config, device, files, store, board, clock);
        replica.begin();
        StatusServer http = StatusServer.start(new InetSocketAddress(config.podIp(), config.httpPort()), board);
        FramedServer engines = FramedServer.listen(config.socket());
        return new Agent(replica, http, engines);
    }

    /** Serves one engine after the other until closed. */
    void serve() throws IOException {
        while (!closing) {
            FramedSocket socket;
            try {
                socket = engines.accept();
            } catch (IOException e) {
                if (closing) {
                    return;
                }
                throw e;
            }
            serve(socket);
        }
    }

    private void serve(FramedSocket socket) {
        connected = socket;
        try (socket) {
            new EngineSession(socket, replica).run();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            if (!closing) {
                LOG.atWarn().setMessage("an engine's connection ended").addKeyValue("cause", e.getMessage()).log();
            }
        } catch (RuntimeException e) { // a message that lacks a field: it ends this connection, not the sidecar
            LOG.atWarn().setMessage("an engine's message cannot be answered").setCause(e).log();
        } finally {
            connected = null;
        }
    }

    @Override
    public void close() {
        closing = true;
        try {
            engines.close();
            FramedSocket open = connected;
            if (open != null) {
                open.close();
            }
            replica.close();
            http.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

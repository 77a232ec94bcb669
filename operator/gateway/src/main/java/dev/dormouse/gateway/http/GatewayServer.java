package dev.dormouse.gateway.http;

import com.github.benmanes.caffeine.cache.Ticker;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.load.AccessLog;
import dev.dormouse.gateway.load.LoadLog;
import dev.dormouse.gateway.load.TrafficLog;
import dev.dormouse.gateway.route.ApiKey;
import dev.dormouse.gateway.route.ClusterListener;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.trace.Tracing;
import dev.dormouse.gateway.wake.DemandWriter;
import dev.dormouse.gateway.wake.SleepWriter;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import java.time.Clock;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running gateway: both servers and all they need, on one event loop. One loop is enough: a gateway is scaled by
 * replicas, and a second loop would need locks around every decision.
 */
public final class GatewayServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(GatewayServer.class);
    private static final long TICK_MILLIS = 25;
    private static final long SWEEP_MILLIS = 1000;
    private static final int MAX_HEADER_BYTES = 64 << 10;
    private static final long LAST_BYTES_SECONDS = 2;

    private final Vertx vertx;
    private final Context loop;
    private final ServerSettings settings;
    private final Clock clock;
    private final Dispatcher dispatcher;
    private final ApiKeys keys;
    private final Connections connections;
    private final PublicHandler publicHandler;
    private final InternalHandler internalHandler;
    private final HttpServer publicServer;
    private final HttpServer internalServer;
    private final Optional<HttpServer> adminServer;
    private final Promise<Void> drained = Promise.promise();
    private boolean draining;
    private @Nullable Instant drainUntil;

    /**
     * Starts both servers. Clients are answered 503 until {@link #cluster} has been told {@link ClusterListener#synced}.
     *
     * @throws IllegalStateException when an address cannot be bound
     */
    public static GatewayServer start(ServerSettings settings, DemandWriter demands, Clock clock) {
        SleepWriter nobody = (model, at, grace) -> CompletableFuture
                .failedFuture(new UnsupportedOperationException("there is nobody to put a model to sleep"));
        return start(settings, demands, nobody, Tracing.OFF, clock);
    }

    /**
     * The same, where models can be told to sleep.
     *
     * @param tracing of every request; whoever started it closes it behind the gateway
     */
    public static GatewayServer start(ServerSettings settings, DemandWriter demands, SleepWriter sleeps,
            Tracing tracing, Clock clock) {
        // No file cache: Vert.x would leave a folder in the temporary directory.
        VertxOptions options = new VertxOptions().setEventLoopPoolSize(1)
                .setFileSystemOptions(
                        new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false));
        Vertx vertx = Vertx.builder()
                .with(options)
                .withTransport(GuardedTransport.ofThisMachine(settings.timeouts().request()))
                .build();
        GatewayServer server = new GatewayServer(vertx, settings, demands, sleeps, tracing, clock);
        try {
            server.listen();
        } catch (Exception e) { // A BindException comes undeclared through the future.
            server.close();
            throw new IllegalStateException("cannot listen on %s, ports %d and %d: %s".formatted(settings.bind(),
                    settings.port(), settings.internalPort(), e.getMessage()), e);
        }
        return server;
    }

    private GatewayServer(Vertx vertx, ServerSettings settings, DemandWriter demands, SleepWriter sleeps,
            Tracing tracing, Clock clock) {
        this.vertx = vertx;
        this.loop = vertx.getOrCreateContext();
        this.settings = settings;
        this.clock = clock;
        this.dispatcher = new Dispatcher(settings.limits(), settings.gateways(), demands, sleeps,
                new SidecarWatches(vertx, settings.sidecarPort(), settings.sidecarTls()),
                new LoadLog(settings.name(), UUID.randomUUID().toString()),
                new TrafficLog(settings.historyEntries()), clock, this::onLoop);
        this.keys = new ApiKeys(settings.apiKeys());
        this.connections = new Connections(settings.timeouts().request());
        this.publicHandler = new PublicHandler(
                new Exchange.Surroundings(vertx, dispatcher, new Upstreams(vertx), new AccessLog(settings.accessLog()),
                        tracing,
                        new ResultCache(settings.resultCacheBytes(), Ticker.systemTicker()),
                        settings.timeouts()),
                connections, keys, settings.peek(), new CrossOrigin(settings.corsOrigins()));
        this.internalHandler = new InternalHandler(dispatcher);
        this.publicServer = vertx.createHttpServer(options().setPort(settings.port()))
                .requestHandler(publicHandler)
                .connectionHandler(connection -> connections.opened(connection, clock.instant()));
        this.internalServer = vertx.createHttpServer(options().setPort(settings.internalPort()))
                .requestHandler(internalHandler);
        this.adminServer = settings.admin()
                .map(admin -> vertx
                        .createHttpServer(new HttpServerOptions().setHost(admin.bind()).setPort(admin.port()))
                        .requestHandler(new AdminHandler(dispatcher, this::beginDrain)));
    }

    private HttpServerOptions options() {
        return new HttpServerOptions().setHost(settings.bind())
                .setHandle100ContinueAutomatically(true)
                .setMaxHeaderSize(MAX_HEADER_BYTES)
                .setMaxInitialLineLength(MAX_HEADER_BYTES)
                .setHttp2ClearTextEnabled(settings.h2c())
                // There is one thread: no connection needs a queue, of 5 KiB each, for writes of others.
                .setStrictThreadMode(true)
                // Tunnels: what client and engine agree on is theirs.
                .setPerFrameWebSocketCompressionSupported(false)
                .setPerMessageWebSocketCompressionSupported(false)
                .setAcceptBacklog(4096);
    }

    private void onLoop(Runnable task) {
        loop.runOnContext(now -> task.run());
    }

    private void listen() {
        Promise<Void> listening = Promise.promise();
        onLoop(() -> Future.all(publicServer.listen(), internalServer.listen(), listenForAdmin())
                .<Void>mapEmpty()
                .onComplete(listening));
        listening.future().await();
        vertx.setPeriodic(TICK_MILLIS, timer -> onLoop(this::tick));
        vertx.setPeriodic(SWEEP_MILLIS, timer -> onLoop(() -> connections.sweep(clock.instant())));
        LOG.info("clients are served on {}:{}, the operator on port {}", settings.bind(), port(), internalPort());
    }

    private Future<?> listenForAdmin() {
        return adminServer.<Future<?>>map(HttpServer::listen).orElseGet(Future::succeededFuture);
    }

    private void tick() {
        dispatcher.tick();
        if (drainUntil != null) {
            if (!clock.instant().isBefore(drainUntil)) {
                dispatcher.abandon();
                drained.tryComplete();
            } else if (dispatcher.idle()) {
                drained.tryComplete();
            }
        }
    }

    public int port() {
        return publicServer.actualPort();
    }

    public int internalPort() {
        return internalServer.actualPort();
    }

    /** Absent when nobody wants one. */
    public OptionalInt adminPort() {
        return adminServer.isEmpty() ? OptionalInt.empty() : OptionalInt.of(adminServer.get().actualPort());
    }

    /** Tell it what the cluster looks like, from any thread. */
    public ClusterListener cluster() {
        return new ClusterListener() {
            @Override
            public void modelSeen(ModelRoute model) {
                onLoop(() -> dispatcher.modelSeen(model));
            }

            @Override
            public void modelGone(ModelKey model) {
                onLoop(() -> dispatcher.modelGone(model));
            }

            @Override
            public void podSeen(PodRoute pod) {
                onLoop(() -> dispatcher.podSeen(pod));
            }

            @Override
            public void podGone(String uid) {
                onLoop(() -> dispatcher.podGone(uid));
            }

            @Override
            public void gatewaysSeen(int ready) {
                onLoop(() -> dispatcher.gatewaysSeen(ready));
            }

            @Override
            public void apiKeySeen(ApiKey key) {
                onLoop(() -> keys.put(key));
            }

            @Override
            public void apiKeyGone(String name) {
                onLoop(() -> keys.remove(name));
            }

            @Override
            public void synced() {
                onLoop(dispatcher::synced);
            }
        };
    }

    /**
     * Ends it gently: it is not ready any more, and serves on until whoever sends it requests has noticed; then new ones
     * are refused, held and running ones have the drain time to finish, then the held ones are told to go elsewhere. Returns when all that is done. The internal port answers meanwhile.
     */
    public void drain() {
        onLoop(this::beginDrain);
        drained.future().await();
        // Answers that are decided and not yet on the wire.
        publicServer.shutdown(LAST_BYTES_SECONDS, TimeUnit.SECONDS).await();
    }

    /** Said twice, it is under way already. */
    private Future<Void> beginDrain() {
        if (!draining) {
            draining = true;
            internalHandler.close();
            publicHandler.leave();
            if (settings.drainDelay().isZero()) {
                refuseNew();
            } else {
                vertx.setTimer(settings.drainDelay().toMillis(), timer -> refuseNew());
            }
        }
        return drained.future();
    }

    private void refuseNew() {
        publicHandler.close();
        dispatcher.close();
        drainUntil = clock.instant().plus(settings.drain());
    }

    /** Ends it at once: whatever is open is cut. */
    @Override
    public void close() {
        vertx.close().await();
    }
}

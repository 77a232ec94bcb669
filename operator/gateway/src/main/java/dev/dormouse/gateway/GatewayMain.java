package dev.dormouse.gateway;

import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.gateway.http.DataPlane;
import dev.dormouse.gateway.http.InternalServer;
import dev.dormouse.gateway.http.PublicServer;
import dev.dormouse.gateway.kube.DemandWriter;
import dev.dormouse.gateway.kube.KubeCluster;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpServerOptions;
import java.time.Clock;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The gateway's process. */
public final class GatewayMain {
    private static final Logger LOG = LoggerFactory.getLogger(GatewayMain.class);
    private static final long POLL_MILLIS = 50;

    private GatewayMain() {}

    public static void main(String[] args) throws InterruptedException {
        GatewayConfig config;
        try {
            config = GatewayConfig.parse(System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse gateway: " + e.getMessage());
            System.exit(2);
            return;
        }
        run(config);
    }

    private static void run(GatewayConfig config) throws InterruptedException {
        Vertx vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1));
        Context loop = vertx.getOrCreateContext();
        KubernetesClient client = new KubernetesClientBuilder()
                .withConfig(new ConfigBuilder(Config.autoConfigure(null)).withOnlyHttpWatches(true).build())
                .build();
        DemandWriter intent = new DemandWriter(client);
        AtomicReference<DataPlane> created = new AtomicReference<>();
        onLoop(loop, () -> created.set(new DataPlane(vertx, config.name(),
                new HoldLimits(config.maxQueuedPerModel(), config.maxQueued(), 1), intent, Clock.systemUTC())));
        DataPlane plane = created.get();
        KubeCluster cluster = new KubeCluster(client, config.namespaces(), plane,
                task -> loop.runOnContext(on -> task.run()));
        listen(vertx, loop, config, plane);
        onLoop(loop, plane::synced);
        LOG.atInfo()
                .setMessage("gateway is ready")
                .addKeyValue("port", config.port())
                .addKeyValue("internalPort", config.internalPort())
                .log();
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().name("drain").unstarted(() -> {
            drain(loop, plane, config);
            cluster.close();
            intent.close();
            client.close();
            vertx.close().toCompletionStage().toCompletableFuture().join();
        }));
    }

    private static void listen(Vertx vertx, Context loop, GatewayConfig config, DataPlane plane)
            throws InterruptedException {
        HttpServerOptions options = new HttpServerOptions().setHost(config.bind())
                .setHandle100ContinueAutomatically(true);
        CountDownLatch listening = new CountDownLatch(2);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        onLoop(loop, () -> {
            vertx.createHttpServer(options)
                    .requestHandler(new PublicServer(plane, config.peekBytes())::handle)
                    .listen(config.port())
                    .onFailure(failure::set)
                    .onComplete(done -> listening.countDown());
            vertx.createHttpServer(options)
                    .requestHandler(new InternalServer(plane)::handle)
                    .listen(config.internalPort())
                    .onFailure(failure::set)
                    .onComplete(done -> listening.countDown());
        });
        listening.await();
        if (failure.get() != null) {
            System.err
                    .println("dormouse gateway: cannot listen on " + config.bind() + ": " + failure.get().getMessage());
            System.exit(1);
        }
    }

    /** Requests that were taken are finished; then the process may go. */
    private static void drain(Context loop, DataPlane plane, GatewayConfig config) {
        LOG.info("draining");
        try {
            onLoop(loop, plane::drain);
            long end = System.nanoTime() + config.drain().toNanos();
            while (System.nanoTime() < end && !idle(loop, plane)) {
                TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            }
            onLoop(loop, plane::abandon);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static boolean idle(Context loop, DataPlane plane) throws InterruptedException {
        AtomicReference<Boolean> answer = new AtomicReference<>(false);
        onLoop(loop, () -> answer.set(plane.idle()));
        return answer.get();
    }

    private static void onLoop(Context loop, Runnable task) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        loop.runOnContext(on -> {
            try {
                task.run();
            } finally {
                done.countDown();
            }
        });
        done.await();
    }
}

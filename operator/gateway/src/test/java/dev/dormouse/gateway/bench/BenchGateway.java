package dev.dormouse.gateway.bench;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.gateway.http.GatewayServer;
import dev.dormouse.gateway.http.ServerSettings;
import dev.dormouse.gateway.http.Timeouts;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.trace.Tracing;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A gateway whose cluster is one model. SIGTERM drains it, as it does the real one. */
final class BenchGateway {
    private static final ModelKey MODEL = new ModelKey("default", "chat");
    /** Always awake, so that a gateway can be warmed up whose other model sleeps. */
    private static final ModelKey WARM = new ModelKey("default", "warm");
    private static final int MANY = 100_000;

    private BenchGateway() {}

    /** @param wakeMillis 0 for a model that is awake, -1 for one that never wakes */
    static void run(int enginePort, int port, int wakeMillis) throws InterruptedException {
        ServerSettings settings = new ServerSettings("127.0.0.1", port, 0, "bench", HoldLimits.ofRequests(MANY, MANY),
                1,
                new ServerSettings.Peek(1 << 20, 1 << 20, 128 << 20), Duration.ofSeconds(1), Duration.ofSeconds(30), 1,
                Timeouts.DEFAULT, true, false, Optional.empty(), false, 1 << 20, 1000);
        CompletableFuture<Void> demanded = new CompletableFuture<>();
        ReleaseOrder order = new ReleaseOrder();
        GatewayServer gateway = GatewayServer.start(settings, (model, at, trace) -> {
            demanded.complete(null);
            return CompletableFuture.completedFuture(null);
        }, (model, at, grace) -> CompletableFuture.completedFuture(null),
                wakeMillis > 0 ? order : Tracing.OFF, Clock.systemUTC());
        for (ModelKey model : List.of(MODEL, WARM)) {
            gateway.cluster()
                    .modelSeen(new ModelRoute(model, model.name(), List.of(), Instant.EPOCH,
                            new ModelRoute.Admission(ModelLimits.ofConcurrency(MANY), Duration.ofHours(1), 0,
                                    ModelRoute.ColdStart.Hold),
                            ModelRoute.Traffic.DEFAULT, ModelRoute.State.UNKNOWN));
        }
        gateway.cluster().podSeen(pod(WARM, enginePort));
        Runnable wake = () -> gateway.cluster().podSeen(pod(MODEL, enginePort));
        if (wakeMillis == 0) {
            wake.run();
        } else if (wakeMillis > 0) {
            var unused = demanded.thenRunAsync(wake,
                    CompletableFuture.delayedExecutor(wakeMillis, TimeUnit.MILLISECONDS));
        }
        gateway.cluster().synced();
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            gateway.drain();
            System.out.println(order);
            Runtime.getRuntime().halt(0);
        }));
        System.out.println("ready " + gateway.port() + " " + gateway.internalPort());
        new CountDownLatch(1).await();
    }

    private static PodRoute pod(ModelKey model, int enginePort) {
        return new PodRoute(model.name() + "-0", model, Optional.of("127.0.0.1"), enginePort, true, false, false);
    }
}

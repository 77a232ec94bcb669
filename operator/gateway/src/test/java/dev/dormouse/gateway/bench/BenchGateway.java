package dev.dormouse.gateway.bench;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.gateway.http.GatewayServer;
import dev.dormouse.gateway.http.ServerSettings;
import dev.dormouse.gateway.http.Timeouts;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
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
    private static final int MANY = 100_000;

    private BenchGateway() {}

    /** @param wakeMillis 0 for a model that is awake, -1 for one that never wakes */
    static void run(int enginePort, int port, int wakeMillis) throws InterruptedException {
        ServerSettings settings = new ServerSettings("127.0.0.1", port, 0, "bench", HoldLimits.ofRequests(MANY, MANY),
                1,
                new ServerSettings.Peek(1 << 20, 1 << 20, 128 << 20), Duration.ofSeconds(1), Duration.ofSeconds(30), 1,
                Timeouts.DEFAULT, true, false, Optional.empty(), false, 1 << 20, 1000);
        CompletableFuture<Void> demanded = new CompletableFuture<>();
        GatewayServer gateway = GatewayServer.start(settings, (model, at) -> {
            demanded.complete(null);
            return CompletableFuture.completedFuture(null);
        }, Clock.systemUTC());
        gateway.cluster()
                .modelSeen(new ModelRoute(MODEL, "chat", List.of(), Instant.EPOCH,
                        new ModelRoute.Admission(ModelLimits.ofConcurrency(MANY), Duration.ofHours(1), 0,
                                ModelRoute.ColdStart.Hold),
                        ModelRoute.Traffic.DEFAULT, ModelRoute.State.UNKNOWN));
        Runnable wake = () -> gateway.cluster()
                .podSeen(new PodRoute("p", MODEL, Optional.of("127.0.0.1"), enginePort, true, false, false));
        if (wakeMillis == 0) {
            wake.run();
        } else if (wakeMillis > 0) {
            var unused = demanded.thenRunAsync(wake,
                    CompletableFuture.delayedExecutor(wakeMillis, TimeUnit.MILLISECONDS));
        }
        gateway.cluster().synced();
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            gateway.drain();
            Runtime.getRuntime().halt(0);
        }));
        System.out.println("ready " + gateway.port() + " " + gateway.internalPort());
        new CountDownLatch(1).await();
    }
}

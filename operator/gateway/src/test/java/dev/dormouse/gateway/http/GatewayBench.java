package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.http.RequestOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/**
 * Figures of the gateway, each part in a process of its own so that CPU and memory are its own:
 * {@code serve <enginePort> <port>} is a gateway whose cluster is one model "chat" with one replica at that port (0 for a
 * model that sleeps); {@code load <port> <rps> <seconds> json|sse} sends requests at fixed times, however long answers
 * take, and prints percentiles of arrival to end; {@code hold <port> <requests>} opens so many requests of 2 KiB and keeps
 * them open until it is killed.
 */
public final class GatewayBench {
    private static final ModelKey MODEL = new ModelKey("default", "chat");

    private GatewayBench() {}

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "serve" -> serve(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
            case "load" -> load(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]),
                    Integer.parseInt(arguments[3]), arguments[4].equals("sse"));
            case "hold" -> hold(Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
            default -> throw new IllegalArgumentException("serve, load or hold, not " + arguments[0]);
        }
    }

    private static void serve(int enginePort, int port) throws InterruptedException {
        ServerSettings settings = new ServerSettings("127.0.0.1", port, 0, "bench",
                HoldLimits.ofRequests(100_000, 100_000),
                1, new ServerSettings.Peek(1 << 20, 1 << 20, 128 << 20), Duration.ZERO, Duration.ZERO, 1,
                Timeouts.DEFAULT, true, false, Optional.empty(),
                false, 1 << 20, 1000);
        GatewayServer gateway = GatewayServer.start(settings, (model, at) -> CompletableFuture.completedFuture(null),
                Clock.systemUTC());
        gateway.cluster()
                .modelSeen(new ModelRoute(MODEL, "chat", List.of(), Instant.EPOCH,
                        new ModelRoute.Admission(ModelLimits.ofConcurrency(100_000), Duration.ofHours(1), 0,
                                ModelRoute.ColdStart.Hold),
                        ModelRoute.Traffic.DEFAULT, ModelRoute.State.UNKNOWN));
        if (enginePort > 0) {
            gateway.cluster()
                    .podSeen(new PodRoute("p", MODEL, Optional.of("127.0.0.1"), enginePort, true, false, false));
        }
        gateway.cluster().synced();
        new CountDownLatch(1).await();
    }

    private static HttpClient client(Vertx vertx) {
        return vertx.httpClientBuilder()
                .with(new HttpClientOptions().setKeepAliveTimeout(60))
                .with(new PoolOptions().setHttp1MaxSize(20_000))
                .build();
    }

    private static RequestOptions post(int port) {
        return new RequestOptions().setHost("127.0.0.1")
                .setPort(port)
                .setMethod(HttpMethod.POST)
                .setURI("/v1/chat/completions");
    }

    private static void load(int port, int rps, int seconds, boolean sse) throws InterruptedException {
        Vertx vertx = Vertx.vertx();
        HttpClient client = client(vertx);
        int requests = rps * seconds;
        String body = "{\"model\":\"chat\",\"max_tokens\":" + (sse ? 20 : 1) + ",\"stream\":" + sse
                + ",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
        AtomicLongArray nanos = new AtomicLongArray(requests);
        AtomicInteger failed = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(requests);
        long start = System.nanoTime();
        for (int i = 0; i < requests; i++) {
            long due = start + i * 1_000_000_000L / rps;
            while (System.nanoTime() < due) {
                LockSupport.parkNanos(due - System.nanoTime());
            }
            int index = i;
            client.request(post(port))
                    .compose(request -> request.send(body))
                    .compose(response -> response.statusCode() == 200
                            ? response.body()
                            : io.vertx.core.Future.failedFuture("status " + response.statusCode()))
                    .onComplete(end -> {
                        nanos.set(index, System.nanoTime() - due);
                        failed.addAndGet(end.succeeded() ? 0 : 1);
                        done.countDown();
                    });
        }
        boolean all = done.await(60, TimeUnit.SECONDS);
        // The first third warms everybody up.
        long[] sorted = new long[requests - requests / 3];
        Arrays.setAll(sorted, i -> nanos.get(requests / 3 + i));
        Arrays.sort(sorted);
        System.out.printf(Locale.ROOT, "%s %d rps: p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, failed %d%s%n",
                sse ? "sse" : "json", rps, at(sorted, 0.5), at(sorted, 0.9), at(sorted, 0.99), failed.get(),
                all ? "" : ", not all answered");
        vertx.close().await();
    }

    private static double at(long[] sorted, double quantile) {
        return sorted[(int) Math.ceil(quantile * sorted.length) - 1] / 1e6;
    }

    private static void hold(int port, int requests) throws InterruptedException, IOException {
        Vertx vertx = Vertx.vertx();
        HttpClient client = client(vertx);
        String body = "{\"model\":\"chat\",\"input\":\"" + "x".repeat(2048) + "\"}";
        CountDownLatch sent = new CountDownLatch(requests);
        for (int i = 0; i < requests; i++) {
            client.request(post(port)).onSuccess(request -> request.end(body).onComplete(end -> sent.countDown()));
            if (i % 200 == 0) {
                LockSupport.parkNanos(20_000_000);
            }
        }
        boolean all = sent.await(60, TimeUnit.SECONDS);
        System.out.println(all ? "held " + requests : "not all were sent");
        Path marker = Path.of("/proc/self/status");
        System.out.println(
                Files.readString(marker, StandardCharsets.UTF_8).lines().filter(l -> l.startsWith("VmRSS")).toList());
        new CountDownLatch(1).await();
    }
}

package dev.dormouse.gateway.bench;

import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.http.RequestOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/** Requests at fixed times, however long answers take; latency counts from the planned time of sending. */
final class OpenLoop {
    private static final int ROUND_SECONDS = 4;
    private static final int WARM = Integer.getInteger("bench.warm", 30_000);
    private static final int WARM_AT_ONCE = 20;

    private final HttpClient client;
    private final String body;
    private final boolean sse;

    /** @param nanos by request; @param failed how many got no whole 200 */
    private record Round(long[] nanos, int failed) {

        double at(double quantile) {
            long[] sorted = nanos.clone();
            Arrays.sort(sorted);
            return sorted[(int) Math.ceil(quantile * sorted.length) - 1] / 1e6;
        }
    }

    private OpenLoop(HttpClient client, boolean sse) {
        this.client = client;
        this.sse = sse;
        this.body = "{\"model\":\"chat\",\"stream\":" + sse
                + ",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
    }

    static HttpClient client(Vertx vertx) {
        return vertx.httpClientBuilder()
                .with(new HttpClientOptions().setKeepAliveTimeout(60))
                .with(new PoolOptions().setHttp1MaxSize(20_000))
                .build();
    }

    static RequestOptions post(int port) {
        return new RequestOptions().setHost("127.0.0.1")
                .setPort(port)
                .setMethod(HttpMethod.POST)
                .setURI("/v1/chat/completions");
    }

    private static Vertx vertx() {
        return Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setPreferNativeTransport(true));
    }

    /** So many requests, some at a time, as fast as they are answered: until the compilers have little left to do. */
    private void warm(int port, String model, int requests) throws InterruptedException {
        CountDownLatch left = new CountDownLatch(requests);
        for (int i = 0; i < WARM_AT_ONCE; i++) {
            again(port, body.replace("chat", model), left);
        }
        left.await(120, TimeUnit.SECONDS);
    }

    private void again(int port, String like, CountDownLatch left) {
        if (left.getCount() > 0) {
            one(port, like).onComplete(end -> {
                left.countDown();
                again(port, like, left);
            });
        }
    }

    private Future<?> one(int port, String like) {
        return client.request(post(port)).compose(request -> {
            if (sse) {
                request.putHeader("X-Events", "1");
            }
            return request.send(like);
        })
                .compose(response -> response.statusCode() == 200
                        ? response.body()
                        : Future.failedFuture("status " + response.statusCode()));
    }

    private Round send(int port, int rps, int seconds) throws InterruptedException {
        int requests = rps * seconds;
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
            one(port, body).onComplete(end -> {
                nanos.set(index, System.nanoTime() - due);
                failed.addAndGet(end.succeeded() ? 0 : 1);
                done.countDown();
            });
        }
        boolean all = done.await(120, TimeUnit.SECONDS);
        long[] times = new long[requests];
        Arrays.setAll(times, nanos::get);
        return new Round(times, failed.get() + (all ? 0 : (int) done.getCount()));
    }

    static void latency(int direct, int proxied, int rps, int seconds, boolean sse) throws InterruptedException {
        Vertx vertx = vertx();
        OpenLoop loop = new OpenLoop(client(vertx), sse);
        loop.warm(direct, "chat", WARM);
        loop.warm(proxied, "chat", 2 * WARM);
        loop.send(proxied, rps, ROUND_SECONDS);
        List<double[]> rounds = new ArrayList<>();
        int failed = 0;
        for (int spent = 0; spent < seconds; spent += 2 * ROUND_SECONDS) {
            Round without = loop.send(direct, rps, ROUND_SECONDS);
            Round with = loop.send(proxied, rps, ROUND_SECONDS);
            failed += with.failed();
            rounds.add(new double[]{without.at(0.5), with.at(0.5), without.at(0.9), with.at(0.9), without.at(0.99),
                    with.at(0.99)});
        }
        System.out.printf(Locale.ROOT,
                "%s %d rps, medians of %d rounds: p50 %.3f -> %.3f ms, p90 %.3f -> %.3f, p99 %.3f -> %.3f; best round p99 +%.3f; failed %d%n",
                sse ? "sse" : "json", rps, rounds.size(), median(rounds, 0), median(rounds, 1), median(rounds, 2),
                median(rounds, 3), median(rounds, 4), median(rounds, 5),
                rounds.stream().mapToDouble(round -> round[5] - round[4]).min().orElse(0), failed);
        vertx.close().await();
    }

    private static double median(List<double[]> rounds, int column) {
        double[] values = rounds.stream().mapToDouble(round -> round[column]).sorted().toArray();
        return values[values.length / 2];
    }

    /** @param proxies {@code port:pid} each */
    static void cpu(int rps, int seconds, boolean sse, String... proxies) throws InterruptedException {
        Vertx vertx = vertx();
        OpenLoop loop = new OpenLoop(client(vertx), sse);
        for (String proxy : proxies) {
            loop.warm(port(proxy), "chat", 2 * WARM);
            loop.send(port(proxy), rps, ROUND_SECONDS);
        }
        int rounds = Math.max(1, seconds / ROUND_SECONDS / proxies.length);
        List<double[]> perSecond = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            double[] each = new double[proxies.length];
            for (int i = 0; i < proxies.length; i++) {
                Duration before = cpu(proxies[i]);
                Round sent = loop.send(port(proxies[i]), rps, ROUND_SECONDS);
                double spent = cpu(proxies[i]).minus(before).toNanos() / 1e9;
                each[i] = (sent.nanos().length - sent.failed()) / spent;
            }
            perSecond.add(each);
        }
        double[] medians = new double[proxies.length];
        Arrays.setAll(medians, proxy -> median(perSecond, proxy));
        System.out.printf(Locale.ROOT,
                "%s at %d rps, requests per CPU-second, medians of %d rounds: %s; the first is %.2f of the last%n",
                sse ? "sse" : "json", rps, rounds,
                Arrays.stream(medians).mapToObj("%.0f"::formatted).toList(), medians[0] / medians[medians.length - 1]);
        vertx.close().await();
    }

    private static int port(String proxy) {
        return Integer.parseInt(proxy.substring(0, proxy.indexOf(':')));
    }

    private static Duration cpu(String proxy) {
        return ProcessHandle.of(Long.parseLong(proxy.substring(proxy.indexOf(':') + 1)))
                .flatMap(process -> process.info().totalCpuDuration())
                .orElseThrow();
    }

    static void step(int port, int rps, int seconds) throws InterruptedException {
        Vertx vertx = vertx();
        OpenLoop loop = new OpenLoop(client(vertx), false);
        loop.warm(port, "warm", 2 * WARM);
        Round all = loop.send(port, rps, seconds);
        System.out.println("step 0 -> " + rps + " rps: failed " + all.failed() + ", p95 by second of sending, in ms:");
        for (int second = 0; second < seconds; second++) {
            Round one = new Round(Arrays.copyOfRange(all.nanos(), second * rps, (second + 1) * rps), 0);
            System.out.printf(Locale.ROOT, " %.0f", one.at(0.95));
        }
        System.out.println();
        vertx.close().await();
    }
}

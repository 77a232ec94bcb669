package dev.dormouse.gateway.bench;

import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.http.HttpClient;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/** Many requests at once that do not end. */
final class OpenConnections {
    private static final int BURST = 100;

    private OpenConnections() {}

    private static Vertx vertx() {
        return Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1).setPreferNativeTransport(true));
    }

    static void hold(int port, int requests) throws InterruptedException {
        HttpClient client = OpenLoop.client(vertx());
        String body = "{\"model\":\"chat\",\"input\":\"" + "x".repeat(2048) + "\"}";
        CountDownLatch sent = new CountDownLatch(requests);
        for (int i = 0; i < requests; i++) {
            client.request(OpenLoop.post(port))
                    .onSuccess(request -> request.end(body).onComplete(end -> sent.countDown()));
            rest(i);
        }
        System.out.println(sent.await(60, TimeUnit.SECONDS) ? "held " + requests : "not all were sent");
        new CountDownLatch(1).await();
    }

    static void streams(int port, int streams, long pid) throws InterruptedException, IOException {
        Vertx vertx = vertx();
        HttpClient client = OpenLoop.client(vertx);
        long before = residentKib(pid);
        CountDownLatch begun = new CountDownLatch(streams);
        CountDownLatch ended = new CountDownLatch(streams);
        AtomicInteger failed = new AtomicInteger();
        for (int i = 0; i < streams; i++) {
            client.request(OpenLoop.post(port)).onFailure(lost -> failed.incrementAndGet()).onSuccess(request -> {
                request.putHeader("X-Events", "1").putHeader("X-Hold", "1");
                request.send("{\"model\":\"chat\",\"stream\":true}")
                        .onFailure(lost -> failed.incrementAndGet())
                        .onSuccess(response -> response.handler(event -> begun.countDown())
                                .endHandler(end -> ended.countDown()));
            });
            rest(i);
        }
        boolean all = begun.await(120, TimeUnit.SECONDS);
        long open = residentKib(pid);
        System.out.printf("%d streams open: %s, failed %d; resident %d -> %d KiB, %d bytes per stream%n", streams, all,
                failed.get(), before, open, (open - before) * 1024 / streams);
        client.request(OpenLoop.post(port).setURI("/release?model=chat").putHeader("X-Dormouse-Model", "chat"))
                .compose(request -> request.send())
                .await();
        System.out.println("all ended: " + ended.await(120, TimeUnit.SECONDS));
        vertx.close().await();
    }

    private static void rest(int sent) {
        if (sent % BURST == 0) {
            LockSupport.parkNanos(20_000_000);
        }
    }

    private static long residentKib(long pid) throws IOException {
        return Files.readString(Path.of("/proc/" + pid + "/status"), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> line.startsWith("VmRSS"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                .findFirst()
                .orElseThrow();
    }
}

package dev.dormouse.gateway.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Gateways as processes: several, killed, restarted, with little memory. The engine is one too. */
@Timeout(180)
class GatewayProcessesTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    /** 2048 for the long run. */
    private static final long UPLOAD_MIB = Long.getLong("endurance.uploadMiB", 96);
    /** 1000 for the long run. */
    private static final int SLOW = Integer.getInteger("endurance.slowClients", 100);
    private static final int WORKERS = 8;

    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final List<Child> children = new CopyOnWriteArrayList<>();
    private Child engine;

    @BeforeEach
    void start() throws IOException {
        engine = started(Child.engine());
    }

    @AfterEach
    void close() {
        http.shutdownNow();
        children.forEach(Child::close);
    }

    private Child started(Child child) {
        children.add(child);
        return child;
    }

    private CompletableFuture<HttpResponse<String>> ask(Child gateway) {
        return http.sendAsync(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + gateway.port() + "/v1/x"))
                .POST(HttpRequest.BodyPublishers.ofString("{\"model\":\"chat\"}"))
                .build(), HttpResponse.BodyHandlers.ofString());
    }

    private boolean isReady(Child gateway) {
        try {
            return http.send(
                    HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + gateway.internalPort() + "/readyz"))
                            .build(),
                    HttpResponse.BodyHandlers.discarding()).statusCode() == 200;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    @Test
    @DisplayName("BL52: two gateways are restarted one after the other under load, and no request fails")
    void rollingRestart() throws Exception {
        List<Child> endpoints = new CopyOnWriteArrayList<>(
                List.of(started(Child.gateway(engine.port(), 0)), started(Child.gateway(engine.port(), 0))));
        AtomicBoolean over = new AtomicBoolean();
        AtomicInteger answered = new AtomicInteger();
        List<Object> failures = new CopyOnWriteArrayList<>();
        List<Thread> workers = new ArrayList<>();
        for (int i = 0; i < WORKERS; i++) {
            int worker = i;
            workers.add(Thread.ofVirtual().start(() -> {
                for (int n = worker; !over.get(); n++) {
                    try {
                        HttpResponse<String> answer = ask(endpoints.get(n % endpoints.size())).join();
                        answered.incrementAndGet();
                        if (answer.statusCode() != 200) {
                            failures.add(answer.statusCode() + " " + answer.body());
                        }
                    } catch (RuntimeException e) {
                        failures.add(e);
                    }
                }
            }));
        }

        for (int round = 0; round < 2; round++) {
            Child old = endpoints.getFirst();
            Child fresh = started(Child.gateway(engine.port(), 0));
            endpoints.add(fresh);
            CompletableFuture<Boolean> ended = CompletableFuture.supplyAsync(() -> {
                try {
                    return old.end();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            });
            // What keeps the service's endpoints learns of it by the probe.
            await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(() -> !isReady(old));
            endpoints.remove(old);
            assertThat(ended.join()).isTrue();
        }
        int before = answered.get();
        await().atMost(PATIENCE).until(() -> answered.get() > before + 100);
        over.set(true);
        for (Thread worker : workers) {
            worker.join();
        }

        assertThat(failures).isEmpty();
        assertThat(answered.get()).isGreaterThan(200);
    }

    @Test
    @DisplayName("A gateway that is killed loses what it carried, and nothing else")
    void killed() throws Exception {
        Child victim = started(Child.gateway(engine.port(), -1));
        Child other = started(Child.gateway(engine.port(), 1500));
        List<CompletableFuture<HttpResponse<String>>> lost = new ArrayList<>();
        List<CompletableFuture<HttpResponse<String>>> kept = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            lost.add(ask(victim));
            kept.add(ask(other));
        }
        await().atMost(PATIENCE).until(() -> held(victim) == 20);
        victim.close();

        assertThat(lost)
                .allSatisfy(each -> assertThat(each.handle((answer, failure) -> failure != null).join()).isTrue());
        assertThat(kept).allSatisfy(each -> assertThat(each.join().statusCode()).isEqualTo(200));
        assertThat(ask(other).join().statusCode()).as("whoever asks again, elsewhere").isEqualTo(200);
    }

    private int held(Child gateway) throws IOException, InterruptedException {
        String metrics = http.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + gateway.internalPort() + "/metrics")).build(),
                HttpResponse.BodyHandlers.ofString()).body();
        return metrics.lines()
                .filter(line -> line.startsWith("dormouse_gateway_held_requests "))
                .mapToInt(line -> (int) Double.parseDouble(line.substring(line.indexOf(' ') + 1)))
                .sum();
    }

    @Test
    @DisplayName("An upload that is larger than the gateway's memory passes through it (-Dendurance.uploadMiB=2048)")
    void largeUpload() throws Exception {
        Child small = started(Child.gateway(engine.port(), 0, "-Xmx32m", "-XX:MaxDirectMemorySize=16m"));
        try (Socket client = new Socket(InetAddress.getLoopbackAddress(), small.port())) {
            client.setSoTimeout((int) PATIENCE.toMillis());
            OutputStream out = client.getOutputStream();
            out.write(
                    ("POST /v1/x HTTP/1.1\r\nHost: g\r\nX-Dormouse-Model: chat\r\nConnection: close\r\nContent-Length: "
                            + (UPLOAD_MIB << 20) + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1));
            byte[] piece = new byte[1 << 20];
            for (long sent = 0; sent < UPLOAD_MIB; sent++) {
                out.write(piece);
            }

            assertThat(new String(client.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1))
                    .startsWith("HTTP/1.1 200");
        }
    }

    @Test
    @DisplayName("Clients that send and read as slowly as can be do not keep a fast one waiting (-Dendurance.slowClients=1000)")
    void slowClients() throws Exception {
        Child gateway = started(Child.gateway(engine.port(), 0));
        List<Socket> slow = new ArrayList<>();
        try {
            for (int i = 0; i < SLOW; i++) {
                Socket client = new Socket(InetAddress.getLoopbackAddress(), gateway.port());
                slow.add(client);
                String head = "POST /v1/x HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n";
                String begun = switch (i % 4) {
                    case 0 -> head.substring(0, 30);
                    case 1 -> head + "\r\n{\"model\":";
                    case 2 -> head + "X-Dormouse-Model: chat\r\n\r\n{";
                    // Never reads its stream.
                    default -> "GET /v1/x?model=chat HTTP/1.1\r\nHost: g\r\nX-Events: 1\r\nX-Hold: 1\r\n\r\n";
                };
                client.getOutputStream().write(begun.getBytes(StandardCharsets.ISO_8859_1));
            }

            for (int i = 0; i < 50; i++) {
                assertThat(ask(gateway).join().statusCode()).isEqualTo(200);
            }
            assertThat(slow).noneMatch(Socket::isClosed);
            // One of them makes up its mind.
            slow.get(1).setSoTimeout((int) PATIENCE.toMillis());
            slow.get(1).getOutputStream().write(("\"chat\"}" + " ".repeat(84)).getBytes(StandardCharsets.ISO_8859_1));
            byte[] status = slow.get(1).getInputStream().readNBytes(12);
            assertThat(new String(status, StandardCharsets.ISO_8859_1)).isEqualTo("HTTP/1.1 200");
        } finally {
            for (Socket client : slow) {
                client.close();
            }
        }
    }
}

package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static dev.dormouse.gateway.http.FakeCluster.error;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Set;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.ModelRoute.ColdStart;
import dev.dormouse.gateway.route.ModelRoute.Problem;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Requests for a model that sleeps. */
class HoldingTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final LinkedBlockingQueue<SidecarStatus> sidecarSays = new LinkedBlockingQueue<>();
    private final FakeEngine sidecar;
    private final FakeEngine engine;
    private final FakeCluster cluster;

    HoldingTest() throws IOException {
        engine = new FakeEngine(FakeEngine.echo());
        sidecar = new FakeEngine((exchange, body) -> {
            exchange.sendResponseHeaders(200, 0);
            while (true) {
                exchange.getResponseBody()
                        .write((JSON.writeValueAsString(sidecarSays.take()) + "\n").getBytes(
                                StandardCharsets.UTF_8));
                exchange.getResponseBody().flush();
            }
        });
        cluster = new FakeCluster(sidecar.port());
    }

    @AfterEach
    void close() {
        cluster.close();
        engine.close();
        sidecar.close();
    }

    private static SidecarStatus status(String uid, ReplicaPhase phase) {
        return new SidecarStatus(1, "i", uid, "default/minilm", "1", phase, 50, 10, Rung.NodeCache, 0, List.of(),
                SnapshotReport.ABSENT, null, 0, 0, 0, 0, 0, null, null);
    }

    private List<CompletableFuture<HttpResponse<String>>> ask(int clients) {
        return IntStream.range(0, clients).mapToObj(i -> cluster.askLater()).toList();
    }

    @Test
    @DisplayName("L2, L8, L17: 50 clients of a sleeping model cause one demand and get 50 answers")
    void manyClientsOneDemand() {
        cluster.model(64);
        List<CompletableFuture<HttpResponse<String>>> answers = ask(50);
        await().atMost(PATIENCE).until(() -> cluster.queued() == 50);

        cluster.pod("p", engine.port(), true);

        assertThat(answers).allSatisfy(answer -> {
            assertThat(answer.join().statusCode()).isEqualTo(200);
            assertThat(answer.join().headers().firstValue("X-Dormouse-Wake").orElseThrow())
                    .matches("Volume;waited=\\d+\\.\\d{3}");
        });
        assertThat(cluster.demands).containsExactly(FakeCluster.MODEL);
        assertThat(cluster.internal("/metrics").body()).contains(
                "dormouse_gateway_wait_seconds_count{model=\"default/minilm\"} 50",
                "dormouse_gateway_wakes_total{model=\"default/minilm\"} 1.0", "dormouse_gateway_held_requests 0.0",
                "dormouse_gateway_requests_total{code=\"200\",model=\"default/minilm\"} 50.0");
    }

    @Test
    @DisplayName("A demand carries the trace of the request that waits, if it is one")
    void trace() {
        String trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        cluster.model(10);
        var held = cluster.askWith("traceparent", trace);
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

        assertThat(cluster.traces).containsExactly(trace);
        assertThat(held).isNotDone();

        try (FakeCluster other = new FakeCluster(sidecar.port())) {
            other.model(10);
            var heldToo = other.askWith("traceparent", trace + "-more");
            await().atMost(PATIENCE).until(() -> other.queued() == 1);

            assertThat(other.demands).hasSize(1);
            assertThat(other.traces).isEmpty();
            assertThat(heldToo).isNotDone();
        }
    }

    @Test
    @DisplayName("L24, L27, L47, BL9, BL10: waiting requests count against the limit of 10; 40 of 50 are told 429 with Retry-After")
    void overTheLimit() {
        cluster.model(10);
        List<CompletableFuture<HttpResponse<String>>> answers = ask(50);
        await().atMost(PATIENCE)
                .until(() -> answers.stream().filter(CompletableFuture::isDone).count() == 40
                        && cluster.queued() == 10);

        cluster.pod("p", engine.port(), true);

        Map<Integer, Long> codes = answers.stream()
                .map(CompletableFuture::join)
                .collect(Collectors.groupingBy(HttpResponse::statusCode, Collectors.counting()));
        assertThat(codes).isEqualTo(Map.of(200, 10L, 429, 40L));
        assertThat(answers.stream().map(CompletableFuture::join).filter(answer -> answer.statusCode() == 429))
                .allSatisfy(answer -> {
                    assertThat(answer.headers().firstValue("Retry-After")).contains("1");
                    assertThat(error(answer).path("code").asText()).isEqualTo("concurrency_limit_exceeded");
                });
    }

    @Test
    @DisplayName("A held request goes the moment the sidecar says Ready, before the pod is, with the sidecar's rung")
    void sidecarIsBelieved() {
        cluster.model(10);
        CompletableFuture<HttpResponse<String>> answer = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        cluster.pod("p", engine.port(), false);
        sidecarSays.add(status("p", ReplicaPhase.Restoring));
        sidecarSays.add(status("another", ReplicaPhase.Ready));
        await().atMost(PATIENCE).until(() -> sidecarSays.isEmpty());
        assertThat(answer).isNotDone();

        sidecarSays.add(status("p", ReplicaPhase.Ready));

        assertThat(answer.join().statusCode()).isEqualTo(200);
        assertThat(answer.join().headers().firstValue("X-Dormouse-Wake").orElseThrow()).startsWith("NodeCache;waited=");
    }

    @Test
    @DisplayName("L14, L16: a client that leaves while it is held frees its place")
    void clientLeavesWhileHeld() throws IOException {
        cluster.model(1);
        try (Socket client = new Socket(InetAddress.getLoopbackAddress(), cluster.gateway.port())) {
            String body = "{\"model\":\"minilm\"}";
            client.getOutputStream()
                    .write(("POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: "
                            + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
            await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        }
        await().atMost(PATIENCE).until(() -> cluster.queued() == 0);

        CompletableFuture<HttpResponse<String>> next = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        cluster.pod("p", engine.port(), true);

        assertThat(next.join().statusCode()).isEqualTo(200);
        assertThat(engine.seen()).hasSize(1);
        assertThat(cluster.internal("/metrics").body())
                .contains("dormouse_gateway_client_disconnects_total{model=\"default/minilm\"} 1.0");
    }

    @Test
    @DisplayName("L52: held past its deadline a request is told 504 and what keeps the model from being ready")
    void deadline() {
        ModelRoute.State state = new ModelRoute.State(
                Optional.of(new Problem("ImagePullFailed", "no such image: engine:9")), false, Optional.empty(),
                Optional.empty(), Optional.empty());
        cluster.gateway.cluster()
                .modelSeen(FakeCluster.route(FakeCluster.MODEL, 10, Duration.ofMillis(100), ColdStart.Hold, state));

        HttpResponse<String> answer = cluster.askLater().join();

        assertThat(answer.statusCode()).isEqualTo(504);
        assertThat(error(answer).path("message").asText()).contains("ImagePullFailed", "no such image: engine:9");
        assertThat(cluster.queued()).isZero();
    }

    private static ModelRoute.State waking(String phase, int attempt) {
        return new ModelRoute.State(Optional.of(new Problem("WarmupFailed", "out of memory")), false,
                Optional.of(new ModelRoute.Activation(Instant.EPOCH, Optional.empty())),
                Optional.of(new ModelRoute.Warmup(phase, OptionalInt.empty(), OptionalInt.empty(), OptionalInt.empty(),
                        attempt)),
                Optional.of(new ModelRoute.LastWake("Volume", Duration.ofMillis(2500))));
    }

    @Test
    @DisplayName("L52: a wake that failed twice is one 503 to all its waiters, and to those who come at once after")
    void failedWake() {
        cluster.model(10);
        List<CompletableFuture<HttpResponse<String>>> answers = ask(5);
        await().atMost(PATIENCE).until(() -> cluster.queued() == 5);
        cluster.model(waking("Failed", 1), ColdStart.Hold);
        assertThat(cluster.queued()).as("one failure may be bad luck").isEqualTo(5);

        cluster.model(waking("Failed", 2), ColdStart.Hold);

        assertThat(answers).extracting(answer -> answer.join().statusCode()).containsOnly(503);
        HttpResponse<String> next = cluster.askLater().join();
        assertThat(error(next).path("code").asText()).isEqualTo("wake_failed");
        assertThat(error(next).path("message").asText()).contains("out of memory");
        assertThat(next.headers().firstValue("Retry-After")).contains("1");
    }

    @Test
    @DisplayName("W18: who says how long it waits is told at once when that will not do, and the model wakes nevertheless")
    void deadlineAware() {
        cluster.model(10);
        for (String[] header : new String[][]{{"X-Deadline-Ms", "2000"}, {"Prefer", "respond-async, wait=2"}}) {
            HttpResponse<String> answer = cluster.askWith(header).join();
            assertThat(answer.statusCode()).isEqualTo(503);
            assertThat(error(answer).path("code").asText()).isEqualTo("model_waking");
            assertThat(answer.headers().firstValue("Retry-After")).contains("3");
        }
        await().atMost(PATIENCE).until(() -> !cluster.demands.isEmpty());
        CompletableFuture<HttpResponse<String>> patient = cluster.askWith("X-Deadline-Ms", "60000");
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        cluster.pod("p", engine.port(), true);

        assertThat(patient.join().statusCode()).isEqualTo(200);
        assertThat(cluster.askWith("X-Deadline-Ms", "soon").join().statusCode()).isEqualTo(400);
    }

    @Test
    @DisplayName("coldStart: Reject answers 503 with Retry-After and wakes the model; awake, it serves")
    void rejectWhileAsleep() {
        cluster.model(FakeCluster.FROM_VOLUME, ColdStart.Reject);

        HttpResponse<String> answer = cluster.askLater().join();

        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.headers().firstValue("Retry-After")).contains("3");
        await().atMost(PATIENCE).until(() -> cluster.demands.size() == 1);
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.askLater().join().statusCode() == 200);
    }

    @Test
    @DisplayName("BL14, BL31: probes, scrapes and ignored paths neither wake a model nor keep it awake")
    void quietRequests() {
        cluster.model(10);

        assertThat(cluster.get("/models/default/minilm/health").statusCode()).isEqualTo(409);
        assertThat(cluster.get("/models/default/minilm/metrics").statusCode()).isEqualTo(409);
        assertThat(cluster.demands).isEmpty();
        assertThat(cluster.load().isMissingNode()).isTrue();

        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.get("/models/default/minilm/health").statusCode() == 200);
        assertThat(cluster.load().isMissingNode()).isTrue();
    }

    @Test
    @DisplayName("L60: the waiters of a model that is deleted are told 404")
    void modelDeletedWhileHeld() {
        cluster.model(10);
        CompletableFuture<HttpResponse<String>> answer = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

        cluster.gateway.cluster().modelGone(FakeCluster.MODEL);

        assertThat(answer.join().statusCode()).isEqualTo(404);
        assertThat(error(answer.join()).path("code").asText()).isEqualTo("model_not_found");
    }

    @Test
    @DisplayName("A replica that refuses the connection is suspected, the request waits on and is served later")
    void refusedConnection() throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        cluster.model(10);
        cluster.pod("p", port, true);
        CompletableFuture<HttpResponse<String>> answer = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

        try (FakeEngine late = new FakeEngine(port, FakeEngine.echo())) {
            assertThat(answer.join().statusCode()).isEqualTo(200);
            assertThat(late.seen()).hasSize(1);
        }
    }

    @Test
    @DisplayName("A draining replica gets nothing new, and the report says that its mark has been seen")
    void drainingReplica() {
        cluster.model(10);
        cluster.draining("old", engine.port());
        CompletableFuture<HttpResponse<String>> answer = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        assertThat(FakeCluster.json(cluster.internal("/internal/demand").body()).path("drainingSeen").toString())
                .isEqualTo("[\"old\"]");

        cluster.pod("new", engine.port(), true);
        cluster.gateway.cluster().podGone("old");

        assertThat(answer.join().statusCode()).isEqualTo(200);
        await().atMost(PATIENCE)
                .until(() -> FakeCluster.json(cluster.internal("/internal/demand").body())
                        .path("drainingSeen")
                        .isEmpty());
    }

    @Test
    @DisplayName("L2, L12: a hundred models asleep, a request each at once: each is demanded once, all are answered")
    void hundredModels() throws IOException {
        try (FakeEngine engine = new FakeEngine(FakeEngine.echo())) {
            List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                cluster.gateway.cluster()
                        .modelSeen(FakeCluster.route(new ModelKey("fleet", "m" + i), 10, PATIENCE));
            }
            for (int i = 0; i < 100; i++) {
                answers.add(cluster.askLater("{\"model\":\"m" + i + "\"}"));
            }
            await().atMost(PATIENCE).until(() -> cluster.demands.size() == 100);
            for (int i = 0; i < 100; i++) {
                cluster.gateway.cluster()
                        .podSeen(new PodRoute("p" + i, new ModelKey("fleet", "m" + i), Optional.of("127.0.0.1"),
                                engine.port(), true, false, false));
            }

            for (int i = 0; i < 100; i++) {
                assertThat(answers.get(i).join().body()).isEqualTo("{\"model\":\"m" + i + "\"}");
            }
            assertThat(Set.copyOf(cluster.demands)).hasSize(100);
        }
    }
}

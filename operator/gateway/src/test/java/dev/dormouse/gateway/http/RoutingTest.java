package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.traffic.CanarySplit;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** By which part of a request its model is found (BL28). */
class RoutingTest {
    private final FakeEngine engine = new FakeEngine(FakeEngine.echo());
    private final FakeCluster cluster = new FakeCluster(1);

    RoutingTest() throws IOException {
        cluster.model(10);
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.get("/models/default/minilm/x").statusCode() == 200);
    }

    @AfterEach
    void close() {
        cluster.close();
        engine.close();
    }

    private int send(HttpRequest.Builder request) {
        return cluster.http.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString()).join().statusCode();
    }

    private String lastSeen() {
        return engine.seen().getLast().uri();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings",
            "/v1/audio/speech", "/v1/images/generations", "/v1/rerank", "/v1/messages", "/rerank?top=3"})
    @DisplayName("BL28, BL29: every path of an OpenAI client reaches the engine as it is")
    void everyPath(String path) {
        assertThat(send(cluster.request(path).POST(HttpRequest.BodyPublishers.ofString("{\"model\":\"minilm\"}"))))
                .isEqualTo(200);
        assertThat(lastSeen()).isEqualTo(path);
    }

    @Test
    @DisplayName("A multipart form, byte for byte")
    void multipart() {
        String form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b\r\n"
                + "Content-Disposition: form-data; name=\"model\"\r\n\r\nminilm\r\n--b--\r\n";

        assertThat(send(cluster.request("/v1/audio/transcriptions")
                .header("Content-Type", "multipart/form-data; boundary=b")
                .POST(HttpRequest.BodyPublishers.ofString(form)))).isEqualTo(200);
        assertThat(engine.seen().getLast().body()).isEqualTo(form);
    }

    @Test
    @DisplayName("Header, query and full name; a compressed body is untouched when something else names the model")
    void headerAndQuery() {
        assertThat(send(cluster.request("/v1/audio/voices").header("X-Dormouse-Model", "minilm"))).isEqualTo(200);
        assertThat(send(cluster.request("/v1/audio/voices?model=default%2Fminilm"))).isEqualTo(200);
        assertThat(lastSeen()).isEqualTo("/v1/audio/voices?model=default%2Fminilm");
        HttpRequest.BodyPublisher squeezed = HttpRequest.BodyPublishers.ofString("not really gzip");
        assertThat(send(cluster.request("/v1/embeddings").header("Content-Encoding", "gzip").POST(squeezed)))
                .isEqualTo(400);
        assertThat(send(cluster.request("/v1/embeddings")
                .header("Content-Encoding", "gzip")
                .header("X-Dormouse-Model", "minilm")
                .POST(squeezed))).isEqualTo(200);
        assertThat(engine.seen().getLast().body()).isEqualTo("not really gzip");
        assertThat(engine.seen().getLast().headers().getFirst("Content-Encoding")).isEqualTo("gzip");
    }

    private static ModelRoute with(ModelKey key, List<String> aliases, ModelRoute.Traffic traffic) {
        ModelRoute route = FakeCluster.route(key, 10, Duration.ofMinutes(1));
        return new ModelRoute(key, key.name(), aliases, Instant.EPOCH, route.admission(), traffic, route.state());
    }

    private static ModelRoute.Traffic traffic(Strategy strategy, Optional<ModelRoute.Canary> canary) {
        return new ModelRoute.Traffic(strategy, 100, 2, canary, Optional.empty());
    }

    @Test
    @DisplayName("BL5: called by an alias or in full, a model is told its own name, and nothing else of the body changes")
    void renamed() {
        cluster.gateway.cluster()
                .modelSeen(with(FakeCluster.MODEL, List.of("gpt-4o"), ModelRoute.Traffic.DEFAULT));
        await().until(() -> cluster.ask("{\"model\": \"gpt-4o\"}").statusCode() == 200);
        for (String name : List.of("gpt-4o", "default/minilm")) {
            String rest = "\"x\" : {\"model\":\"gpt-4o\"}, \"größe\":1.50}";
            HttpResponse<String> answer = cluster.ask("{ \"model\" :\t\"" + name + "\" ," + rest);
            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(engine.seen().getLast().body()).isEqualTo("{ \"model\" :\t\"minilm\" ," + rest);
        }
        String large = "{\"model\":\"gpt-4o\",\"input\":\"" + "x".repeat(3 << 20) + "\"}";
        assertThat(cluster.ask(large).statusCode()).isEqualTo(200);
        assertThat(engine.seen().getLast().body()).isEqualTo(large.replace("gpt-4o", "minilm"));
    }

    @Test
    @DisplayName("W48, BL18: a canary answers its part under its own name, the same users always, and who asks for it")
    void canary() throws IOException {
        ModelKey next = new ModelKey("default", "minilm-v2");
        CanarySplit split = new CanarySplit(30,
                Optional.of(new CanarySplit.HeaderRule("X-Try", Optional.of("new"))));
        cluster.gateway.cluster().modelSeen(FakeCluster.route(next, 10, Duration.ofMinutes(1)));
        cluster.gateway.cluster()
                .modelSeen(with(FakeCluster.MODEL, List.of(), traffic(Strategy.DEFAULT,
                        Optional.of(new ModelRoute.Canary(next, split, Optional.empty())))));
        try (FakeEngine trial = new FakeEngine(FakeEngine.echo())) {
            cluster.gateway.cluster()
                    .podSeen(new PodRoute("t", next, Optional.of("127.0.0.1"), trial.port(), true, false, false));
            await().atMost(PATIENCE)
                    .until(() -> cluster.askWith("X-Try", "new").join().body().equals("{\"model\":\"minilm-v2\"}"));
            for (int user = 0; user < 40; user++) {
                String body = "{\"model\":\"minilm\",\"user\":\"u" + user + "\"}";
                assertThat(cluster.ask(body).body()).isEqualTo(cluster.ask(body).body());
            }
            assertThat(trial.seen().size()).isBetween(10, 50);
        }
    }

    @Test
    @DisplayName("W37: a replica that keeps failing is given nothing while another answers, and draining stays respected")
    void outlier() throws IOException {
        try (FakeEngine broken = new FakeEngine((exchange, body) -> exchange.sendResponseHeaders(500, -1))) {
            cluster.gateway.cluster()
                    .modelSeen(
                            with(FakeCluster.MODEL, List.of(), traffic(new Strategy.RoundRobin(), Optional.empty())));
            cluster.pod("q", broken.port(), true);
            await().atMost(PATIENCE).until(() -> {
                cluster.askLater().join();
                return broken.seen().size() == 2;
            });
            for (int i = 0; i < 10; i++) {
                assertThat(cluster.askLater().join().statusCode()).isEqualTo(200);
            }
            assertThat(broken.seen()).hasSize(2);
        }
    }

    @Test
    @DisplayName("Prompts that begin alike go to one replica")
    void prefixHash() throws IOException {
        try (FakeEngine second = new FakeEngine(FakeEngine.echo())) {
            cluster.gateway.cluster()
                    .modelSeen(with(FakeCluster.MODEL, List.of(),
                            traffic(new Strategy.PrefixHash(125), Optional.empty())));
            cluster.pod("q", second.port(), true);
            String beginning = "You are a helpful dormouse. ".repeat(4);
            int before = engine.seen().size();
            for (int i = 0; i < 10; i++) {
                cluster.ask("{\"model\":\"minilm\",\"messages\":[{\"role\":\"system\",\"content\":\"" + beginning
                        + "\"},{\"role\":\"user\",\"content\":\"" + i + "\"}]}");
            }
            assertThat(List.of(engine.seen().size() - before, second.seen().size())).containsExactlyInAnyOrder(10, 0);
        }
    }

    @Test
    @DisplayName("The limit is shared by as many gateways as are ready")
    void limitIsShared() {
        cluster.gateway.cluster().gatewaysSeen(10);
        cluster.gateway.cluster()
                .podSeen(new PodRoute("p", FakeCluster.MODEL, Optional.of("127.0.0.1"), 1, false,
                        false, false));
        await().atMost(PATIENCE).until(() -> cluster.get("/v1/models").body().contains("unloaded"));
        CompletableFuture<HttpResponse<String>> held = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

        assertThat(cluster.askLater().join().statusCode()).isEqualTo(429);
        assertThat(held).isNotDone();
    }

    @Test
    @DisplayName("W34–W36: the same body is answered from memory, whatever its order, without waking; another revision is not")
    void resultCache() {
        ModelRoute.Traffic first = new ModelRoute.Traffic(Strategy.DEFAULT, 1, 5, Optional.empty(),
                Optional.of(new ModelRoute.ResultCaching(Duration.ofMinutes(1), "1")));
        cluster.gateway.cluster().modelSeen(with(FakeCluster.MODEL, List.of(), first));
        String body = "{\"model\":\"minilm\",\"input\":\"a\",\"n\":1}";
        String sameOtherwise = "{\"n\": 1, \"input\": \"a\", \"model\": \"minilm\"}";
        assertThat(cluster.ask(body).headers().firstValue("X-Dormouse-Cache")).isEmpty();
        // The client has its answer a moment before the cache has.
        await().atMost(PATIENCE)
                .until(() -> cluster.ask(sameOtherwise).headers().firstValue("X-Dormouse-Cache").isPresent());
        cluster.draining("p", engine.port());

        HttpResponse<String> again = cluster.ask(sameOtherwise);
        assertThat(again.headers().firstValue("X-Dormouse-Cache")).contains("hit");
        assertThat(again.body()).isIn(body, sameOtherwise);
        assertThat(cluster.demands).isEmpty();

        cluster.pod("q", engine.port(), true);
        int before = engine.seen().size();
        cluster.ask(body.replace("}", ",\"stream\":true}"));
        cluster.ask(body.replace("}", ",\"stream\":true}"));
        assertThat(engine.seen()).hasSize(before + 2);
        cluster.gateway.cluster()
                .modelSeen(with(FakeCluster.MODEL, List.of(), new ModelRoute.Traffic(Strategy.DEFAULT, 1, 5,
                        Optional.empty(), Optional.of(new ModelRoute.ResultCaching(Duration.ofMinutes(1), "2")))));
        await().atMost(PATIENCE)
                .until(() -> cluster.ask(body).headers().firstValue("X-Dormouse-Cache").isEmpty());
        assertThat(cluster.internal("/metrics").body())
                .contains("dormouse_gateway_result_cache_total{model=\"default/minilm\",result=\"hit\"} ");
    }
}

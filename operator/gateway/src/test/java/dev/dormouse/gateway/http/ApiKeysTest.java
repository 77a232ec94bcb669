package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ApiKey;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** BL25: who may come in, to which models, and how many at once. */
class ApiKeysTest {
    private final FakeEngine engine = new FakeEngine(FakeEngine.echo());
    private final FakeCluster cluster = FakeCluster.withApiKeys();

    ApiKeysTest() throws IOException {
        cluster.model(10);
        cluster.gateway.cluster()
                .modelSeen(FakeCluster.route(new ModelKey("default", "secret"), 1, Duration.ofSeconds(1)));
        cluster.gateway.cluster()
                .apiKeySeen(new ApiKey("keys/team", Set.of(ApiKey.digest("s3cret")), List.of("default/min*"), 0, 1));
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> ask("Authorization", "Bearer s3cret") == 200);
    }

    @AfterEach
    void close() {
        cluster.close();
        engine.close();
    }

    private int ask(String... header) {
        return cluster.askWith(header).join().statusCode();
    }

    @Test
    @DisplayName("Bearer, Basic and x-api-key open; nothing else does; the engine sees no key")
    void waysIn() {
        String basic = Base64.getEncoder().encodeToString("anybody:s3cret".getBytes(StandardCharsets.UTF_8));
        assertThat(ask("Authorization", "Basic " + basic)).isEqualTo(200);
        assertThat(ask("x-api-key", "s3cret")).isEqualTo(200);
        assertThat(engine.seen()).noneMatch(seen -> seen.headers().containsKey("Authorization")
                || seen.headers().containsKey("x-api-key"));

        HttpResponse<String> refused = cluster.askWith("Authorization", "Bearer wrong").join();
        assertThat(refused.statusCode()).isEqualTo(401);
        assertThat(refused.headers().firstValue("WWW-Authenticate")).isPresent();
        assertThat(refused.body()).doesNotContain("wrong");
        assertThat(ask("X-Nothing", "1")).isEqualTo(401);
        cluster.gateway.cluster().apiKeyGone("keys/team");
        await().atMost(PATIENCE).until(() -> ask("x-api-key", "s3cret") == 401);
    }

    @Test
    @DisplayName("A key opens its models only, and shows no others")
    void models() {
        assertThat(
                cluster.http
                        .sendAsync(cluster.request("/models/default/secret/x").header("x-api-key", "s3cret").build(),
                                HttpResponse.BodyHandlers.ofString())
                        .join()
                        .statusCode())
                .isEqualTo(403);
        assertThat(cluster.http.sendAsync(cluster.request("/v1/models").header("x-api-key", "s3cret").build(),
                HttpResponse.BodyHandlers.ofString()).join().body()).contains("minilm").doesNotContain("secret");
    }

    @Test
    @DisplayName("A key has so many requests at once, waiting ones included, and its place is free when one ends")
    void limit() {
        cluster.draining("p", engine.port());
        AtomicReference<CompletableFuture<HttpResponse<String>>> held = new AtomicReference<>(
                cluster.askWith("x-api-key", "s3cret"));
        await().atMost(PATIENCE).until(() -> {
            if (held.get().isDone()) { // it came before the gateway had seen the mark
                held.set(cluster.askWith("x-api-key", "s3cret"));
            }
            return cluster.queued() == 1;
        });

        HttpResponse<String> second = cluster.askWith("x-api-key", "s3cret").join();
        assertThat(FakeCluster.error(second).path("code").asText()).isEqualTo("key_limit_exceeded");
        cluster.pod("q", engine.port(), true);
        assertThat(held.get().join().statusCode()).isEqualTo(200);
        await().atMost(PATIENCE).until(() -> ask("x-api-key", "s3cret") == 200);
    }
}

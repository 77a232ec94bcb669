package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.PodRoute;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What a person with a pager sees and may do. */
class AdminTest {
    private final FakeEngine engine = new FakeEngine((exchange, body) -> {
        byte[] answer = "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}".getBytes(
                java.nio.charset.StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, answer.length);
        exchange.getResponseBody().write(answer);
    });
    private final FakeCluster cluster = new FakeCluster(1);

    AdminTest() throws IOException {
        cluster.model(10);
    }

    @AfterEach
    void close() {
        cluster.close();
        engine.close();
    }

    private JsonNode admin(String path) {
        return FakeCluster.json(cluster.admin("GET", path).body());
    }

    @Test
    @DisplayName("BL32, BL38, L33: who waits in which place; one is cancelled, the others stay and move up")
    void cancelOne() {
        CompletableFuture<HttpResponse<String>> first = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        CompletableFuture<HttpResponse<String>> second = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 2);

        JsonNode requests = admin("/admin/requests");
        assertThat(requests.findValuesAsText("position")).containsExactly("1", "2");
        assertThat(requests.path(0).path("state").asText()).isEqualTo("Waiting");
        assertThat(admin("/admin/models").path(0).path("waiting").asInt()).isEqualTo(2);
        String id = requests.path(0).path("id").asText();
        assertThat(cluster.admin("DELETE", "/admin/requests/" + id).statusCode()).isEqualTo(200);

        assertThat(first.join().statusCode()).isEqualTo(503);
        assertThat(FakeCluster.error(first.join()).path("code").asText()).isEqualTo("cancelled");
        assertThat(cluster.admin("DELETE", "/admin/requests/" + id).statusCode()).isEqualTo(404);
        assertThat(admin("/admin/requests").findValuesAsText("position")).containsExactly("1");
        cluster.pod("p", engine.port(), true);
        assertThat(second.join().statusCode()).isEqualTo(200);
    }

    @Test
    @DisplayName("W45, W46, W74, BL39: requests by model and status, waits, tokens; unknown models count as unknown")
    void metrics() {
        CompletableFuture<HttpResponse<String>> held = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        cluster.pod("p", engine.port(), true);
        held.join();
        cluster.ask("{\"model\":\"nobody\"}");

        String text = cluster.internal("/metrics").body();

        assertThat(text).contains("dormouse_gateway_requests_total{code=\"200\",model=\"default/minilm\"} 1.0")
                .contains("dormouse_gateway_requests_total{code=\"404\",model=\"unknown\"} 1.0")
                .contains("dormouse_gateway_tokens_total{kind=\"output\",model=\"default/minilm\"} 4.0")
                .contains("dormouse_gateway_wait_seconds_count{model=\"default/minilm\"} 1")
                .contains("dormouse_gateway_first_byte_seconds_count{model=\"default/minilm\"} 1")
                .contains("dormouse_gateway_wakes_total{model=\"default/minilm\"} 1.0")
                .contains("dormouse_gateway_held_requests 0.0");
        cluster.gateway.cluster().modelGone(FakeCluster.MODEL);
        await().atMost(PATIENCE).until(() -> !cluster.internal("/metrics").body().contains("default/minilm"));
    }

    @Test
    @DisplayName("W45–W48, W74–W77: how a model is used, its times, tokens and errors, on the admin port and in the metrics")
    void traffic() {
        cluster.pod("p", engine.port(), true);
        assertThat(admin("/admin/traffic").path("cacheHitRate").asDouble()).isZero();
        for (int i = 0; i < 12; i++) {
            cluster.ask("{\"model\":\"minilm\",\"stream\":true}");
        }
        cluster.ask("{\"model\":\"nobody\"}");

        JsonNode all = admin("/admin/traffic");
        JsonNode model = all.path("models").path(0);
        assertThat(all.path("totalRequests").asInt()).isEqualTo(13);
        assertThat(all.path("activeModels").asInt()).isEqualTo(1);
        assertThat(all.path("modelsByPattern").path("StreamingInference").asInt()).isEqualTo(1);
        assertThat(model.path("model").asText()).isEqualTo("default/minilm");
        assertThat(model.path("pattern").asText()).isEqualTo("StreamingInference");
        assertThat(model.path("why").asText()).contains("100 %");
        assertThat(model.path("requests").asInt()).isEqualTo(12);
        assertThat(model.path("failed").asInt()).isZero();
        assertThat(model.path("inputTokens").asInt()).isEqualTo(36);
        assertThat(model.path("outputTokens").asInt()).isEqualTo(48);
        assertThat(model.path("requestsPerSecond").asDouble()).isEqualTo(12 / 60.0);
        assertThat(model.path("latencyMillis").path("count").asInt()).isEqualTo(12);
        assertThat(model.path("latencyMillis").path("p50").asDouble()).isPositive()
                .isLessThanOrEqualTo(model.path("latencyMillis").path("p99").asDouble());
        assertThat(model.path("firstByteMillis").path("count").asInt()).isEqualTo(12);
        double mean = model.path("latencyMillis").path("mean").asDouble();
        assertThat(all.path("meanLatencyMillis").asDouble()).isEqualTo(mean);
        assertThat(all.path("meanLatencyMillisByRequest").asDouble()).isCloseTo(mean, within(1e-6));
        assertThat(cluster.internal("/metrics").body())
                .contains(
                        "dormouse_gateway_serving_pattern{model=\"default/minilm\",pattern=\"StreamingInference\"} 1.0")
                .contains("dormouse_gateway_serving_pattern{model=\"default/minilm\",pattern=\"Unknown\"} 0.0")
                .contains("dormouse_gateway_arrivals_per_second{model=\"default/minilm\"} 0.2");
    }

    @Test
    @DisplayName("W48: two models that one trace asks are an ensemble")
    void ensemble() {
        ModelKey other = new ModelKey("default", "other");
        cluster.pod("p", engine.port(), true);
        cluster.gateway.cluster().modelSeen(FakeCluster.route(other, 10, PATIENCE));
        cluster.gateway.cluster()
                .podSeen(new PodRoute("o", other, Optional.of("127.0.0.1"), engine.port(), true, false, false));
        for (int i = 0; i < 12; i++) {
            String trace = "00-4bf92f3577b34da6a3ce929d0e0e47%02d-00f067aa0ba902b7-01".formatted(i);
            cluster.askWith("traceparent", trace).join();
            cluster.askWith("traceparent", trace, "X-Dormouse-Model", "other").join();
        }

        assertThat(admin("/admin/traffic").findValuesAsText("pattern")).containsExactly("EnsembleServing",
                "EnsembleServing");
    }
}

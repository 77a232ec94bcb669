package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.http.HttpResponse;
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
}

package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.MODEL;
import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.ModelRoute.ColdStart;
import dev.dormouse.gateway.route.ModelRoute.SleepOrder;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The operator's part is played by the test: it repeats the order in the model's status and removes the pods. */
class SleepOrdersTest {
    private final CountDownLatch finish = new CountDownLatch(1);
    private final FakeEngine engine = new FakeEngine((exchange, body) -> {
        if (new String(body, java.nio.charset.StandardCharsets.UTF_8).contains("slow")) {
            finish.await();
        }
        exchange.sendResponseHeaders(200, -1);
    });
    private final FakeCluster cluster = new FakeCluster(1);

    SleepOrdersTest() throws IOException {
        cluster.model(10);
    }

    @AfterEach
    void close() {
        finish.countDown();
        cluster.close();
        engine.close();
    }

    private CompletableFuture<HttpResponse<String>> order(String query) {
        return cluster.adminLater("POST", "/admin/models/default/minilm/sleep" + query);
    }

    /** What every gateway sees once one has written the order. */
    private void orderSeen(SleepOrder order) {
        cluster.model(new ModelRoute.State(Optional.empty(), false, Optional.empty(), Optional.empty(),
                Optional.empty(), Optional.of(order)), ColdStart.Hold);
    }

    @Test
    @DisplayName("L20, BL32: the order is written for the operator, and answered when the model has no replica any more")
    void synchronous() {
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.ask("{\"model\":\"minilm\"}").statusCode() == 200);

        CompletableFuture<HttpResponse<String>> answer = order("?graceSeconds=7");
        await().atMost(PATIENCE).until(() -> !cluster.sleepOrders.isEmpty());
        orderSeen(cluster.sleepOrders.getFirst());
        cluster.draining("p", engine.port());
        assertThat(cluster.get("/v1/models").statusCode()).isEqualTo(200);
        assertThat(answer).isNotDone();
        cluster.gateway.cluster().podGone("p");

        assertThat(answer.join().statusCode()).isEqualTo(200);
        assertThat(FakeCluster.json(answer.join().body()).path("asleep").path(0).asText()).isEqualTo("default/minilm");
        assertThat(cluster.sleepOrders).singleElement()
                .satisfies(order -> assertThat(order.grace()).isEqualTo(Duration.ofSeconds(7)));
    }

    @Test
    @DisplayName("L20, L57: waiters are told; what runs has the grace to finish and is ended then; later requests wake the model")
    void graceIsOver() {
        cluster.pod("p", engine.port(), true);
        CompletableFuture<HttpResponse<String>> slow = cluster.askLater("{\"model\":\"minilm\",\"input\":\"slow\"}");
        await().atMost(PATIENCE).until(() -> cluster.inFlight() == 1);
        cluster.draining("p", engine.port());
        CompletableFuture<HttpResponse<String>> waits = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

        orderSeen(new SleepOrder(Instant.now(), Duration.ofSeconds(1)));

        assertThat(waits.join().statusCode()).isEqualTo(503);
        assertThat(FakeCluster.error(waits.join()).path("code").asText()).isEqualTo("model_unloaded");
        assertThat(slow.join().statusCode()).isEqualTo(503);
        assertThat(FakeCluster.error(slow.join()).path("code").asText()).isEqualTo("cancelled");
        int before = cluster.demands.size();
        CompletableFuture<HttpResponse<String>> later = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.demands.size() > before);
        cluster.pod("q", engine.port(), true);
        assertThat(later.join().statusCode()).isEqualTo(200);
    }

    @Test
    @DisplayName("An order that was given before this gateway knew the model ends nothing")
    void oldOrder() {
        cluster.gateway.cluster().modelGone(MODEL);
        orderSeen(new SleepOrder(Instant.now(), Duration.ZERO));
        CompletableFuture<HttpResponse<String>> waits = cluster.askLater();
        await().atMost(PATIENCE).until(() -> cluster.queued() == 1);
        cluster.pod("p", engine.port(), true);

        assertThat(waits.join().statusCode()).isEqualTo(200);
    }

    @Test
    @DisplayName("BL8: all that are awake; an unknown model is 404, nonsense 400, one that does not sleep in time 504")
    void outcomes() {
        assertThat(cluster.admin("POST", "/admin/sleep").body().strip()).isEqualTo("{}");
        assertThat(cluster.admin("POST", "/admin/models/default/nobody/sleep").statusCode()).isEqualTo(404);
        assertThat(order("?graceSeconds=soon").join().statusCode()).isEqualTo(400);
        cluster.pod("p", engine.port(), true);
        await().atMost(PATIENCE).until(() -> cluster.ask("{\"model\":\"minilm\"}").statusCode() == 200);

        HttpResponse<String> late = cluster.admin("POST", "/admin/sleep?graceSeconds=0&timeoutSeconds=0");
        assertThat(late.statusCode()).isEqualTo(504);
        assertThat(FakeCluster.json(late.body()).path("awake").path(0).asText()).isEqualTo("default/minilm");
    }

    @Test
    @DisplayName("BL52: told to drain, the gateway is not ready, finishes what it has, refuses more, and says when it is done")
    void drain() {
        cluster.pod("p", engine.port(), true);
        CompletableFuture<HttpResponse<String>> slow = cluster.askLater("{\"model\":\"minilm\",\"input\":\"slow\"}");
        await().atMost(PATIENCE).until(() -> cluster.inFlight() == 1);

        CompletableFuture<HttpResponse<String>> drained = cluster.adminLater("POST", "/admin/drain");
        await().atMost(PATIENCE).until(() -> cluster.internal("/readyz").statusCode() == 503);
        await().atMost(PATIENCE).until(() -> cluster.ask("{\"model\":\"minilm\"}").statusCode() == 503);
        assertThat(drained).isNotDone();
        finish.countDown();

        assertThat(slow.join().statusCode()).isEqualTo(200);
        assertThat(drained.join().statusCode()).isEqualTo(200);
    }
}

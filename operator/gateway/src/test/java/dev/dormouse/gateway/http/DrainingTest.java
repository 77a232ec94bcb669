package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.PATIENCE;
import static dev.dormouse.gateway.http.FakeCluster.error;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.hold.HoldLimits;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** How a gateway begins and ends. */
class DrainingTest {

    @Test
    @DisplayName("L23, L51: ending, it refuses new requests, serves held ones, and still answers the operator")
    void heldRequestsAreServed() throws Exception {
        try (FakeEngine engine = new FakeEngine(FakeEngine.echo()); FakeCluster cluster = new FakeCluster(1)) {
            cluster.model(10);
            assertThat(cluster.internal("/readyz").statusCode()).isEqualTo(200);
            CompletableFuture<HttpResponse<String>> held = cluster.askLater();
            await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

            // A thread of its own: the HTTP client needs the common pool's only one.
            Thread ending = Thread.ofPlatform().start(cluster.gateway::drain);
            await().atMost(PATIENCE).until(() -> cluster.internal("/readyz").statusCode() == 503);
            HttpResponse<String> refused = cluster.ask("{\"model\":\"minilm\"}");
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(error(refused).path("code").asText()).isEqualTo("shutting_down");
            assertThat(refused.headers().firstValue("Connection")).contains("close");
            assertThat(refused.headers().firstValue("Retry-After")).contains("1");
            assertThat(cluster.queued()).isEqualTo(1);
            assertThat(ending.isAlive()).isTrue();

            cluster.pod("p", engine.port(), true);

            assertThat(held.join().statusCode()).isEqualTo(200);
            ending.join();
            assertThat(cluster.internal("/livez").statusCode()).isEqualTo(200);
        }
    }

    @Test
    @DisplayName("L23: what is still held when the drain time is over is told 503")
    void drainTimeIsOver() {
        try (FakeCluster cluster = new FakeCluster(1, Duration.ofMillis(200), 1 << 20)) {
            cluster.model(10);
            CompletableFuture<HttpResponse<String>> held = cluster.askLater();
            await().atMost(PATIENCE).until(() -> cluster.queued() == 1);

            cluster.gateway.drain();

            assertThat(held.join().statusCode()).isEqualTo(503);
            assertThat(error(held.join()).path("code").asText()).isEqualTo("shutting_down");
        }
    }

    @Test
    @DisplayName("BL52: told to end it is not ready at once, and serves new requests until nobody sends it any")
    void notReadyFirst() throws Exception {
        try (FakeEngine engine = new FakeEngine(FakeEngine.echo());
                FakeCluster cluster = new FakeCluster(1, Duration.ofSeconds(1), Duration.ofSeconds(5), 1 << 20,
                        Timeouts.DEFAULT)) {
            cluster.model(10);
            cluster.pod("p", engine.port(), true);
            await().atMost(PATIENCE).until(() -> cluster.askLater().join().statusCode() == 200);
            Thread ending = Thread.startVirtualThread(cluster.gateway::drain);
            await().atMost(PATIENCE).until(() -> cluster.internal("/readyz").statusCode() == 503);

            HttpResponse<String> answer = cluster.askLater().join();

            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(answer.headers().firstValue("Connection")).contains("close");
            ending.join();
        }
    }

    @Test
    @DisplayName("A port that is taken is named, and nothing stays open")
    void takenPort() throws Exception {
        try (FakeCluster other = new FakeCluster(1)) {
            ServerSettings settings = new ServerSettings("127.0.0.1", other.gateway.port(), 0, "gw",
                    HoldLimits.ofRequests(1, 1), 1, new ServerSettings.Peek(1024, 1024, 1024), Duration.ZERO,
                    Duration.ofSeconds(1), 1,
                    Timeouts.DEFAULT, true, false, Optional.empty(), false, 1 << 20, 1000);

            assertThatThrownBy(() -> GatewayServer.start(settings, (model, at, trace) -> new CompletableFuture<>(),
                    Clock.systemUTC())).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("127.0.0.1")
                    .hasMessageContaining(Integer.toString(other.gateway.port()));
        }
    }
}

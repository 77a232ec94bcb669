package dev.dormouse.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** An operator whose first lists fail waits, says for what, and starts once it can. */
@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class StartTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("A missing right: /readyz names verb and resource, /livez stays, and the start goes on when the right is there")
    void aMissingRightIsNamedAndWaitedFor() throws Exception {
        MockedOperator.expectList(server, MockedOperator.MODELS, "");
        String forbidden = "gpupools.dormouse.dev is forbidden: User \"op\" cannot list resource \"gpupools\"";
        for (String path : new String[]{MockedOperator.MODELS, MockedOperator.SNAPSHOTS, MockedOperator.CLAIMS,
                MockedOperator.NODES, "/api/v1/pods"}) {
            server.expect().get().withPath(path + "?limit=1").andReturn(200, MockedOperator.list("1")).always();
            server.expect()
                    .get()
                    .withPath(path + "?allowWatchBookmarks=true&timeoutSeconds=1&watch=true")
                    .andUpgradeToWebSocket()
                    .open()
                    .done()
                    .always();
        }
        server.expect().get().withPath(MockedOperator.POOLS + "?limit=1").andReturn(403, refusal(forbidden)).always();
        server.expect()
                .get()
                .withPath(MockedOperator.POOLS + "?resourceVersion=0")
                .andReturn(403, refusal(forbidden))
                .times(1);
        try (KubernetesClient impatient = impatient(client.getConfiguration());
                MockedOperator mocked = new MockedOperator(server, impatient)) {
            CompletableFuture<Void> start = start(mocked);

            await().atMost(PATIENCE)
                    .until(() -> mocked.get("/readyz")
                            .body()
                            .contains("the operator may not list gpupools.dormouse.dev: " + forbidden));
            assertThat(mocked.get("/readyz").statusCode()).isEqualTo(503);
            assertThat(mocked.get("/livez").statusCode()).as("a restart would not help").isEqualTo(200);
            assertThat(start).isNotDone();

            mocked.expectNothingBesideModels();
            server.expect()
                    .get()
                    .withPath(MockedOperator.POOLS)
                    .andReturn(200, MockedOperator.list("1"))
                    .always();

            await().atMost(PATIENCE).until(start::isDone);
            assertThat(start).isCompleted();
            await().until(() -> mocked.get("/readyz").statusCode() == 200);
        }
    }

    @Test
    @DisplayName("An API server that does not answer is named, and an operator that waits for it ends when it is told to")
    void aSilentApiServerIsNamed() throws Exception {
        try (KubernetesClient nobody = impatient(new ConfigBuilder(client.getConfiguration())
                .withMasterUrl("http://127.0.0.1:1/")
                .build()); MockedOperator mocked = new MockedOperator(server, nobody)) {
            CompletableFuture<Void> start = start(mocked);

            await().atMost(PATIENCE)
                    .until(() -> mocked.get("/readyz")
                            .body()
                            .contains("the API server http://127.0.0.1:1/ does not answer"));
            assertThat(start).isNotDone();
        }
    }

    private static CompletableFuture<Void> start(MockedOperator mocked) {
        return CompletableFuture.runAsync(mocked.operator()::start,
                command -> Thread.ofPlatform().daemon().start(command));
    }

    /** The informers' pause between two tries begins with this. */
    private static KubernetesClient impatient(Config config) {
        return new KubernetesClientBuilder()
                .withConfig(new ConfigBuilder(config).withWatchReconnectInterval(100).build())
                .build();
    }

    private static Object refusal(String message) {
        return new StatusBuilder().withCode(403).withStatus("Failure").withMessage(message).build();
    }
}

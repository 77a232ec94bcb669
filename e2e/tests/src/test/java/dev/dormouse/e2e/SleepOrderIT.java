package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.cli.local.LocalCluster;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** A person tells a model to sleep, through a gateway's admin port. */
class SleepOrderIT extends Story {
    private final int adminPort = freePort();

    private static int freePort() {
        try (ServerSocket probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return probe.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    LocalCluster.Options options(LocalCluster.Options options) {
        return options.withGatewaySetting("DORMOUSE_ADMIN_PORT", Integer.toString(adminPort));
    }

    private HttpResponse<String> post(String path) throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + adminPort + path))
                    .POST(HttpRequest.BodyPublishers.noBody())
                    .build(), HttpResponse.BodyHandlers.ofString());
        }
    }

    @Test
    @DisplayName("L20, BL32: told to sleep, a model that would stay awake for an hour has no pod when the answer comes, and wakes for the next request")
    void sleepsAtOnceAndWakesAgain() throws Exception {
        apply("told", "  scaling: {idleSeconds: 3600}\n");
        assertThat(ask("told", 90).statusCode()).isEqualTo(200);
        await().atMost(PATIENCE).until(() -> pods("told").size() == 1);

        HttpResponse<String> answer = post("/admin/models/default/told/sleep?graceSeconds=5&timeoutSeconds=60");

        assertThat(answer.body()).contains("\"asleep\":[\"default/told\"]");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(pods("told")).isEmpty();
        InferenceModel asleep = awaitReason("told", "ScaledToZero");
        assertThat(asleep.getStatus().activation).isNotNull();
        assertThat(ask("told", 90).statusCode()).isEqualTo(200);
        assertThat(pods("told")).hasSize(1);
    }
}

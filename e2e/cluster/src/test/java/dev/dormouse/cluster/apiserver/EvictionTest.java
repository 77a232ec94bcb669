package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cluster.apiserver.Api.Answer;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Evictions leave as many healthy pods as a PodDisruptionBudget asks for. */
class EvictionTest {
    private static final String BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

    @TempDir
    private Path folder;
    private Api api;

    @BeforeEach
    void start() {
        api = new Api(folder);
        for (String name : new String[]{"a", "b", "c"}) {
            api.post(Api.PODS, Api.pod(name, "")
                    .replace("\"name\": \"" + name + "\"",
                            "\"name\": \"" + name + "\", \"labels\": {\"app\": \"web\"}"));
            ready(name, "True");
        }
    }

    @AfterEach
    void stop() {
        api.close();
    }

    @Test
    void withoutABudgetAPodIsSimplyDeleted() {
        assertThat(evict("a").code()).isEqualTo(201);
        assertThat(api.get(Api.PODS + "/a").code()).isEqualTo(404);
        assertThat(evict("nobody").code()).isEqualTo(404);
    }

    @Test
    void theLastPodThatIsNeededStays() {
        budget("\"minAvailable\": 2");

        assertThat(evict("a").code()).isEqualTo(201);
        Answer refused = evict("b");
        assertThat(refused.code()).isEqualTo(429);
        assertThat(refused.reason()).isEqualTo("TooManyRequests");
        assertThat(refused.at("/details/causes/0/reason").asText()).isEqualTo("DisruptionBudget");
        assertThat(refused.at("/details/causes/0/message").asText())
                .isEqualTo("The disruption budget web needs 2 healthy pods and has 2 currently");
        assertThat(api.get(Api.PODS + "/b").code()).isEqualTo(200);
    }

    @Test
    void aPercentageIsOfAllPodsAndRoundedUp() {
        budget("\"maxUnavailable\": \"34%\"");

        assertThat(evict("a").code()).isEqualTo(201);
        assertThat(evict("b").code()).as("1 of 2 may go").isEqualTo(201);
        assertThat(evict("c").code()).as("34%% of 1 is 1").isEqualTo(201);
    }

    @Test
    void anUnhealthyPodMayAlwaysGo() {
        budget("\"minAvailable\": 2");
        ready("c", "False");

        assertThat(evict("a").code()).isEqualTo(429);
        assertThat(evict("c").code()).isEqualTo(201);
    }

    private void budget(String rule) {
        assertThat(api
                .post(BUDGETS,
                        """
                        {"metadata": {"name": "web"}, "spec": {%s, "selector": {"matchLabels": {"app": "web"}}}}"""
                                .formatted(rule))
                .code()).isEqualTo(201);
    }

    private void ready(String name, String status) {
        assertThat(api
                .patch(Api.PODS + "/" + name + "/status", Api.MERGE,
                        """
                        {"status": {"conditions": [{"type": "Ready", "status": "%s"}]}}"""
                                .formatted(status))
                .code()).isEqualTo(200);
    }

    private Answer evict(String name) {
        return api.post(Api.PODS + "/" + name + "/eviction",
                "{\"apiVersion\": \"policy/v1\", \"kind\": \"Eviction\", \"metadata\": {\"name\": \"%s\"}}"
                        .formatted(name));
    }
}

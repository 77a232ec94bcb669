package dev.dormouse.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.operator.MockedOperator.Request;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.api.model.WatchEvent;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What the operator asks of the API server from a demand to a pod, and what each answer means. */
@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class DemandRequestsTest {
    private static final String PODS = "/api/v1/namespaces/team/pods";
    private static final String STATUS = "/apis/dormouse.dev/v1alpha1/namespaces/team/inferencemodels/m/status"
            + "?fieldManager=dormouse-operator&force=true";
    private static final String POD = """
                                      {"apiVersion": "v1", "kind": "Pod",
                                       "metadata": {"name": "m-1", "namespace": "team", "uid": "pod-1", "resourceVersion": "3",
                                                    "creationTimestamp": "2026-11-21T10:00:01Z"},
                                       "spec": {"containers": []}}
                                      """;
    private static final String ASLEEP = model("2", "");
    private static final String DEMANDED = model("5",
            ", \"status\": {\"demand\": {\"requestedAt\": \"2026-11-21T10:00:00.123456Z\"}}");

    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("Design §2: a demand in a watched status is one pod, created before anything else is written, and then the record of the wake")
    void aDemandIsOnePod() throws Exception {
        server.expect().post().withPath(PODS).andReturn(201, POD).always();
        expectStatus();
        try (MockedOperator mocked = new MockedOperator(server, client)) {
            start(mocked, new WatchEvent(unmarshal(DEMANDED), "MODIFIED"));

            Request create = mocked.awaitRequest("POST", PODS);
            Request record = awaitStatus(mocked, "\"reason\":\"Demand\"");

            assertThat(create.body()).contains("\"dormouse.dev/model\":\"m\"");
            assertThat(record.body()).contains("\"m-1\"").contains("\"replicas\":1");
            List<Request> writes = mocked.requests().stream().filter(r -> !r.method().equals("GET")).toList();
            assertThat(writes.indexOf(create)).as("a client waits for the pod, nobody for its record")
                    .isLessThan(writes.indexOf(record));
            // The cache never sees it here: a later look asks for it again, and only for it.
            assertThat(mocked.requests("POST", PODS)).extracting(DemandRequestsTest::podName)
                    .containsOnly(podName(create));
        }
    }

    @Test
    @DisplayName("A pod that is there already (409) is that of the wake: nothing is refused, nothing is tried under another name")
    void aConflictIsThePodOfAnEarlierTry() throws Exception {
        answerPods(409, "already exists");
        expectStatus();
        try (MockedOperator mocked = new MockedOperator(server, client)) {
            start(mocked, new WatchEvent(unmarshal(DEMANDED), "MODIFIED"));

            Request record = awaitStatus(mocked, "\"reason\":\"Demand\"");
            mocked.operator().signal(new ModelKey("team", "m"));
            await().until(() -> mocked.requests("POST", PODS).size() > 1);

            assertThat(record.body()).contains("a request asked for it");
            assertThat(mocked.requests("POST", PODS)).extracting(DemandRequestsTest::podName)
                    .hasSize(2)
                    .containsOnly(
                            podName(mocked.requests("POST", PODS).getFirst()));
        }
    }

    @Test
    @DisplayName("A namespace that is gone (404) is said in status and not asked again at once; a model that is gone as well is no error")
    void aMissingNamespaceIsSaid() throws Exception {
        answerPods(404, "namespaces \"team\" not found");
        server.expect()
                .patch()
                .withPath(STATUS)
                .andReturn(404, new StatusBuilder().withCode(404).withStatus("Failure").build())
                .always();
        server.expect().post().withPath("/api/v1/namespaces/team/events").andReturn(404, "{}").always();
        try (MockedOperator mocked = new MockedOperator(server, client)) {
            start(mocked, new WatchEvent(unmarshal(DEMANDED), "MODIFIED"));

            assertThat(awaitStatus(mocked, "NamespaceMissing").body()).contains("namespaces \\\"team\\\" not found");
            mocked.operator().signal(new ModelKey("team", "m"));
            await().until(() -> mocked.requests("PATCH", STATUS)
                    .stream()
                    .filter(r -> r.body().contains("NamespaceMissing"))
                    .count() > 1);

            assertThat(mocked.requests("POST", PODS)).hasSize(1);
        }
    }

    @Test
    @DisplayName("A watch that is too old (410 Gone) is listed anew, and the demand found there is served")
    void aDemandThatAWatchLostIsFoundByTheNextList() throws Exception {
        server.expect().post().withPath(PODS).andReturn(201, POD).always();
        expectStatus();
        String relisted = MockedOperator.list("6", DEMANDED);
        server.expect().get().withPath(MockedOperator.MODELS).andReturn(200, relisted).always();
        MockedOperator.expectWatch(server, MockedOperator.MODELS, "", "6", null);
        try (MockedOperator mocked = new MockedOperator(server, client)) {
            start(mocked, new WatchEvent(new StatusBuilder().withCode(410).withReason("Expired").build(), "ERROR"));

            Request create = mocked.awaitRequest("POST", PODS);

            assertThat(mocked.requests("GET", MockedOperator.MODELS)).isNotEmpty();
            assertThat(podName(create)).startsWith("m-");
        }
    }

    /** On a list with one model that sleeps, and a watch with one event. */
    private void start(MockedOperator mocked, WatchEvent event) {
        mocked.expectNothingBesideModels();
        server.expect()
                .get()
                .withPath(MockedOperator.MODELS + "?resourceVersion=0")
                .andReturn(200, MockedOperator.list("4", ASLEEP))
                .always();
        MockedOperator.expectWatch(server, MockedOperator.MODELS, "", "4", event);
        mocked.operator().start();
    }

    private void expectStatus() {
        server.expect().patch().withPath(STATUS).andReturn(200, model("9", "")).always();
        server.expect().post().withPath("/api/v1/namespaces/team/events").andReturn(201, "{}").always();
    }

    private void answerPods(int code, String message) {
        server.expect()
                .post()
                .withPath(PODS)
                .andReturn(code, new StatusBuilder().withCode(code).withStatus("Failure").withMessage(message).build())
                .always();
    }

    private static Request awaitStatus(MockedOperator mocked, String says) {
        await().until(() -> mocked.requests("PATCH", STATUS).stream().anyMatch(r -> r.body().contains(says)));
        return mocked.requests("PATCH", STATUS).stream().filter(r -> r.body().contains(says)).findFirst().orElseThrow();
    }

    private static String podName(Request create) {
        return create.body().replaceAll("(?s).*\"name\":\"(m-[^\"]+)\".*", "$1");
    }

    private Object unmarshal(String json) {
        return client.getKubernetesSerialization().unmarshal(json);
    }

    private static String model(String version, String status) {
        return """
               {"apiVersion": "dormouse.dev/v1alpha1", "kind": "InferenceModel",
                "metadata": {"name": "m", "namespace": "team", "uid": "uid-1", "generation": 1, "resourceVersion": "%s",
                             "finalizers": ["dormouse.dev/cleanup"]},
                "spec": {"model": {"uri": "file:///m"}, "engine": {"image": "engine:1"},
                         "scaling": {"initialStart": "Never"}, "snapshot": {"enabled": false}}%s}
               """.formatted(version, status);
    }
}

package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus.Activation;
import dev.dormouse.api.v1alpha1.ModelStatus.InitialStartStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.cli.local.LocalOptions;
import dev.dormouse.e2e.TraceCollector.Span;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The thin thread: a model starts, is snapshotted, sleeps, and wakes for held requests. */
class SleepAndWakeIT extends Story {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final TraceCollector traces = collector();

    private static TraceCollector collector() {
        try {
            return new TraceCollector();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @AfterAll
    void closeCollector() {
        traces.close();
    }

    @Override
    LocalOptions options(LocalOptions options) {
        return options.withGatewaySetting("OTEL_EXPORTER_OTLP_ENDPOINT", traces.endpoint())
                .withGatewaySetting("DORMOUSE_TRACE_PERCENT", "0") // only requests that bring a trace are recorded
                .withOperatorSetting("OTEL_EXPORTER_OTLP_ENDPOINT", traces.endpoint());
    }

    private HttpResponse<String> post(String path) throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(HttpRequest.newBuilder(cluster().gatewayAdmin().resolve(path))
                    .POST(HttpRequest.BodyPublishers.noBody())
                    .build(), HttpResponse.BodyHandlers.ofString());
        }
    }

    @Test
    @DisplayName("S26, S31, H52: initial start, snapshot, sleep, restore for a held request, the same answer to the last bit")
    void aModelSleepsAndWakesFromItsSnapshot() throws Exception {
        apply("sleeper", "  scaling: {idleSeconds: 1}\n");
        HttpResponse<String> cold = ask("sleeper", 90);
        InferenceModel asleep = awaitAsleepWithSnapshot("sleeper");

        HttpResponse<String> restored = ask("sleeper", 90);

        assertThat(restored.statusCode()).isEqualTo(200);
        assertThat(embedding(restored)).isEqualTo(embedding(cold));
        assertThat(restored.headers().firstValue("X-Dormouse-Wake")).get().asString().startsWith("Volume");
        InferenceModel awake = awaitModel("sleeper",
                model -> model.getStatus().lastWake != null && "Volume".equals(model.getStatus().lastWake.rung()));
        assertThat(awake.getStatus().lastWake).isNotNull()
                .extracting(LastWake::restoredBytes)
                .satisfies(bytes -> assertThat(bytes).isGreaterThan(80_000_000));
        assertThat(asleep.getStatus().initialStart).isNotNull().extracting(InitialStartStatus::state).isEqualTo("Done");
    }

    @Test
    @DisplayName("One request to a sleeping model is one trace: the client's, through gateway, operator and sidecar, each continuing the other")
    void oneTraceThroughAllProcesses() throws Exception {
        String trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        apply("traced", "  scaling: {idleSeconds: 3600, initialStart: Never}\n");
        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpResponse<String> answer = http.send(
                    HttpRequest.newBuilder(cluster().gateway().resolve("/v1/embeddings"))
                            .header("Content-Type", "application/json")
                            .header("traceparent", "00-" + trace + "-00f067aa0ba902b7-01")
                            .POST(HttpRequest.BodyPublishers
                                    .ofString("{\"model\":\"traced\",\"input\":\"" + SENTENCE + "\"}"))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
            assertThat(answer.statusCode()).isEqualTo(200);
        }

        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(traces.spans(trace)).extracting(Span::name)
                        .containsExactlyInAnyOrder("POST default/traced", "hold", "wake", "proxy", "start replica",
                                "start", "load", "warmup"));
        assertThat(parent(trace, "POST default/traced").id()).isEqualTo("00f067aa0ba902b7");
        assertThat(parent(trace, "hold").name()).isEqualTo("POST default/traced");
        assertThat(parent(trace, "proxy").name()).isEqualTo("POST default/traced");
        assertThat(parent(trace, "wake").name()).isEqualTo("hold");
        assertThat(parent(trace, "start replica")).returns("wake", Span::name)
                .returns("dormouse-gateway", Span::service);
        assertThat(parent(trace, "start")).returns("start replica", Span::name)
                .returns("dormouse-operator", Span::service);
        assertThat(parent(trace, "warmup")).returns("start", Span::name).returns("dormouse-sidecar", Span::service);
    }

    private Span parent(String trace, String name) {
        String parent = traces.spans(trace)
                .stream()
                .filter(span -> span.name().equals(name))
                .findFirst()
                .orElseThrow()
                .parent();
        return traces.spans(trace)
                .stream()
                .filter(span -> span.id().equals(parent))
                .findFirst()
                .orElseGet(() -> new Span("the client", "", trace, parent, ""));
    }

    @Test
    @DisplayName("A model without requests starts once, proves itself, sleeps; its status is a contract for GitOps tools")
    void initialStartProvesTheModel() {
        apply("prover", "  scaling: {idleSeconds: 1}\n");

        InferenceModel asleep = awaitAsleepWithSnapshot("prover");

        assertThat(ready(asleep).getStatus()).isEqualTo("True");
        assertThat(condition(asleep, "Reconciling").getStatus()).isEqualTo("False");
        assertThat(condition(asleep, "Stalled").getStatus()).isEqualTo("False");
        assertThat(condition(asleep, "Serving").getStatus()).isEqualTo("False");
        assertThat(condition(asleep, "SnapshotReady").getStatus()).isEqualTo("True");
        assertThat(asleep.getStatus().observedGeneration).isEqualTo(asleep.getMetadata().getGeneration());
    }

    @Test
    @DisplayName("L2, L8: fifty clients on one sleeping model: one wake, one pod, fifty answers")
    void fiftyClientsShareOneWake() {
        apply("shared", "  scaling: {idleSeconds: 1}\n  requests: {concurrencyLimit: 64}\n");
        Activation before = awaitAsleepWithSnapshot("shared").getStatus().activation;

        List<HttpResponse<String>> answers = askTogether("shared", 50);

        assertThat(answers).allSatisfy(answer -> assertThat(answer.statusCode()).isEqualTo(200));
        assertThat(model("shared").get().getStatus().activation).isNotNull().isNotEqualTo(before);
        assertThat(pods("shared")).hasSizeLessThanOrEqualTo(1);
    }

    @Test
    @DisplayName("L1, L24, L47: with a limit of ten, fifty clients get ten answers and forty 429 at once")
    void theLimitCountsWaitingRequests() {
        apply("limited", "  scaling: {idleSeconds: 1}\n");
        awaitAsleepWithSnapshot("limited");

        List<HttpResponse<String>> answers = askTogether("limited", 50);

        assertThat(answers.stream().filter(answer -> answer.statusCode() == 200)).hasSize(10);
        assertThat(answers.stream().filter(answer -> answer.statusCode() == 429)).hasSize(40)
                .allSatisfy(answer -> assertThat(answer.headers().firstValue("Retry-After")).isPresent());
    }

    @Test
    @DisplayName("L12: two models waking at once both answer")
    void twoModelsWakeAtOnce() {
        apply("left", "  scaling: {idleSeconds: 1}\n");
        apply("right", "  scaling: {idleSeconds: 1}\n");

        CompletableFuture<HttpResponse<String>> left = askLater("left");
        CompletableFuture<HttpResponse<String>> right = askLater("right");

        assertThat(left.join().statusCode()).isEqualTo(200);
        assertThat(right.join().statusCode()).isEqualTo(200);
    }

    @Test
    void scaleHoldsExactlyThatManyReplicas() {
        apply("scaled", "  scaling: {idleSeconds: 1, initialStart: Never}\n");
        awaitReason("scaled", "ScaledToZero");

        model("scaled").scale(2);
        awaitModel("scaled", model -> model.getStatus().readyReplicas == 2);
        model("scaled").scale(0);

        awaitReason("scaled", "ScaledToZero");
        await().atMost(PATIENCE).until(() -> pods("scaled").isEmpty());
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

    private static JsonNode embedding(HttpResponse<String> answer) throws IOException {
        return JSON.readTree(answer.body()).at("/data/0/embedding");
    }
}

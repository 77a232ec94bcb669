package dev.dormouse.gateway.kube;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.domain.hold.Wake;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RoutesTest {

    private static InferenceModel model(String rest) {
        return Serialization
                .unmarshal("""
                           apiVersion: dormouse.dev/v1alpha1
                           kind: InferenceModel
                           metadata: {name: minilm, namespace: default, creationTimestamp: "2026-11-21T00:00:00Z"}
                           """ + rest, InferenceModel.class);
    }

    /** L5, L6, L44: ten requests at once unless the model says otherwise, wherever nothing is said. */
    @Test
    void aModelAsAUserWroteIt() {
        assertThat(Routes.of(model("spec: {model: {uri: 'file:///m'}, engine: {image: e}}"))).contains(
                new ModelRoute(new ModelKey("default", "minilm"), "minilm", List.of(),
                        Instant.parse("2026-11-21T00:00:00Z"),
                        new ModelRoute.Admission(ModelLimits.ofConcurrency(10), Duration.ofSeconds(300), 0,
                                ModelRoute.ColdStart.Hold),
                        ModelRoute.Traffic.DEFAULT, ModelRoute.State.UNKNOWN));
    }

    @Test
    void aModelThatCannotWake() {
        ModelRoute route = Routes
                .of(model(
                        """
                        spec:
                          model: {uri: 'file:///m', name: all-MiniLM, aliases: [gpt-4o]}
                          engine: {image: e}
                          requests: {concurrencyLimit: 3, queueTimeoutSeconds: 7, priority: 9, overLimit: Queue, maxQueued: 4, coldStart: Heartbeat}
                        status:
                          activation: {id: "2", reason: Demand, startedAt: "2026-11-21T00:00:01.000002Z", endedAt: nonsense}
                          lastWake: {at: "2026-11-21T00:00:00Z", rung: Volume, coldStartMs: 5, pod: p}
                          warmup: {phase: Failed, attempt: 3, etaSeconds: 7}
                          conditions:
                            - {type: Stalled, status: "True", reason: No, message: no}
                            - {type: Serving, status: "False", reason: No, message: no}
                            - {type: Ready, status: "False", reason: CrashLoop, message: it ends with 1}
                        """))
                .orElseThrow();

        assertThat(route.clientName()).isEqualTo("all-MiniLM");
        assertThat(route.aliases()).containsExactly("gpt-4o");
        assertThat(route.admission()).isEqualTo(new ModelRoute.Admission(new ModelLimits(3, true, 4),
                Duration.ofSeconds(7), 9, ModelRoute.ColdStart.Heartbeat));
        assertThat(route.state().problem()).contains(new ModelRoute.Problem("CrashLoop", "it ends with 1"));
        assertThat(route.state().stalled()).isTrue();
        assertThat(route.state().lastWake()).contains(new ModelRoute.LastWake("Volume", Duration.ofMillis(5)));
        assertThat(route.failedWake()).contains(new Wake(Instant.parse("2026-11-21T00:00:01.000002Z"), 3));
        ModelRoute.Activation activation = route.state().activation().orElseThrow();
        assertThat(activation.answers(Instant.parse("2026-11-21T00:00:01.000002Z"))).isTrue();
        assertThat(activation.answers(Instant.parse("2026-11-21T00:00:01.000003Z"))).isFalse();
    }

    @Test
    void aModelWithoutSpecOrUnderDeletionIsNoRoute() {
        InferenceModel deleted = model("spec: {model: {uri: 'file:///m'}, engine: {image: e}}");
        deleted.getMetadata().setDeletionTimestamp("2026-11-21T00:00:02Z");

        assertThat(Routes.of(deleted)).isEmpty();
        assertThat(Routes.of(model(""))).isEmpty();
    }

    private static Pod pod(String metadata, String status) {
        return Serialization
                .unmarshal("""
                           apiVersion: v1
                           kind: Pod
                           metadata: {name: p, namespace: default, uid: u, labels: {dormouse.dev/model: minilm}%s}
                           spec: {containers: [{name: engine, image: e, ports: [{name: http, containerPort: 9000}]}]}
                           status: %s
                           """.formatted(metadata, status), Pod.class);
    }

    @Test
    void podsAreRoutableByTheirConditionUnlessDrainingOrLeaving() {
        String ready = "{phase: Running, podIP: 127.1.2.3, conditions: [{type: Ready, status: 'True'}]}";
        ModelKey key = new ModelKey("default", "minilm");
        Optional<String> ip = Optional.of("127.1.2.3");

        assertThat(Routes.of(pod("", "{phase: Pending}")))
                .contains(new PodRoute("u", key, Optional.empty(), 9000, false, false, false));
        assertThat(Routes.of(pod("", ready))).contains(new PodRoute("u", key, ip, 9000, true, false, false));
        assertThat(Routes.of(pod(", annotations: {dormouse.dev/draining: 'true'}", ready)))
                .contains(new PodRoute("u", key, ip, 9000, true, true, false));
        assertThat(Routes.of(pod(", deletionTimestamp: '2026-11-21T00:00:02Z'", ready)).orElseThrow().open()).isFalse();
        assertThat(Routes.of(pod("", ready.replace("Running", "Failed"))).orElseThrow().open()).isFalse();
    }

    @Test
    void aDemandCarriesNothingButItself() {
        assertThat(Serialization.asJson(
                KubernetesDemandWriter.demand(new ModelKey("default", "minilm"),
                        Instant.parse("2026-11-21T00:00:00Z"), Optional.empty())))
                .isEqualTo("{\"apiVersion\":\"dormouse.dev/v1alpha1\",\"kind\":\"InferenceModel\","
                        + "\"metadata\":{\"name\":\"minilm\",\"namespace\":\"default\"},"
                        + "\"status\":{\"demand\":{\"requestedAt\":\"2026-11-21T00:00:00.000000Z\"}}}");
    }
}

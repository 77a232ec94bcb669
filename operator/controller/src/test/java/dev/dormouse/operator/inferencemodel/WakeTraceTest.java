package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.warmup.Ladder;
import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.operator.inferencemodel.Pods.Creation;
import dev.dormouse.operator.status.ModelView.Rejection;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.trace.OtlpExport;
import dev.dormouse.trace.OtlpSteps;
import dev.dormouse.trace.StepTracing;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class WakeTraceTest {
    private static final Instant WOKEN = Instant.parse("2026-11-21T00:00:00Z");
    private static final Instant NOW = WOKEN.plusMillis(40);
    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
    private static final String WAITING = "00-" + TRACE + "-00f067aa0ba902b7-01";
    private static final Ladder.Climb CLIMB = Ladder.climb(Duration.ofMinutes(10), true, Optional.empty());
    private static final Pod POD = new PodBuilder().withNewMetadata()
            .withName("m-0")
            .endMetadata()
            .withNewSpec()
            .addNewInitContainer()
            .withName("somebody-elses")
            .endInitContainer()
            .addNewInitContainer()
            .withName(PodConventions.SIDECAR_CONTAINER)
            .endInitContainer()
            .endSpec()
            .build();

    private final InMemorySpanExporter sent = InMemorySpanExporter.create();
    private final WakeTrace traces = new WakeTrace(
            new OtlpSteps(new OtlpExport(SimpleSpanProcessor.create(sent), "dormouse-operator", "op-0", 1)),
            Optional.of("http://collector:4318"), Clock.fixed(NOW, ZoneOffset.UTC));

    private static InferenceModel model(String traceparent, String lastWakeAt) {
        return ApiJson.SHARED.unmarshal("""
                                        {"metadata":{"namespace":"default","name":"m"},"status":{
                                        "demand":{"requestedAt":"2026-11-20T23:59:59Z","traceparent":"%s"},
                                        "lastWake":{"at":"%s","rung":"Cold","coldStartMs":1,"pod":"m-0"}}}
                                        """.formatted(traceparent, lastWakeAt), InferenceModel.class);
    }

    private static Activation activation(Activation.Reason reason) {
        return new Activation(2, reason, WOKEN, null);
    }

    private Pod create(WakeTrace by, InferenceModel model, Activation.Reason reason) {
        var created = new Pod[1];
        assertThat(by.create(POD, model, activation(reason), CLIMB, pod -> {
            created[0] = pod;
            return new Creation.Created(pod);
        })).isEqualTo(new Creation.Created(created[0]));
        return created[0];
    }

    private static List<EnvVar> sidecarEnv(Pod pod) {
        assertThat(pod.getSpec().getInitContainers().getFirst().getEnv()).isEmpty();
        return pod.getSpec().getInitContainers().getLast().getEnv();
    }

    @Test
    @DisplayName("From the decision to wake until the pod is there: a span of the waiting request's trace, which the sidecar continues")
    void spanAndPod() {
        Pod pod = create(traces, model(WAITING, "2026-11-20T00:00:00Z"), Activation.Reason.Demand);

        assertThat(sent.getFinishedSpanItems()).singleElement().satisfies(span -> {
            assertThat(span.getName()).isEqualTo("start replica");
            assertThat(span.getTraceId()).isEqualTo(TRACE);
            assertThat(span.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
            assertThat(span.getEndEpochNanos() - span.getStartEpochNanos()).isEqualTo(40_000_000);
            assertThat(span.getAttributes().asMap())
                    .containsEntry(AttributeKey.stringKey("dormouse.model"), "default/m")
                    .containsEntry(AttributeKey.stringKey("dormouse.rung"), "Volume")
                    .containsEntry(AttributeKey.stringKey("k8s.pod.name"), "m-0");
        });
        String continued = "00-" + TRACE + "-" + sent.getFinishedSpanItems().getFirst().getSpanId() + "-01";
        assertThat(pod.getMetadata().getAnnotations()).containsEntry(PodConventions.ANNOTATION_TRACEPARENT, continued);
        assertThat(sidecarEnv(pod)).containsExactly(
                new EnvVar("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", null),
                new EnvVar("TRACEPARENT", continued, null));
    }

    @Test
    @DisplayName("Replicas that no traced request waits for have no trace: later ones of a model that has served, and those that nobody asked for")
    void nobodyWaits() {
        Pod later = create(traces, model(WAITING, "2026-11-21T00:00:05Z"), Activation.Reason.Demand);
        Pod unasked = create(traces, model(WAITING, "2026-11-20T00:00:00Z"), Activation.Reason.Replicas);
        Pod untraced = create(traces, model("nonsense", "2026-11-20T00:00:00Z"), Activation.Reason.Demand);

        assertThat(List.of(later, unasked, untraced)).allMatch(POD::equals);
        assertThat(sent.getFinishedSpanItems()).isEmpty();
    }

    @Test
    @DisplayName("A trace that is not recorded is handed on as that, and the sidecar loads nothing for it")
    void notRecorded() {
        Pod pod = create(traces, model(WAITING.replaceAll("01$", "00"), "2026-11-20T00:00:00Z"),
                Activation.Reason.Demand);

        assertThat(pod.getMetadata().getAnnotations().get(PodConventions.ANNOTATION_TRACEPARENT))
                .startsWith("00-" + TRACE)
                .endsWith("-00");
        assertThat(sidecarEnv(pod)).isEmpty();
        assertThat(sent.getFinishedSpanItems()).isEmpty();
    }

    @Test
    @DisplayName("Where nobody collects, the pod names the trace as the gateway wrote it")
    void off() {
        Pod pod = create(new WakeTrace(StepTracing.OFF, Optional.empty(), Clock.systemUTC()),
                model(WAITING, "2026-11-20T00:00:00Z"), Activation.Reason.Demand);

        assertThat(pod.getMetadata().getAnnotations()).containsEntry(PodConventions.ANNOTATION_TRACEPARENT, WAITING);
        assertThat(sidecarEnv(pod)).isEmpty();
    }

    @Test
    @DisplayName("A pod that is refused, and an API server that fails, are errors in the trace")
    void refused() {
        InferenceModel model = model(WAITING, "2026-11-20T00:00:00Z");
        Rejection quota = new Rejection(new Problem("QuotaExceeded", "no more"), false);

        assertThat(traces.create(POD, model, activation(Activation.Reason.Demand), CLIMB,
                pod -> new Creation.Refused(quota)))
                .isEqualTo(new Creation.Refused(quota));
        assertThatThrownBy(
                () -> traces.create(POD, model, activation(Activation.Reason.Demand), CLIMB, pod -> {
                    throw new IllegalStateException("gone");
                })).hasMessage("gone");

        assertThat(sent.getFinishedSpanItems()).hasSize(2)
                .extracting(SpanData::getStatus)
                .allMatch(status -> status.getStatusCode() == StatusCode.ERROR)
                .extracting("description")
                .containsExactly("QuotaExceeded", "gone");
    }
}

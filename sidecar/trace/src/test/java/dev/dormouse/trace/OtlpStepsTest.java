package dev.dormouse.trace;

import static org.assertj.core.api.Assertions.assertThat;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.time.Instant;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class OtlpStepsTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
    private static final String WAITING = "00-" + TRACE + "-00f067aa0ba902b7-01";

    private final InMemorySpanExporter sent = InMemorySpanExporter.create();
    private final OtlpSteps steps = new OtlpSteps(new OtlpExport(SimpleSpanProcessor.create(sent), "test", "one", 0));

    private SpanData span(String name) {
        return sent.getFinishedSpanItems()
                .stream()
                .filter(span -> span.getName().equals(name))
                .findFirst()
                .orElseThrow();
    }

    @Test
    @DisplayName("A step belongs to the trace of the request that waits for it, and is continued by whoever gets its traceparent")
    void continues() {
        Step outer = steps.begin(WAITING, "outer", T0).with("dormouse.rung", "Volume").with("ms", 1.5);
        steps.begin(outer.traceparent().orElseThrow(), "elsewhere", T0).end(T0.plusSeconds(2));
        outer.within("part", T0.plusSeconds(1)).failed("broken").end(T0.plusSeconds(2));
        outer.end(T0.plusSeconds(3));

        assertThat(sent.getFinishedSpanItems()).hasSize(3).allMatch(span -> span.getTraceId().equals(TRACE));
        assertThat(span("outer").getParentSpanId()).isEqualTo("00f067aa0ba902b7");
        assertThat(span("outer").getAttributes().asMap())
                .containsEntry(AttributeKey.stringKey("dormouse.rung"), "Volume")
                .containsEntry(AttributeKey.doubleKey("ms"), 1.5);
        assertThat(span("outer").getResource().getAttributes().asMap())
                .containsEntry(AttributeKey.stringKey("service.name"), "test")
                .containsEntry(AttributeKey.stringKey("service.instance.id"), "one");
        assertThat(span("part").getParentSpanId()).isEqualTo(span("outer").getSpanId());
        assertThat(span("part").getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
        assertThat(span("elsewhere").getParentSpanId()).isEqualTo(span("outer").getSpanId());
    }

    @Test
    @DisplayName("What whoever waits does not record is not recorded here, and others are told so")
    void notRecorded() {
        Step step = steps.begin(WAITING.replaceAll("01$", "00"), "outer", T0);
        step.end(T0);

        assertThat(step.traceparent()).get().asString().startsWith("00-" + TRACE + "-").endsWith("-00");
        assertThat(sent.getFinishedSpanItems()).isEmpty();
    }

    @Test
    @DisplayName("A step whose end another clock tells never ends before it began")
    void clocks() {
        steps.begin(WAITING, "outer", T0).end(T0.minusSeconds(5));

        assertThat(span("outer").getEndEpochNanos()).isEqualTo(span("outer").getStartEpochNanos());
    }

    @Test
    @DisplayName("Switched off, nothing is begun and nothing to be continued")
    void off() {
        Step step = StepTracing.OFF.begin(WAITING, "outer", T0).with("a", "b").with("c", 1).failed("why");
        step.within("part", T0).end(T0);

        assertThat(step.traceparent()).isEmpty();
    }
}

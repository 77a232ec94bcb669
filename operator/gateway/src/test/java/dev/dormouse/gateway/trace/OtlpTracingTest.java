package dev.dormouse.gateway.trace;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.trace.OtlpExport;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.testing.exporter.InMemorySpanExporter;
import io.opentelemetry.sdk.trace.data.EventData;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class OtlpTracingTest {
    private static final ModelKey MODEL = new ModelKey("default", "m");
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final String CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    private final InMemorySpanExporter sent = InMemorySpanExporter.create();
    private final OtlpTracing tracing = new OtlpTracing(
            new OtlpExport(SimpleSpanProcessor.create(sent), "dormouse-gateway", "gw-0", 1));

    private RequestSpans begin(Map<String, String> headers) {
        return tracing.begin("POST", "/v1/x", MODEL, headers::get, T0);
    }

    private SpanData span(String name) {
        return sent.getFinishedSpanItems()
                .stream()
                .filter(span -> span.getName().equals(name))
                .findFirst()
                .orElseThrow();
    }

    @Test
    @DisplayName("One trace per request, with spans hold, wake and proxy; the caller's is continued, and so is ours by the engine")
    void heldForAWake() {
        RequestSpans spans = begin(Map.of("traceparent", CALLER, "tracestate", "v=1"));
        spans.held(true, T0.plusSeconds(1));
        spans.granted("pod-1", T0.plusSeconds(4));
        Map<String, String> passed = new HashMap<>();
        spans.pass(passed::put);
        spans.ended(200, T0.plusSeconds(5));

        SpanData request = span("POST default/m");
        assertThat(request.getKind()).isEqualTo(SpanKind.SERVER);
        assertThat(request.getTraceId()).isEqualTo("4bf92f3577b34da6a3ce929d0e0e4736");
        assertThat(request.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
        assertThat(span("hold").getParentSpanId()).isEqualTo(request.getSpanId());
        assertThat(span("wake").getParentSpanId()).isEqualTo(span("hold").getSpanId());
        assertThat(span("proxy").getParentSpanId()).isEqualTo(request.getSpanId());
        assertThat(span("wake").getEndEpochNanos() - span("wake").getStartEpochNanos())
                .isEqualTo(TimeUnit.SECONDS.toNanos(3));
        assertThat(sent.getFinishedSpanItems()).hasSize(4).allMatch(SpanData::hasEnded);
        assertThat(passed).containsEntry("tracestate", "v=1")
                .containsEntry("traceparent",
                        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + span("proxy").getSpanId() + "-01");
    }

    @Test
    @DisplayName("A wake tells how it went, by what operator and sidecar report, whatever their clocks say")
    void wakeSteps() {
        RequestSpans spans = begin(Map.of());
        spans.held(true, T0);
        spans.woke(new WakeSteps(Optional.of(T0.minusSeconds(1)), T0.plusMillis(500), T0.plusSeconds(2), "Volume",
                Map.of("weight_load", Duration.ofMillis(700))));
        spans.granted("pod-1", T0.plusSeconds(2));
        spans.ended(200, T0.plusSeconds(3));

        assertThat(span("wake").getEvents()).extracting(EventData::getName)
                .containsExactly("decided", "sidecar started", "ready");
        assertThat(span("wake").getAttributes().asMap())
                .containsEntry(AttributeKey.stringKey("dormouse.rung"), "Volume")
                .containsEntry(AttributeKey.doubleKey("dormouse.phase.weight_load_ms"), 700.0);
    }

    @Test
    @DisplayName("Who wakes the model continues the span wake; whoever waits for a replica that is up, the request's own")
    void continuedByTheOperator() {
        RequestSpans asleep = begin(Map.of());
        asleep.held(true, T0);
        Map<String, String> passed = new HashMap<>();
        asleep.pass(passed::put);
        asleep.gone(T0.plusSeconds(1));

        assertThat(passed.get("traceparent")).contains(span("wake").getSpanId());

        RequestSpans queued = begin(Map.of());
        queued.held(false, T0);
        queued.pass(passed::put);
        queued.gone(T0.plusSeconds(1));

        assertThat(passed.get("traceparent"))
                .contains(sent.getFinishedSpanItems().getLast().getSpanId());
    }

    @Test
    @DisplayName("What is at once at a replica waits for nothing; an attempt that never reached one is an error of its own")
    void returned() {
        RequestSpans spans = begin(Map.of());
        spans.granted("pod-1", T0);
        spans.returned(false, T0.plusSeconds(1));
        spans.granted("pod-2", T0.plusSeconds(2));
        spans.ended(503, T0.plusSeconds(3));
        spans.ended(503, T0.plusSeconds(9));

        List<String> names = sent.getFinishedSpanItems().stream().map(SpanData::getName).toList();
        assertThat(names).containsExactly("proxy", "hold", "proxy", "POST default/m");
        assertThat(span("proxy").getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
        assertThat(span("POST default/m").getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
    }

    @Test
    @DisplayName("A client that leaves while it is held ends every span")
    void gone() {
        RequestSpans spans = begin(Map.of());
        spans.held(true, T0);
        spans.gone(T0.plusSeconds(1));
        spans.ended(200, T0.plusSeconds(2));

        assertThat(sent.getFinishedSpanItems()).hasSize(3);
    }

    @Test
    @DisplayName("A caller that does not record its trace is not recorded here, and its engine is told so")
    void notRecorded() {
        RequestSpans spans = begin(Map.of("traceparent", CALLER.replaceAll("01$", "00")));
        Map<String, String> passed = new HashMap<>();
        spans.granted("pod-1", T0);
        spans.pass(passed::put);
        spans.ended(200, T0);

        assertThat(sent.getFinishedSpanItems()).isEmpty();
        assertThat(passed.get("traceparent")).startsWith("00-4bf92f3577b34da6a3ce929d0e0e4736-").endsWith("-00");
    }

    @Test
    @DisplayName("Spans reach a collector by OTLP over HTTP, at the latest when the gateway ends")
    void reachesACollector() throws IOException {
        CompletableFuture<String> received = new CompletableFuture<>();
        HttpServer collector = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 10);
        collector.createContext("/v1/traces", exchange -> {
            received.complete(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.ISO_8859_1));
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        collector.start();
        try {
            OtlpTracing real = new OtlpTracing(
                    OtlpExport.to("http://127.0.0.1:" + collector.getAddress().getPort() + "/",
                            "dormouse-gateway", "gw-7", 1));
            real.begin("POST", "/v1/x", MODEL, header -> null, T0).ended(200, T0);
            real.close();

            assertThat(received).succeedsWithin(Duration.ofSeconds(30));
            assertThat(received.join()).contains("POST default/m", "dormouse-gateway", "gw-7");
        } finally {
            collector.stop(0);
        }
    }
}

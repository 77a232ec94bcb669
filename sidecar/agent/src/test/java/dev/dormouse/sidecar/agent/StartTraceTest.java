package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.trace.OtlpExport;
import dev.dormouse.trace.OtlpSteps;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class StartTraceTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

    private final List<SpanData> sent = new CopyOnWriteArrayList<>();
    private volatile boolean over;
    private int collectors;
    private Instant now = T0;

    private final StartTrace trace = new StartTrace("00-" + TRACE + "-00f067aa0ba902b7-01", () -> {
        collectors++;
        return new OtlpSteps(
                new OtlpExport(SimpleSpanProcessor.create(kept()), "dormouse-sidecar", "pod-1", 1));
    }, new Clock() {
        @Override
        public Instant instant() {
            return now;
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }
    });

    /** The one of the SDK forgets when it is shut down. */
    private SpanExporter kept() {
        return new SpanExporter() {
            @Override
            public CompletableResultCode export(Collection<SpanData> spans) {
                sent.addAll(spans);
                return CompletableResultCode.ofSuccess();
            }

            @Override
            public CompletableResultCode flush() {
                return CompletableResultCode.ofSuccess();
            }

            @Override
            public CompletableResultCode shutdown() {
                over = true;
                return CompletableResultCode.ofSuccess();
            }
        };
    }

    private void say(int millis, ReplicaPhase phase, SnapshotReport.State snapshot, double percent,
            @Nullable SnapshotReport previous, @Nullable String reason) {
        now = T0.plusMillis(millis);
        trace.accept(new SidecarStatus(millis, "i", "pod-1", "default/m", "1", phase, percent, -1, Rung.Volume, 1000,
                List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 120_000),
                        PhaseTiming.skipped(PhaseTiming.POOL_ALLOC)),
                new SnapshotReport("s", snapshot, 1, 1, 1, null, null), previous, 0, 0, 0,
                T0.getEpochSecond() * 1_000_000, 0, reason, reason));
    }

    private SpanData span(String name) {
        return sent.stream().filter(span -> span.getName().equals(name)).findFirst().orElseThrow();
    }

    private static Duration begin(SpanData span) {
        return Duration.ofNanos(span.getStartEpochNanos()).minusSeconds(T0.getEpochSecond());
    }

    private static Duration end(SpanData span) {
        return Duration.ofNanos(span.getEndEpochNanos()).minusSeconds(T0.getEpochSecond());
    }

    @Test
    @DisplayName("A restore: start, and in it restore until the last byte and warmup until Ready")
    void restored() {
        say(10, ReplicaPhase.Restoring, SnapshotReport.State.Restoring, 0, null, null);
        say(50, ReplicaPhase.Restoring, SnapshotReport.State.Restoring, 40, null, null);
        say(130, ReplicaPhase.Restoring, SnapshotReport.State.Restored, 100, null, null);
        say(300, ReplicaPhase.Warming, SnapshotReport.State.Restored, 0, null, null);
        assertThat(collectors).as("nothing is loaded while somebody waits").isZero();
        say(400, ReplicaPhase.Ready, SnapshotReport.State.Restored, 100, null, null);

        await().until(() -> over);
        assertThat(sent).extracting(SpanData::getName).containsExactlyInAnyOrder("start", "restore", "warmup");
        SpanData start = span("start");
        assertThat(start.getTraceId()).isEqualTo(TRACE);
        assertThat(start.getParentSpanId()).isEqualTo("00f067aa0ba902b7");
        assertThat(List.of(begin(start), end(start))).containsExactly(Duration.ZERO, Duration.ofMillis(400));
        assertThat(start.getAttributes().asMap())
                .containsEntry(AttributeKey.stringKey("dormouse.model"), "default/m")
                .containsEntry(AttributeKey.stringKey("dormouse.rung"), "Volume")
                .containsEntry(AttributeKey.doubleKey("dormouse.restored_bytes"), 1000.0)
                .containsEntry(AttributeKey.doubleKey("dormouse.phase.weight_load_ms"), 120.0)
                .doesNotContainKey(AttributeKey.doubleKey("dormouse.phase.pool_alloc_ms"));
        assertThat(List.of(begin(span("restore")), end(span("restore")), begin(span("warmup")),
                end(span("warmup"))))
                .containsExactly(Duration.ofMillis(10), Duration.ofMillis(130), Duration.ofMillis(300),
                        Duration.ofMillis(400));
        assertThat(span("restore").getParentSpanId()).isEqualTo(start.getSpanId());
    }

    @Test
    @DisplayName("A snapshot that is refused and a warmup that fails are errors; what follows the end is not told")
    void failed() {
        say(10, ReplicaPhase.Restoring, SnapshotReport.State.Restoring, 0, null, null);
        say(20, ReplicaPhase.Starting, SnapshotReport.State.Absent, 0, new SnapshotReport("s",
                SnapshotReport.State.Quarantined, 1, 1, 0, "ChecksumMismatch", "chunk 7"), null);
        say(30, ReplicaPhase.Loading, SnapshotReport.State.Absent, 0, null, null);
        say(90, ReplicaPhase.Failed, SnapshotReport.State.Absent, 0, null, "WarmupFailed");
        say(95, ReplicaPhase.Starting, SnapshotReport.State.Absent, 0, null, null);
        say(99, ReplicaPhase.Ready, SnapshotReport.State.Absent, 0, null, null);

        await().until(() -> over);
        assertThat(sent).extracting(SpanData::getName).containsExactlyInAnyOrder("start", "restore", "load");
        assertThat(span("restore").getStatus().getDescription()).isEqualTo("ChecksumMismatch: chunk 7");
        assertThat(span("start").getStatus().getStatusCode()).isEqualTo(StatusCode.ERROR);
        assertThat(end(span("start"))).isEqualTo(Duration.ofMillis(90));
        assertThat(collectors).isEqualTo(1);
    }

    @Test
    @DisplayName("Without a collector, or without a request that waits, nothing is noted")
    void off() {
        for (Map<String, String> environment : List.of(Map.<String, String>of(),
                Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                Map.of("TRACEPARENT", "00-" + TRACE + "-00f067aa0ba902b7-01"))) {
            Consumer<SidecarStatus> witness = StartTrace.of(environment, "pod-1", Clock.systemUTC());

            assertThat(witness).isNotInstanceOf(StartTrace.class);
        }
        assertThat(StartTrace.of(Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "TRACEPARENT", "00-x"), "pod-1",
                Clock.systemUTC())).isInstanceOf(StartTrace.class);
    }
}

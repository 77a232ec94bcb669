package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.trace.OtlpExport;
import dev.dormouse.trace.OtlpSteps;
import dev.dormouse.trace.Step;
import dev.dormouse.trace.StepTracing;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The start of this replica, as spans of the trace of the request that waits for it: {@code start}, and within it
 * {@code restore} or {@code load}, and {@code warmup}. While it goes on only the turns are noted; what sends them is loaded when it is over, so that nobody
 * waits for it. Told every change of the status under the board's lock.
 */
final class StartTrace implements Consumer<SidecarStatus> {
    private record Turn(SidecarStatus status, Instant at) {}

    private final String traceparent;
    private final Supplier<StepTracing> collector;
    private final Clock clock;
    private final List<Turn> turns = new ArrayList<>();
    private boolean over;

    StartTrace(String traceparent, Supplier<StepTracing> collector, Clock clock) {
        this.traceparent = traceparent;
        this.collector = collector;
        this.clock = clock;
    }

    /** Does nothing unless a traced request waits and somebody collects. */
    static Consumer<SidecarStatus> of(Map<String, String> environment, String podUid, Clock clock) {
        String endpoint = environment.getOrDefault(SidecarEnvironment.OTLP_ENDPOINT, "");
        String traceparent = environment.getOrDefault(SidecarEnvironment.TRACEPARENT, "");
        return endpoint.isBlank() || traceparent.isBlank()
                ? status -> {
                }
                : new StartTrace(traceparent,
                        () -> new OtlpSteps(OtlpExport.to(endpoint.strip(), "dormouse-sidecar", podUid, 1)), clock);
    }

    @Override
    public void accept(SidecarStatus status) {
        if (over || !turns.isEmpty() && same(turns.getLast().status(), status)) {
            return;
        }
        turns.add(new Turn(status, clock.instant()));
        if (status.phase().terminal()) {
            // An engine that comes back later restarts for nobody who waited here.
            over = true;
            Thread.ofPlatform().daemon().name("trace").start(this::send);
        }
    }

    private static boolean same(SidecarStatus one, SidecarStatus other) {
        return one.phase() == other.phase() && one.snapshot().state() == other.snapshot().state();
    }

    /** Nothing is added any more. */
    private void send() {
        try (StepTracing tracing = collector.get()) {
            SidecarStatus last = turns.getLast().status();
            Step start = tracing.begin(traceparent, "start",
                    Instant.EPOCH.plus(last.startedAtEpochMicros(), ChronoUnit.MICROS));
            parts(start);
            start.with("dormouse.model", last.model())
                    .with("k8s.pod.uid", last.podUid())
                    .with("dormouse.rung", last.rung().name())
                    .with("dormouse.restored_bytes", last.restoredBytes());
            last.phases()
                    .stream()
                    .filter(phase -> phase.state() == PhaseTiming.State.Done)
                    .forEach(phase -> start.with("dormouse.phase." + phase.name() + "_ms", phase.micros() / 1e3));
            if (last.phase() == ReplicaPhase.Failed) {
                start.failed(last.reason() + ": " + last.message());
            }
            start.end(turns.getLast().at());
        }
    }

    private void parts(Step start) {
        ReplicaPhase phase = ReplicaPhase.Starting;
        Step part = Step.NONE;
        for (Turn turn : turns) {
            SidecarStatus now = turn.status();
            boolean restored = now.snapshot().state() == SnapshotReport.State.Restored;
            boolean next = now.phase() != phase;
            if (next || phase == ReplicaPhase.Restoring && restored) {
                SnapshotReport refused = now.previousSnapshot();
                if (phase == ReplicaPhase.Restoring && !restored && refused != null) {
                    part.failed(refused.reason() + ": " + refused.message());
                }
                part.end(turn.at());
                part = Step.NONE;
            }
            if (next) {
                phase = now.phase();
                String name = name(phase);
                part = name == null ? Step.NONE : start.within(name, turn.at());
            }
        }
    }

    private static @Nullable String name(ReplicaPhase phase) {
        return switch (phase) {
            case Restoring -> "restore";
            case Loading -> "load";
            case Warming -> "warmup";
            case Starting, Ready, Failed -> null;
        };
    }
}

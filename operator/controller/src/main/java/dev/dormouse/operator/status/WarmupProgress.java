package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.WarmupStatus;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** How far the present warmup is, or how the last one ended. */
final class WarmupProgress {
    private static final int PERCENT_STEP = 10;

    private final ModelView view;
    private final Optional<ObservedReplica> leading;

    private WarmupProgress(ModelView view, Optional<ObservedReplica> leading) {
        this.view = view;
        this.leading = leading;
    }

    /** @param leading the most telling live replica */
    static @Nullable WarmupStatus of(ModelView view, Optional<ObservedReplica> leading) {
        return new WarmupProgress(view, leading).status();
    }

    /** The warmup under way; otherwise the last one stays. */
    private @Nullable WarmupStatus status() {
        WarmupStatus last = view.previous().warmup;
        if (leading.isEmpty()) {
            if (view.queue().isEmpty() || !view.awake()) {
                return view.awake() ? last : afterSleep(last);
            }
            QueuePosition place = view.queue().get();
            return new WarmupStatus("Queued", place.position(), null,
                    place.eta().map(eta -> rounded((int) eta.toSeconds() + 1)).orElse(null), view.failures() + 1, null,
                    null, null, null,
                    null, "Saturated", place.reason());
        }
        Replica replica = leading.get().replica();
        Optional<SidecarStatus> report = leading.get().report();
        Problem problem = replica.problem();
        boolean done = replica.phase() == Phase.Ready;
        int attempt = replica.phase() == Phase.Failed ? Math.max(1, view.failures()) : view.failures() + 1;
        return new WarmupStatus(phase(replica, report), null,
                done ? null : report.map(WarmupProgress::percent).orElse(null),
                done ? null : report.map(WarmupProgress::eta).orElse(null), attempt,
                report.filter(r -> r.readyAtEpochMicros() > 0).map(SidecarStatusTimes::totalMicros).orElse(null),
                report.map(SidecarStatus::firstInferenceMicros).filter(m -> m > 0).orElse(null),
                report.map(SidecarStatus::warmupIterations).filter(n -> n > 0).orElse(null),
                report.map(SidecarStatus::memoryBytes).filter(b -> b > 0).orElse(null),
                report.map(r -> r.phases().stream().map(WarmupProgress::timing).toList()).orElse(null),
                problem == null ? null : problem.reason(), problem == null ? null : problem.message());
    }

    /** A try that was cut short by sleep says nothing about the next one, unless it was stuck: the next will be as well. */
    private static @Nullable WarmupStatus afterSleep(@Nullable WarmupStatus last) {
        if (last == null || last.phase().equals("Ready") || last.phase().equals("Failed")) {
            return last;
        }
        boolean stuck = last.reason() != null && !last.phase().equals("Queued");
        return stuck
                ? new WarmupStatus("Failed", null, null, null, last.attempt(), null, null, null, null, null,
                        last.reason(), last.message())
                : null;
    }

    private static ModelStatus.Phase timing(PhaseTiming timing) {
        boolean running = timing.state() == PhaseTiming.State.Running;
        return new ModelStatus.Phase(timing.name(), timing.state().name(), running ? 0L : timing.micros(),
                timing.error());
    }

    private static int percent(SidecarStatus report) {
        return (int) report.percent() / PERCENT_STEP * PERCENT_STEP;
    }

    private static @Nullable Integer eta(SidecarStatus report) {
        if (report.etaMillis() < 0) {
            return null;
        }
        return rounded((int) Math.ceilDiv(report.etaMillis(), 1000L));
    }

    private static int rounded(int seconds) {
        return seconds <= 10 ? seconds : Math.ceilDiv(seconds, 5) * 5;
    }

    static String phase(Replica replica, Optional<SidecarStatus> report) {
        return switch (replica.phase()) {
            case Ready -> "Ready";
            case Failed -> "Failed";
            case Pending, Terminating -> ReplicaPhase.Starting.name();
            case Warming -> report.map(r -> r.phase().name()).orElse(ReplicaPhase.Starting.name());
        };
    }
}

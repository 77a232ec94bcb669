package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Something worth a Kubernetes Event.
 *
 * @param warning type {@code Warning} instead of {@code Normal}
 * @param about what it happened to; the same reason about the same thing is one event
 */
public record ModelEvent(boolean warning, String reason, String message, String about) {

    public static final String WAKE_STARTED = "WakeStarted";

    /** The events of a step from one status to the next. */
    public static List<ModelEvent> between(ModelStatus previous, ModelStatus next, List<ObservedReplica> replicas,
            InferenceModelSpec spec) {
        List<ModelEvent> events = new ArrayList<>();
        ofActivation(previous, next, events);
        ofReadiness(previous, next, events);
        for (ObservedReplica observed : replicas) {
            if (observed.replica().phase() == Phase.Failed && observed.replica().problem() != null) {
                events.add(new ModelEvent(true, "WarmupFailed", observed.replica().pod() + ": "
                        + observed.replica().problem().reason() + ": " + observed.replica().problem().message(),
                        observed.replica().uid()));
            }
            observed.report().ifPresent(report -> ofReport(report, observed.replica().uid(), spec, events));
        }
        return List.copyOf(events);
    }

    /** W30: another number of replicas within one activation; neither is 0, which is a wake or a sleep. */
    public static ModelEvent scaled(int from, int to, String why, Instant at) {
        return new ModelEvent(false, to > from ? "ScaledUp" : "ScaledDown",
                "from %d to %d replicas: %s".formatted(from, to, why), Timestamps.micros(at));
    }

    private static void ofActivation(ModelStatus previous, ModelStatus next, List<ModelEvent> events) {
        ModelStatus.Activation before = previous.activation;
        ModelStatus.Activation now = next.activation;
        if (now == null) {
            return;
        }
        if (before == null || !before.id().equals(now.id())) {
            events.add(new ModelEvent(false, WAKE_STARTED, "waking for " + now.reason() + ": " + message(next),
                    now.id()));
        }
        if (now.endedAt() != null && (before == null || !Objects.equals(before.endedAt(), now.endedAt()))) {
            events.add(new ModelEvent(false, "Slept", "put to sleep; a request wakes it", now.id()));
        }
        if (next.lastWake != null && (previous.lastWake == null || !next.lastWake.equals(previous.lastWake))) {
            events.add(new ModelEvent(false, "Woke", "awake after " + next.lastWake.coldStartMs() + " ms from rung "
                    + next.lastWake.rung(), now.id()));
        }
    }

    private static void ofReadiness(ModelStatus previous, ModelStatus next, List<ModelEvent> events) {
        Optional<Condition> now = Conditions.find(next.conditions, Conditions.READY)
                .filter(c -> c.getStatus().equals("False") && !c.getReason().equals("FirstStart"));
        String before = Conditions.find(previous.conditions, Conditions.READY).map(Condition::getReason).orElse("");
        now.filter(c -> !c.getReason().equals(before))
                .ifPresent(c -> events.add(new ModelEvent(true, c.getReason(),
                        c.getMessage(), next.observedGeneration + "/" + activationId(next))));
    }

    private static void ofReport(SidecarStatus report, String podUid, InferenceModelSpec spec,
            List<ModelEvent> events) {
        SnapshotReport snapshot = report.snapshot();
        if (snapshot.state() == SnapshotReport.State.Saved) {
            events.add(new ModelEvent(false, "SnapshotSaved", "snapshot " + snapshot.id() + ": " + snapshot.rawBytes()
                    + " bytes, " + snapshot.storedBytes() + " stored", podUid + snapshot.id()));
        }
        if (snapshot.state() == SnapshotReport.State.Failed) {
            events.add(new ModelEvent(true, "SnapshotFailed", text(snapshot), podUid));
        }
        SnapshotReport refused = snapshot.state() == SnapshotReport.State.Quarantined
                ? snapshot
                : report.previousSnapshot();
        if (refused != null) {
            boolean damaged = refused.state() == SnapshotReport.State.Quarantined;
            events.add(new ModelEvent(true, damaged ? "SnapshotQuarantined" : "SnapshotNotUsed", text(refused),
                    podUid + refused.id()));
        }
        long totalMicros = SidecarStatusTimes.totalMicros(report);
        // H33: strictly longer; it warns, warmup.deadlineSeconds cuts.
        if (report.readyAtEpochMicros() > 0 && totalMicros > spec.warmup().maxWarmupMs() * 1000L) {
            events.add(new ModelEvent(true, "WarmupSlow", "the warmup took " + totalMicros / 1000
                    + " ms; warmup.maxWarmupMs is " + spec.warmup().maxWarmupMs(), podUid));
        }
    }

    private static String text(SnapshotReport snapshot) {
        return "snapshot " + (snapshot.id() == null ? "" : snapshot.id() + " ") + "was not usable: "
                + orElse(snapshot.reason(), "Unknown") + ": " + orElse(snapshot.message(), "no message");
    }

    private static String message(ModelStatus status) {
        return Conditions.find(status.conditions, Conditions.SERVING).map(Condition::getMessage).orElse("");
    }

    private static String activationId(ModelStatus status) {
        return status.activation == null ? "-" : status.activation.id();
    }

    private static String orElse(@Nullable String text, String otherwise) {
        return text == null ? otherwise : text;
    }
}

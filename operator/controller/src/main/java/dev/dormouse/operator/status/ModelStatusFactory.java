package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.InitialStartStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.api.v1alpha1.ModelStatus.ReplicaStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.SnapshotStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.WarmupStatus;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.operator.status.Conditions.Verdict;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Computes status, and nothing else: the same view always gives the same status. Figures that move all the time (percent,
 * ETA) are rounded, so that a restore costs a handful of writes.
 */
public final class ModelStatusFactory {
    private static final Set<String> USABLE_SNAPSHOT = Set.of(SnapshotReport.State.Saved.name(),
            SnapshotReport.State.Restored.name());
    private static final int PERCENT_STEP = 10;

    private final ModelView view;
    private final InferenceModelSpec spec;
    private final List<ObservedReplica> live;
    private final Optional<ObservedReplica> leading;
    private final int ready;

    private ModelStatusFactory(ModelView view) {
        this.view = view;
        this.spec = view.model().getSpec();
        this.live = view.replicas().stream().filter(o -> o.replica().phase() != Phase.Terminating).toList();
        this.leading = live.stream()
                .filter(o -> !o.replica().draining())
                .min(Comparator.comparing(o -> rank(o.replica().phase())));
        this.ready = (int) live.stream()
                .filter(o -> o.replica().phase() == Phase.Ready && !o.replica().draining())
                .count();
    }

    public static ModelStatus of(ModelView view) {
        return new ModelStatusFactory(view).build();
    }

    private ModelStatus build() {
        ModelStatus status = new ModelStatus();
        status.observedGeneration = view.model().getMetadata().getGeneration();
        status.replicas = live.size();
        status.readyReplicas = ready;
        status.selector = PodConventions.LABEL_MODEL + "=" + view.model().getMetadata().getName();
        status.activation = activation();
        status.warmup = warmup();
        status.initialStart = initialStart(status.warmup);
        status.lastWake = lastWake();
        status.snapshot = snapshot();
        status.rung = rung(status.snapshot).name();
        status.pods = view.replicas()
                .stream()
                .map(ModelStatusFactory::pod)
                .sorted(Comparator.comparing(ReplicaStatus::name))
                .toList();
        status.conditions = conditions(status).list();
        return status;
    }

    private Conditions conditions(ModelStatus status) {
        Long generation = view.model().getMetadata().getGeneration();
        Conditions conditions = new Conditions(view.previous().conditions, generation == null ? 0 : generation,
                view.now());
        addReady(conditions, status);
        boolean missing = view.resolved() instanceof ResolvedModel.Missing;
        conditions.add(Conditions.RECONCILING, Verdict.of(missing),
                view.resolved() instanceof ResolvedModel.Missing m ? m.reason() : "UpToDate",
                missing ? "waits for what is missing" : "");
        addStalled(conditions);
        conditions.add(Conditions.SERVING, Verdict.of(ready > 0),
                ready > 0 ? "Serving" : view.awake() ? "Waking" : "Asleep",
                ready > 0 ? ready + " of " + view.desired() + " replicas answer requests" : view.why());
        addSnapshotReady(conditions, status.snapshot);
        addColdStartTarget(conditions, status.lastWake);
        return conditions;
    }

    private void addStalled(Conditions conditions) {
        if (view.resolved() instanceof ResolvedModel.Impossible impossible) {
            conditions.add(Conditions.STALLED, Verdict.True, impossible.reason(), impossible.message());
        } else if (view.rejected().isPresent() && view.rejected().get().forGood()) {
            Problem problem = view.rejected().get().problem();
            conditions.add(Conditions.STALLED, Verdict.True, problem.reason(), problem.message());
        } else {
            conditions.add(Conditions.STALLED, Verdict.False, "Progressing", "");
        }
    }

    private void addReady(Conditions conditions, ModelStatus status) {
        Optional<Problem> problem = problem(status);
        if (problem.isPresent()) {
            conditions.add(Conditions.READY, Verdict.False, problem.get().reason(), problem.get().message());
        } else if (ready > 0) {
            conditions.add(Conditions.READY, Verdict.True, "Serving",
                    ready + " of " + view.desired() + " replicas answer requests");
        } else if (view.awake()) {
            boolean proven = status.lastWake != null;
            conditions.add(Conditions.READY, Verdict.of(proven), proven ? "Waking" : "FirstStart",
                    view.queue()
                            .map(q -> "waits for a warmup slot, position " + q.position() + ": " + q.reason())
                            .orElse(view.why()));
        } else {
            conditions.add(Conditions.READY, Verdict.True, "ScaledToZero", status.lastWake == null
                    ? "asleep; it has never started, the first request tries"
                    : "asleep; a request wakes it from rung " + status.rung);
        }
    }

    /** Why the next request would fail, as far as is known. */
    private Optional<Problem> problem(ModelStatus status) {
        switch (view.resolved()) {
            case ResolvedModel.Impossible impossible -> {
                return Optional.of(new Problem(impossible.reason(), impossible.message()));
            }
            case ResolvedModel.Missing missing -> {
                return Optional.of(new Problem(missing.reason(), missing.message()));
            }
            case ResolvedModel.Resolved resolved -> {
            }
        }
        if (ready > 0) {
            return Optional.empty();
        }
        if (view.rejected().isPresent()) {
            return view.rejected().map(ModelView.Rejection::problem);
        }
        Optional<Problem> ofAPod = leading.map(o -> o.replica().problem());
        if (view.awake() && ofAPod.isPresent()) {
            return ofAPod;
        }
        if (status.initialStart != null && InitialStart.Failed.name().equals(status.initialStart.state())) {
            return Optional.of(new Problem("InitialStartFailed", orEmpty(status.initialStart.message())));
        }
        boolean lastTryFailed = status.warmup != null && status.warmup.phase().equals("Failed");
        return lastTryFailed && status.warmup != null
                ? Optional.of(new Problem(status.warmup.reason() == null ? "WarmupFailed" : status.warmup.reason(),
                        orEmpty(status.warmup.message())))
                : Optional.empty();
    }

    private void addSnapshotReady(Conditions conditions, @Nullable SnapshotStatus snapshot) {
        if (!spec.snapshot().enabled()) {
            conditions.add(Conditions.SNAPSHOT_READY, Verdict.False, "Disabled", "snapshot.enabled is false");
        } else if (snapshot == null) {
            conditions.add(Conditions.SNAPSHOT_READY, Verdict.False, "NotTaken", "no snapshot has been taken yet");
        } else {
            String detail = snapshot.message() != null
                    ? snapshot.message()
                    : snapshot.id() != null ? "snapshot " + snapshot.id() : "";
            conditions.add(Conditions.SNAPSHOT_READY, Verdict.of(USABLE_SNAPSHOT.contains(snapshot.state())),
                    snapshot.state(), detail);
        }
    }

    /** H16–H18: inclusive, unknown before the first wake, judged on the whole wake and not on its last phase. */
    private void addColdStartTarget(Conditions conditions, @Nullable LastWake wake) {
        int target = spec.warmup().targetColdStartMs();
        if (wake == null) {
            conditions.add(Conditions.COLD_START_TARGET_MET, Verdict.Unknown, "NoWakeYet", "it has not woken yet");
            return;
        }
        boolean met = wake.coldStartMs() <= target;
        conditions.add(Conditions.COLD_START_TARGET_MET, Verdict.of(met), met ? "WithinTarget" : "AboveTarget",
                "the last wake took " + wake.coldStartMs() + " ms; warmup.targetColdStartMs is " + target);
    }

    private ModelStatus.@Nullable Activation activation() {
        Activation activation = view.activation();
        return activation == null
                ? null
                : new ModelStatus.Activation(Long.toString(activation.number()), activation.reason().name(),
                        Timestamps.micros(activation.startedAt()),
                        activation.endedAt() == null ? null : Timestamps.micros(activation.endedAt()));
    }

    private @Nullable InitialStartStatus initialStart(@Nullable WarmupStatus warmup) {
        return switch (view.initialStart()) {
            case Never -> null;
            case Pending -> new InitialStartStatus("Pending", null);
            case Done -> new InitialStartStatus("Done", null);
            case Failed -> new InitialStartStatus("Failed",
                    view.previous().initialStart != null && view.previous().initialStart.message() != null
                            ? view.previous().initialStart.message()
                            : InitialStart.ATTEMPTS + " replicas failed in a row"
                                    + (warmup == null || warmup.message() == null
                                            ? ""
                                            : "; the last one: " + warmup.message()));
        };
    }

    /** The warmup under way; otherwise the last one stays. */
    private @Nullable WarmupStatus warmup() {
        WarmupStatus last = view.previous().warmup;
        if (leading.isEmpty()) {
            if (view.queue().isEmpty() || !view.awake()) {
                return view.awake() ? last : afterSleep(last);
            }
            QueuePosition place = view.queue().get();
            return new WarmupStatus("Queued", place.position(), null, null, view.failures() + 1, null, null, null, null,
                    null, "Saturated", place.reason());
        }
        Replica replica = leading.get().replica();
        Optional<SidecarStatus> report = leading.get().report();
        Problem problem = replica.problem();
        boolean done = replica.phase() == Phase.Ready;
        int attempt = replica.phase() == Phase.Failed ? Math.max(1, view.failures()) : view.failures() + 1;
        return new WarmupStatus(phase(replica, report), null,
                done ? null : report.map(ModelStatusFactory::percent).orElse(null),
                done ? null : report.map(ModelStatusFactory::eta).orElse(null), attempt,
                report.filter(r -> r.readyAtEpochMicros() > 0).map(SidecarStatusTimes::totalMicros).orElse(null),
                report.map(SidecarStatus::firstInferenceMicros).filter(m -> m > 0).orElse(null),
                report.map(SidecarStatus::warmupIterations).filter(n -> n > 0).orElse(null),
                report.map(SidecarStatus::memoryBytes).filter(b -> b > 0).orElse(null),
                report.map(r -> r.phases().stream().map(ModelStatusFactory::timing).toList()).orElse(null),
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

    private static String phase(Replica replica, Optional<SidecarStatus> report) {
        return switch (replica.phase()) {
            case Ready -> "Ready";
            case Failed -> "Failed";
            case Pending, Terminating -> ReplicaPhase.Starting.name();
            case Warming -> report.map(r -> r.phase().name()).orElse(ReplicaPhase.Starting.name());
        };
    }

    /** Told once per activation, by the first replica that was made for it; also if it sleeps again at once. */
    private @Nullable LastWake lastWake() {
        LastWake last = view.previous().lastWake;
        Activation activation = view.activation();
        if (activation == null) {
            return last;
        }
        boolean known = last != null && Timestamps.parse(last.at())
                .filter(at -> !at.isBefore(activation.startedAt()))
                .isPresent();
        // Creation times are whole seconds.
        Instant from = activation.startedAt().truncatedTo(ChronoUnit.SECONDS);
        Optional<ObservedReplica> awake = live.stream()
                .filter(o -> o.replica().phase() == Phase.Ready && !o.replica().createdAt().isBefore(from))
                .min(Comparator.comparing(o -> readyAt(o.replica())));
        if (known || awake.isEmpty()) {
            return last;
        }
        Replica replica = awake.get().replica();
        Instant at = readyAt(replica).isBefore(activation.startedAt()) ? activation.startedAt() : readyAt(replica);
        Optional<SidecarStatus> report = awake.get().report();
        Optional<SidecarStatus> restored = report.filter(r -> r.snapshot().state() == SnapshotReport.State.Restored);
        return new LastWake(Timestamps.micros(at), report.map(r -> r.rung().name()).orElse(Rung.Cold.name()),
                Duration.between(activation.startedAt(), at).toMillis(),
                restored.map(SidecarStatus::restoredBytes).orElse(null),
                restored.map(r -> r.snapshot().micros()).orElse(null),
                report.map(SidecarStatus::firstInferenceMicros).filter(m -> m > 0).orElse(null), replica.pod());
    }

    private Instant readyAt(Replica replica) {
        return replica.readyAt() == null ? view.now() : replica.readyAt();
    }

    /** What the sidecars say about the snapshot; kept while the model sleeps, dropped when the spec asks for another. */
    private @Nullable SnapshotStatus snapshot() {
        if (!spec.snapshot().enabled()) {
            return null;
        }
        Optional<SidecarStatus> report = live.stream()
                .filter(o -> o.replica().template().equals(view.template()))
                .sorted(Comparator.comparing(o -> rank(o.replica().phase())))
                .flatMap(o -> o.report().stream())
                .findFirst();
        SnapshotStatus last = view.previous().snapshot;
        SnapshotStatus usable = last != null && view.snapshotKey().equals(last.key()) ? last : null;
        if (report.isEmpty()) {
            return usable;
        }
        SnapshotReport now = report.get().snapshot();
        SnapshotReport refused = report.get().previousSnapshot();
        if (now.state() == SnapshotReport.State.Absent) {
            return refused != null ? snapshot(refused) : usable;
        }
        return snapshot(now);
    }

    private SnapshotStatus snapshot(SnapshotReport report) {
        return new SnapshotStatus(report.id(), report.state().name(), positive(report.rawBytes()),
                positive(report.storedBytes()), view.snapshotKey(), report.reason(), report.message());
    }

    private Rung rung(@Nullable SnapshotStatus snapshot) {
        if (ready > 0) {
            return Rung.Resident;
        }
        return snapshot != null && USABLE_SNAPSHOT.contains(snapshot.state()) ? Rung.Volume : Rung.Cold;
    }

    private static ReplicaStatus pod(ObservedReplica observed) {
        Replica replica = observed.replica();
        String phase = replica.phase() == Phase.Terminating
                ? "Terminating"
                : replica.draining()
                        ? "Draining"
                        : replica.phase() == Phase.Pending ? "Pending" : phase(replica, observed.report());
        return new ReplicaStatus(replica.pod(), phase, replica.problem() == null ? null : replica.problem().reason(),
                replica.problem() == null ? null : replica.problem().message());
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
        int seconds = (int) Math.ceilDiv(report.etaMillis(), 1000L);
        return seconds <= 10 ? seconds : Math.ceilDiv(seconds, 5) * 5;
    }

    private static @Nullable Long positive(long value) {
        return value > 0 ? value : null;
    }

    private static String orEmpty(@Nullable String text) {
        return text == null ? "" : text;
    }

    /** The most telling replica first. */
    private static int rank(Phase phase) {
        return switch (phase) {
            case Ready -> 0;
            case Warming -> 1;
            case Pending -> 2;
            case Failed -> 3;
            case Terminating -> 4;
        };
    }
}

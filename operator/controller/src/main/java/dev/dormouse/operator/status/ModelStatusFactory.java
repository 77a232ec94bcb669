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
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.sidecar.api.PodConventions;
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
    static final Set<String> USABLE_SNAPSHOT = Set.of(SnapshotReport.State.Saved.name(),
            SnapshotReport.State.Restored.name());

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
        status.warmup = WarmupProgress.of(view, leading);
        status.initialStart = initialStart(status.warmup);
        status.lastWake = lastWake();
        status.wakes = WakeStatistics.after(view.previous().wakes, view.previous().lastWake, status.lastWake);
        status.snapshot = snapshot();
        status.rung = rung(status.snapshot).name();
        status.servingPattern = view.previous().servingPattern;
        status.pods = view.replicas()
                .stream()
                .map(ModelStatusFactory::pod)
                .sorted(Comparator.comparing(ReplicaStatus::name))
                .toList();
        status.conditions = ModelConditions.of(view, leading, ready, status);
        return status;
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
                        : replica.phase() == Phase.Pending
                                ? "Pending"
                                : WarmupProgress.phase(replica, observed.report());
        return new ReplicaStatus(replica.pod(), phase, replica.problem() == null ? null : replica.problem().reason(),
                replica.problem() == null ? null : replica.problem().message());
    }

    private static @Nullable Long positive(long value) {
        return value > 0 ? value : null;
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

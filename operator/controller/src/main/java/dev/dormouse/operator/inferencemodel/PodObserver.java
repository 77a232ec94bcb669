package dev.dormouse.operator.inferencemodel;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.operator.status.ObservedReplica.PodPlace;
import dev.dormouse.operator.status.Timestamps;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.api.model.PodStatus;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Reads a pod and its sidecar's last report into a {@link Replica}. The report is ahead of the kubelet by a probe
 * period, so it goes first; where there is none, the pod speaks.
 */
final class PodObserver {
    /** A ready sidecar that says nothing about its snapshot for so long has none to take. */
    private static final Duration SNAPSHOT_PATIENCE = Duration.ofSeconds(60);
    /** The sidecar cuts a hanging warmup itself; so much later it must be hanging as well. */
    private static final Duration DEADLINE_SLACK = Duration.ofSeconds(60);
    /** As the sidecar says it too. */
    static final String DEADLINE_EXCEEDED = "WarmupDeadlineExceeded";
    private final boolean snapshots;
    private final Duration warmupDeadline;
    private final Instant now;

    PodObserver(boolean snapshots, Duration warmupDeadline, Instant now) {
        this.snapshots = snapshots;
        this.warmupDeadline = warmupDeadline;
        this.now = now;
    }

    ObservedReplica observe(Pod pod, Optional<SidecarStatus> report) {
        Problem failure = failure(pod, report);
        Problem hindrance = failure == null ? PodHindrance.of(pod, now) : null;
        Phase phase = phase(pod, report, failure);
        Instant readyAt = phase == Phase.Ready ? readyAt(pod, report) : null;
        Map<String, String> annotations = Optional.ofNullable(pod.getMetadata().getAnnotations()).orElse(Map.of());
        return new ObservedReplica(new Replica(pod.getMetadata().getName(), pod.getMetadata().getUid(),
                annotations.getOrDefault(PodConventions.ANNOTATION_TEMPLATE, ""), phase,
                Boolean.parseBoolean(annotations.get(PodConventions.ANNOTATION_DRAINING)),
                Instant.parse(pod.getMetadata().getCreationTimestamp()), readyAt, settled(report, readyAt),
                phase == Phase.Ready ? null : failure == null ? hindrance : failure,
                report.filter(r -> r.rung() != Rung.Cold).isPresent()), report,
                Objects.requireNonNullElse(pod.getMetadata().getResourceVersion(), ""), place(pod, annotations));
    }

    private static PodPlace place(Pod pod, Map<String, String> annotations) {
        String gpus = annotations.getOrDefault(PodConventions.ANNOTATION_GPUS, "0");
        return new PodPlace(annotations.getOrDefault(PodConventions.ANNOTATION_POOL, ""),
                gpus.matches("[0-9]{1,6}") ? Integer.parseInt(gpus) : 0,
                pod.getSpec() == null ? null : pod.getSpec().getNodeName());
    }

    private static Phase phase(Pod pod, Optional<SidecarStatus> report, @Nullable Problem failure) {
        if (pod.getMetadata().getDeletionTimestamp() != null) {
            return Phase.Terminating;
        }
        if (failure != null) {
            return Phase.Failed;
        }
        if (report.isPresent()) {
            return report.get().phase() == ReplicaPhase.Ready && !fellSince(pod, report.get())
                    ? Phase.Ready
                    : Phase.Warming;
        }
        if (PodHindrance.condition(pod, "Ready").filter(c -> "True".equals(c.getStatus())).isPresent()) {
            return Phase.Ready;
        }
        return running(sidecar(pod)) ? Phase.Warming : Phase.Pending;
    }

    /** Whether the kubelet found the pod not ready after its sidecar's last word: whoever said "ready" is gone. */
    private static boolean fellSince(Pod pod, SidecarStatus report) {
        // The kubelet's times are whole seconds: a fall within the same second shows with the next report.
        return PodHindrance.condition(pod, "Ready")
                .filter(c -> "False".equals(c.getStatus()))
                .flatMap(c -> Timestamps.parse(c.getLastTransitionTime()))
                .filter(at -> at.isAfter(readyAt(report)))
                .isPresent();
    }

    private static Instant readyAt(SidecarStatus report) {
        return Instant.EPOCH.plus(report.readyAtEpochMicros(), ChronoUnit.MICROS);
    }

    private @Nullable Problem failure(Pod pod, Optional<SidecarStatus> report) {
        PodStatus status = pod.getStatus();
        if (status != null && ("Failed".equals(status.getPhase()) || "Succeeded".equals(status.getPhase()))) {
            return new Problem(orElse(status.getReason(), "PodEnded"),
                    orElse(status.getMessage(), "the pod ended as " + status.getPhase()));
        }
        if (report.isPresent() && report.get().phase() == ReplicaPhase.Failed) {
            return new Problem(orElse(report.get().reason(), "WarmupFailed"), warmupFailure(report.get()));
        }
        if (nodeVanished(pod)) {
            return new Problem("NodeLost", "node " + pod.getSpec().getNodeName() + " does not answer any more",
                    Problem.Blame.Cluster);
        }
        Problem loop = PodHindrance.crashLoop(pod);
        if (loop != null) {
            return loop;
        }
        boolean ready = report.isPresent() && report.get().phase() == ReplicaPhase.Ready
                || PodHindrance.condition(pod, "Ready").filter(c -> "True".equals(c.getStatus())).isPresent();
        Instant started = engineStartedAt(pod);
        if (!ready && started != null && started.plus(warmupDeadline).plus(DEADLINE_SLACK).isBefore(now)) {
            return new Problem(DEADLINE_EXCEEDED, "the engine has run since " + started
                    + " and the replica is not ready; warmup.deadlineSeconds is " + warmupDeadline.toSeconds());
        }
        return null;
    }

    /**
     * The node controller marks the pods of a silent node not ready and nothing else; their containers still look ready,
     * because nobody is there to say otherwise.
     */
    private static boolean nodeVanished(Pod pod) {
        Optional<PodCondition> ready = PodHindrance.condition(pod, "Ready").filter(c -> "False".equals(c.getStatus()));
        boolean gated = pod.getSpec() != null && !pod.getSpec().getReadinessGates().isEmpty();
        boolean containersReady = PodHindrance.condition(pod, "ContainersReady")
                .filter(c -> "True".equals(c.getStatus()))
                .isPresent();
        return ready.filter(c -> "NodeNotReady".equals(c.getReason()) || (containersReady && !gated)).isPresent();
    }

    private static String warmupFailure(SidecarStatus report) {
        Optional<PhaseTiming> failed = report.phases()
                .stream()
                .filter(p -> p.state() == PhaseTiming.State.Failed)
                .findFirst();
        String detail = orElse(report.message(), "the sidecar gave no message");
        return failed.map(p -> p.name() + ": " + orElse(p.error(), detail)).orElse(detail);
    }

    private boolean settled(Optional<SidecarStatus> report, @Nullable Instant readyAt) {
        if (readyAt == null) {
            return false;
        }
        if (!snapshots || readyAt.plus(SNAPSHOT_PATIENCE).isBefore(now)) {
            return true;
        }
        SnapshotReport.State state = report.map(r -> r.snapshot().state()).orElse(SnapshotReport.State.Absent);
        return switch (state) {
            case Restored, Saved, Failed, Skipped -> true;
            case Absent, Restoring, Saving, Quarantined -> false;
        };
    }

    private Instant readyAt(Pod pod, Optional<SidecarStatus> report) {
        if (report.isPresent() && report.get().readyAtEpochMicros() > 0) {
            Instant at = readyAt(report.get());
            // The sidecar's clock is not ours.
            return at.isAfter(now) ? now : at;
        }
        return PodHindrance.condition(pod, "Ready")
                .map(PodCondition::getLastTransitionTime)
                .map(Instant::parse)
                .orElse(now);
    }

    private static @Nullable Instant engineStartedAt(Pod pod) {
        return PodHindrance.statuses(pod)
                .stream()
                .filter(c -> c.getName().equals(PodConventions.ENGINE_CONTAINER))
                .findFirst()
                .filter(c -> running(Optional.of(c)))
                .map(c -> c.getState().getRunning().getStartedAt())
                .map(Instant::parse)
                .orElse(null);
    }

    private static Optional<ContainerStatus> sidecar(Pod pod) {
        return PodHindrance.statuses(pod)
                .stream()
                .filter(c -> c.getName().equals(PodConventions.SIDECAR_CONTAINER))
                .findFirst();
    }

    private static boolean running(Optional<ContainerStatus> container) {
        return container.filter(c -> c.getState() != null && c.getState().getRunning() != null).isPresent();
    }

    private static String orElse(@Nullable String text, String otherwise) {
        return text == null || text.isBlank() ? otherwise : text;
    }
}

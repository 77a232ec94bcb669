package dev.dormouse.operator.inferencemodel;

import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.operator.status.Timestamps;
import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.api.model.Volume;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Why a pod makes no progress, read from what Kubernetes says about it. What hinders a pod may pass by itself. */
final class PodHindrance {
    /** A kubelet mounts and starts within seconds; after so long something holds it up. */
    static final Duration START_PATIENCE = Duration.ofSeconds(60);
    /** Restarts of one container after which the pod is given up: the next attempt is a fresh pod, perhaps elsewhere. */
    static final int RESTARTS = 3;
    private static final int MOST_SAID = 300;
    private static final Set<String> IMAGE_REASONS = Set.of("ErrImagePull", "ImagePullBackOff", "InvalidImageName",
            "ErrImageNeverPull", "RegistryUnavailable");
    private static final Set<String> CONFIG_REASONS = Set.of("CreateContainerConfigError", "CreateContainerError",
            "RunContainerError");

    private PodHindrance() {}

    static @Nullable Problem of(Pod pod, Instant now) {
        for (ContainerStatus container : statuses(pod)) {
            Problem problem = of(container);
            if (problem != null) {
                return problem;
            }
        }
        Optional<PodCondition> scheduled = condition(pod, "PodScheduled");
        return scheduled.filter(c -> "False".equals(c.getStatus()))
                .map(c -> new Problem(orElse(c.getReason(), "Unschedulable"),
                        orElse(c.getMessage(), "no node fits the pod")))
                .orElseGet(() -> notStarting(pod, scheduled, now));
    }

    /** A container that has ended again and again; nothing while the kubelet still tries in earnest. */
    static @Nullable Problem crashLoop(Pod pod) {
        return statuses(pod).stream()
                .filter(c -> waitingFor(c).equals("CrashLoopBackOff") && restarts(c) >= RESTARTS)
                .findFirst()
                .map(PodHindrance::of)
                .orElse(null);
    }

    static List<ContainerStatus> statuses(Pod pod) {
        if (pod.getStatus() == null) {
            return List.of();
        }
        return Stream.concat(pod.getStatus().getInitContainerStatuses().stream(),
                pod.getStatus().getContainerStatuses().stream()).toList();
    }

    static Optional<PodCondition> condition(Pod pod, String type) {
        if (pod.getStatus() == null) {
            return Optional.empty();
        }
        return pod.getStatus().getConditions().stream().filter(c -> type.equals(c.getType())).findFirst();
    }

    private static @Nullable Problem of(ContainerStatus container) {
        String reason = waitingFor(container);
        if (reason.isEmpty()) {
            return null;
        }
        String message = container.getName() + ": " + orElse(container.getState().getWaiting().getMessage(), reason);
        if (IMAGE_REASONS.contains(reason)) {
            return new Problem("ImagePullFailed", message);
        }
        if (CONFIG_REASONS.contains(reason)) {
            return new Problem("ContainerConfigFailed", message);
        }
        return reason.equals("CrashLoopBackOff") ? new Problem("CrashLoop", message + lastEnd(container)) : null;
    }

    private static String lastEnd(ContainerStatus container) {
        ContainerStateTerminated last = container.getLastState() == null
                ? null
                : container.getLastState().getTerminated();
        if (last == null) {
            return "";
        }
        String killed = "OOMKilled".equals(last.getReason())
                ? " (OOMKilled: it needs a higher memory limit in engine.resources)"
                : "";
        return "; it last ended with exit code " + last.getExitCode() + killed
                + lastLine(last.getMessage()).map(": "::concat).orElse("");
    }

    /** The message may be the end of a log, and an error stands in its last line. */
    private static Optional<String> lastLine(@Nullable String message) {
        return message == null
                ? Optional.empty()
                : message.lines()
                        .filter(Predicate.not(String::isBlank))
                        .reduce((earlier, later) -> later)
                        .map(String::strip)
                        .map(line -> line.length() > MOST_SAID ? line.substring(0, MOST_SAID) + "…" : line);
    }

    /** The pod itself does not say why its volumes do not come; which they are is the best lead. */
    private static @Nullable Problem notStarting(Pod pod, Optional<PodCondition> scheduled, Instant now) {
        boolean begun = statuses(pod).stream()
                .anyMatch(c -> c.getState() != null
                        && (c.getState().getRunning() != null || c.getState().getTerminated() != null));
        Optional<Instant> since = scheduled.filter(c -> "True".equals(c.getStatus()))
                .flatMap(c -> Timestamps.parse(c.getLastTransitionTime()));
        if (begun || since.isEmpty() || since.get().plus(START_PATIENCE).isAfter(now)) {
            return null;
        }
        return new Problem("VolumesNotReady",
                "node %s has started no container since %s: it waits for an image, the pod's network or its volumes%s; kubectl describe pod %s says which"
                        .formatted(pod.getSpec().getNodeName(), since.get(), suspects(pod),
                                pod.getMetadata().getName()));
    }

    private static String suspects(Pod pod) {
        String claims = names(pod, volume -> volume.getPersistentVolumeClaim() == null
                ? null
                : volume.getPersistentVolumeClaim().getClaimName());
        String secrets = names(pod, volume -> volume.getSecret() == null ? null : volume.getSecret().getSecretName());
        String maps = names(pod, volume -> volume.getConfigMap() == null ? null : volume.getConfigMap().getName());
        return Stream.of(claims.isEmpty() ? "" : "claims " + claims + ", perhaps attached to another node",
                secrets.isEmpty() ? "" : "secrets " + secrets + ", perhaps missing or without an entry that is named",
                maps.isEmpty() ? "" : "config maps " + maps + ", perhaps missing")
                .filter(text -> !text.isEmpty())
                .reduce((one, other) -> one + "; " + other)
                .map(all -> " (" + all + ")")
                .orElse("");
    }

    private static String names(Pod pod, Function<Volume, @Nullable String> name) {
        return pod.getSpec()
                .getVolumes()
                .stream()
                .map(name)
                .filter(Objects::nonNull)
                .collect(Collectors.joining(", "));
    }

    private static int restarts(ContainerStatus container) {
        return container.getRestartCount() == null ? 0 : container.getRestartCount();
    }

    private static String waitingFor(ContainerStatus container) {
        ContainerState state = container.getState();
        return state == null || state.getWaiting() == null ? "" : orElse(state.getWaiting().getReason(), "");
    }

    private static String orElse(@Nullable String text, String otherwise) {
        return text == null || text.isBlank() ? otherwise : text;
    }
}

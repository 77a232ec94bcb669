package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.ContainerRun.Blocked;
import dev.dormouse.cluster.kubelet.ContainerRun.Ended;
import dev.dormouse.cluster.kubelet.ContainerRun.Pending;
import dev.dormouse.cluster.kubelet.ContainerRun.Role;
import dev.dormouse.cluster.kubelet.ContainerRun.Running;
import dev.dormouse.cluster.kubelet.PodPlan.RestartPolicy;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.HostIPBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.PodIPBuilder;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the node knows of a pod, in the words of its status. Pure.
 *
 * @param pod as last seen, for its spec and for conditions that others own
 * @param before what was written last; transition times survive from there
 * @param finished no process is left and none will come
 * @param evicted why the node gave the pod up, if it did
 */
record PodStatusView(Pod pod, List<ContainerRun> runs, RestartPolicy policy, PodStatus before, String podIp,
        Instant startTime, boolean finished, boolean terminating, Optional<PodWorker.Verdict> evicted, Instant now) {
    private static final Set<String> OWNED = Set.of("PodScheduled", "Initialized", "ContainersReady", "Ready");

    PodStatus status() {
        PodStatusBuilder status = new PodStatusBuilder().withPhase(phase())
                .withHostIP(NodeConfig.HOST_IP)
                .withHostIPs(new HostIPBuilder().withIp(NodeConfig.HOST_IP).build())
                .withPodIP(podIp)
                .withPodIPs(new PodIPBuilder().withIp(podIp).build())
                .withStartTime(time(startTime))
                .withQosClass(PodRequests.qosClass(pod.getSpec()))
                .withConditions(conditions())
                .withInitContainerStatuses(statuses(pod.getSpec().getInitContainers()))
                .withContainerStatuses(statuses(pod.getSpec().getContainers()));
        evicted.ifPresent(why -> status.withReason(why.reason()).withMessage(why.message()));
        return status.build();
    }

    private String phase() {
        List<ContainerRun> mains = mains().toList();
        if (finished) {
            boolean good = mains.stream().allMatch(r -> r.state() instanceof Ended ended && ended.succeeded());
            return good && evicted.isEmpty() ? "Succeeded" : "Failed";
        }
        boolean begun = mains.stream().anyMatch(r -> !(r.state() instanceof Pending) && wasStarted(r));
        return begun && PodPlan.initialized(runs) ? "Running" : "Pending";
    }

    private static boolean wasStarted(ContainerRun run) {
        return !(run.state() instanceof Blocked) || run.last().isPresent();
    }

    private Stream<ContainerRun> mains() {
        return runs.stream().filter(r -> r.role() == Role.MAIN);
    }

    private List<PodCondition> conditions() {
        List<String> notInitialized = names(r -> switch (r.role()) {
            case INIT -> !r.isReady();
            case SIDECAR -> !r.everReady();
            case MAIN -> false;
        });
        List<String> notReady = names(r -> r.role() != Role.INIT && !r.isReady());
        String over = mains().allMatch(r -> r.state() instanceof Ended ended && ended.succeeded())
                ? "PodCompleted"
                : "PodFailed";
        String unready = finished ? over : "ContainersNotReady";
        List<String> gates = openGates();
        String notReadyMessage = "containers with unready status: " + notReady;

        List<PodCondition> conditions = new ArrayList<>();
        conditions.add(condition("PodScheduled", true, "", ""));
        conditions.add(condition("Initialized", notInitialized.isEmpty(), "ContainersNotInitialized",
                "containers with incomplete status: " + notInitialized));
        conditions.add(condition("ContainersReady", notReady.isEmpty(), unready, notReadyMessage));
        if (notReady.isEmpty() && !gates.isEmpty()) {
            conditions.add(condition("Ready", false, "ReadinessGatesNotReady", "readiness gates not true: " + gates));
        } else if (notReady.isEmpty() && terminating) {
            conditions.add(condition("Ready", false, "PodTerminating", "the pod is being deleted"));
        } else {
            conditions.add(condition("Ready", notReady.isEmpty(), unready, notReadyMessage));
        }
        if (pod.getStatus() != null) {
            pod.getStatus().getConditions().stream().filter(c -> !OWNED.contains(c.getType())).forEach(conditions::add);
        }
        return conditions;
    }

    private List<String> names(Predicate<ContainerRun> which) {
        return runs.stream().filter(which).map(ContainerRun::name).toList();
    }

    private List<String> openGates() {
        Set<String> met = pod.getStatus() == null
                ? Set.of()
                : pod.getStatus()
                        .getConditions()
                        .stream()
                        .filter(c -> "True".equals(c.getStatus()))
                        .map(PodCondition::getType)
                        .collect(Collectors.toSet());
        return pod.getSpec()
                .getReadinessGates()
                .stream()
                .map(g -> g.getConditionType())
                .filter(t -> !met.contains(t))
                .toList();
    }

    private PodCondition condition(String type, boolean met, String reason, String message) {
        String status = met ? "True" : "False";
        String since = Stream.of(before)
                .flatMap(b -> b.getConditions().stream())
                .filter(c -> c.getType().equals(type) && c.getStatus().equals(status))
                .findFirst()
                .map(PodCondition::getLastTransitionTime)
                .orElse(time(now));
        return new PodConditionBuilder().withType(type)
                .withStatus(status)
                .withReason(met ? null : reason)
                .withMessage(met ? null : message)
                .withLastTransitionTime(since)
                .build();
    }

    private List<ContainerStatus> statuses(List<Container> containers) {
        return containers.stream().map(c -> {
            ContainerRun run = runs.stream().filter(r -> r.name().equals(c.getName())).findFirst().orElseThrow();
            return status(c, run);
        }).toList();
    }

    private ContainerStatus status(Container container, ContainerRun run) {
        ContainerStatusBuilder status = new ContainerStatusBuilder().withName(run.name())
                .withImage(container.getImage())
                .withImageID("process://" + container.getImage())
                .withRestartCount(run.restarts())
                .withReady(run.isReady())
                .withStarted(run.state() instanceof Running running && running.started())
                .withState(state(run))
                .withLastState(lastState(run));
        pid(run).ifPresent(pid -> status.withContainerID("process://" + pid));
        return status.build();
    }

    private static Optional<Long> pid(ContainerRun run) {
        return switch (run.state()) {
            case Running running -> Optional.of(running.pid());
            case Ended ended -> Optional.of(ended.pid());
            case Pending _,Blocked _ -> run.last().map(Ended::pid);
        };
    }

    private ContainerState state(ContainerRun run) {
        ContainerStateBuilder state = new ContainerStateBuilder();
        return switch (run.state()) {
            case Pending _ -> {
                boolean initializing = run.role() != Role.MAIN || !PodPlan.initialized(runs);
                yield state.withNewWaiting()
                        .withReason(initializing ? "PodInitializing" : "ContainerCreating")
                        .endWaiting()
                        .build();
            }
            case Blocked blocked -> state.withNewWaiting()
                    .withReason(blocked.reason())
                    .withMessage(blocked.message())
                    .endWaiting()
                    .build();
            case Running running -> state.withNewRunning().withStartedAt(time(running.since())).endRunning().build();
            case Ended ended when backingOff(run, ended) -> state.withNewWaiting()
                    .withReason("CrashLoopBackOff")
                    .withMessage("restarting container %s of pod %s at %s".formatted(run.name(),
                            pod.getMetadata().getName(), time(ended.restartAt())))
                    .endWaiting()
                    .build();
            case Ended ended -> terminated(ended);
        };
    }

    private ContainerState lastState(ContainerRun run) {
        if (run.state() instanceof Ended ended && backingOff(run, ended)) {
            return terminated(ended);
        }
        return run.last().map(PodStatusView::terminated).orElseGet(ContainerState::new);
    }

    private boolean backingOff(ContainerRun run, Ended ended) {
        return !finished && !terminating && PodPlan.restarts(run.role(), ended, policy);
    }

    private static ContainerState terminated(Ended ended) {
        return new ContainerStateBuilder().withNewTerminated()
                .withExitCode(ended.exitCode())
                .withSignal(ContainerProcess.signal(ended.exitCode()).orElse(null))
                .withReason(ended.reason())
                .withMessage(ended.message().isEmpty() ? null : ended.message())
                .withStartedAt(time(ended.startedAt()))
                .withFinishedAt(time(ended.finishedAt()))
                .withContainerID("process://" + ended.pid())
                .endTerminated()
                .build();
    }

    private static String time(Instant instant) {
        return instant.truncatedTo(ChronoUnit.SECONDS).toString();
    }
}

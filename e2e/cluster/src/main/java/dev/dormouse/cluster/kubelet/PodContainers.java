package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.ContainerRun.Ended;
import dev.dormouse.cluster.kubelet.ContainerRun.Role;
import dev.dormouse.cluster.kubelet.ContainerRun.Running;
import dev.dormouse.cluster.kubelet.EventRecorder.Type;
import dev.dormouse.cluster.kubelet.PodPlan.Kill;
import dev.dormouse.cluster.kubelet.PodPlan.Start;
import dev.dormouse.cluster.kubelet.PodPlan.Step;
import dev.dormouse.cluster.kubelet.PodPlan.Stop;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * The containers of one pod and their processes: starts and stops them as {@link PodPlan} says, and knows how each one is.
 * The pod's worker owns it; what processes and probes have to say comes back through that worker's thread.
 */
final class PodContainers {
    /** What a process or a probe has to say; to be given to {@link #hear}. */
    sealed interface News {}

    private record Exited(String container, ContainerProcess process, int exitCode) implements News {}

    private record Probed(String container, ContainerProcess process, Probing.Kind kind, Optional<String> failure)
            implements
                News {}

    /** Events of this pod. */
    interface Events {
        /** @param field of the pod's spec; empty: the pod as a whole */
        void record(Type type, String reason, String message, String field);
    }

    /** A running container. */
    private record Live(ContainerProcess process, ContainerProbes probes, Path log) {}

    private final PodWorker.Services node;
    private final PodSandbox sandbox;
    private final Events events;
    private final Consumer<News> tell;
    private final Map<String, ContainerRun> runs = new LinkedHashMap<>();
    private final Map<String, Container> containers = new LinkedHashMap<>();
    private final Map<String, Live> live = new HashMap<>();
    private final Set<ContainerProcess> outOfMemory = new HashSet<>();

    /** @param tell is called by any thread */
    PodContainers(PodWorker.Services node, Pod pod, PodSandbox sandbox, Events events, Consumer<News> tell) {
        this.node = node;
        this.sandbox = sandbox;
        this.events = events;
        this.tell = tell;
        PodStatus before = Objects.requireNonNullElseGet(pod.getStatus(), PodStatus::new);
        pod.getSpec()
                .getInitContainers()
                .forEach(c -> add(c, PodRequests.isSidecar(c) ? Role.SIDECAR : Role.INIT, before));
        pod.getSpec().getContainers().forEach(c -> add(c, Role.MAIN, before));
    }

    /** A container that an earlier node has run counts as restarted: its process did not survive. */
    private void add(Container container, Role role, PodStatus before) {
        int restarts = Stream
                .concat(before.getInitContainerStatuses().stream(), before.getContainerStatuses().stream())
                .filter(s -> s.getName().equals(container.getName()))
                .findFirst()
                .map(PodContainers::nextRestart)
                .orElse(0);
        containers.put(container.getName(), container);
        runs.put(container.getName(), ContainerRun.pending(container.getName(), role, restarts));
    }

    private static int nextRestart(ContainerStatus status) {
        boolean ran = status.getState() != null && status.getState().getWaiting() == null;
        return status.getRestartCount() + (ran ? 1 : 0);
    }

    /** In the order of the spec. */
    List<ContainerRun> runs() {
        return List.copyOf(runs.values());
    }

    void perform(Step step, Pod pod) throws IOException {
        switch (step) {
            case Start(String container) -> start(container, pod);
            case Stop(String container, Instant killAt, String why) -> {
                events.record(Type.NORMAL, "Killing", "Stopping container " + container + ": " + why, field(container));
                update(container, running(container).stopping(killAt));
                liveOf(container).probes().stop();
                liveOf(container).process().terminate();
            }
            case Kill(String container) -> {
                update(container, running(container).dying());
                liveOf(container).process().kill();
            }
        }
    }

    private void start(String name, Pod pod) throws IOException {
        ContainerRun run = runOf(name);
        if (run.state() instanceof Ended && run.crashes() > 1) {
            events.record(Type.WARNING, "BackOff", "Back-off restarting failed container " + name, field(name));
        }
        try {
            launch(Objects.requireNonNull(containers.get(name)), run, pod);
        } catch (NotRunnable e) {
            if (e.retryAt().isPresent()) {
                runs.put(name, run.waiting(e.reason(), e.explanation(), e.retryAt().get()));
                events.record(Type.WARNING, e.event(), e.explanation(), field(name));
            } else {
                block(run, e.reason(), e.explanation());
            }
        } catch (KubernetesClientException e) {
            block(run, NotRunnable.CONFIG, "reading configuration: " + e.getMessage());
        } catch (IOException e) {
            block(run, "RunContainerError", String.valueOf(e.getMessage()));
        }
    }

    private void launch(Container container, ContainerRun run, Pod pod) throws NotRunnable, IOException {
        String name = container.getName();
        PodSandbox.Prepared prepared = sandbox.prepare(pod, container);
        events.record(Type.NORMAL, "Pulled", "Image \"%s\" is the local command %s".formatted(container.getImage(),
                prepared.launch().command().getFirst()), field(name));
        Path log = sandbox.openLog(name, run.restarts() + (run.state() instanceof Ended ? 1 : 0));
        ContainerProcess process = node.processes().start(prepared.launch(), log, prepared.unique());
        ContainerProbes probes = prepared.probes();
        live.put(name, new Live(process, probes, log));
        boolean started = probes.startedFromTheOutset();
        runs.put(name,
                run.started(node.clock().instant(), process.pid(), started, started && probes.readyOnceStarted()));
        process.whenEnded(code -> tell.accept(new Exited(name, process, code)));
        events.record(Type.NORMAL, "Started", "Started container " + name + " as process " + process.pid(),
                field(name));
        startProbes(name, started);
    }

    private void startProbes(String name, boolean started) {
        ContainerProcess process = liveOf(name).process();
        liveOf(name).probes()
                .start(started, node.config().startupProbeInterval(),
                        (kind, failure) -> tell.accept(new Probed(name, process, kind, failure)));
    }

    private void block(ContainerRun run, String reason, String message) {
        boolean again = run.state() instanceof ContainerRun.Blocked;
        String shown = again && reason.equals("ErrImagePull") ? "ImagePullBackOff" : reason;
        // What is missing may come at any moment: a kubelet looks for it again at every sync, without backing off.
        Duration most = reason.equals(NotRunnable.CONFIG) ? node.config().backOffBase() : node.config().backOffMax();
        runs.put(run.name(),
                run.blocked(shown, message, node.clock().instant(), node.config().backOffBase(), most));
        events.record(Type.WARNING, "Failed", "Error: " + reason + ": " + message, field(run.name()));
    }

    private void exited(Exited exited) throws IOException {
        String name = exited.container();
        Live was = liveOf(name);
        if (was.process() != exited.process()) {
            return;
        }
        was.probes().stop();
        live.remove(name);
        node.processes().ended(exited.process());
        ContainerLogs.close(was.log());
        boolean ours = running(name).killed();
        Optional<Integer> signal = ContainerProcess.signal(exited.exitCode());
        boolean oom = outOfMemory.remove(exited.process())
                || !ours && signal.equals(Optional.of(9)) && exited.process().oomSinceStart();
        String reason = exited.exitCode() == 0 ? "Completed" : oom ? "OOMKilled" : "Error";
        String message = signal.isPresent()
                ? "ended by signal " + signal.get() + (ours ? " after its grace period" : "")
                : exited.exitCode() == 0 ? "" : lastWords(name, was.log());
        runs.put(name, runOf(name).ended(exited.exitCode(), reason, message, node.clock().instant(),
                node.config().backOffBase(), node.config().backOffMax()));
    }

    private String lastWords(String name, Path log) throws IOException {
        Container container = Objects.requireNonNull(containers.get(name), name);
        return "FallbackToLogsOnError".equals(container.getTerminationMessagePolicy())
                ? ContainerLogs.lastWords(log)
                : "";
    }

    private void probed(Probed probed) {
        String name = probed.container();
        Live of = live.get(name);
        boolean current = of != null && of.process() == probed.process();
        if (of == null || !current || !(runOf(name).state() instanceof Running running)
                || running.killAt().isPresent()) {
            return;
        }
        String title = probed.kind().title();
        probed.failure()
                .ifPresent(
                        failure -> events.record(Type.WARNING, "Unhealthy", title + " probe failed: " + failure,
                                field(name)));
        switch (of.probes().count(probed.kind(), probed.failure().isEmpty())) {
            case STARTED -> {
                of.probes().stop();
                update(name, running.withProbes(true, of.probes().readyOnceStarted()));
                startProbes(name, true);
            }
            case READY -> update(name, running.withProbes(true, true));
            case NOT_READY -> update(name, running.withProbes(true, false));
            case CONDEMNED -> {
                of.probes().stop();
                update(name, running.condemned(title + " probe failed, the container will be restarted"));
            }
            case NOTHING_NEW -> {
                // Not enough in a row yet.
            }
        }
    }

    void hear(News news) throws IOException {
        switch (news) {
            case Exited exited -> exited(exited);
            case Probed probed -> probed(probed);
        }
    }

    /** As the kernel would; nothing happens when it does not run. */
    void killForMemory(String container) {
        Live victim = live.get(container);
        if (victim != null) {
            outOfMemory.add(victim.process());
            victim.process().kill();
        }
    }

    /** Kills everything; no news of it is waited for. */
    void giveUp(String message) {
        live.values().forEach(container -> container.process().kill());
        runs.replaceAll((name, run) -> run.isRunning()
                ? run.ended(137, "Error", message, node.clock().instant(),
                        node.config().backOffBase(), node.config().backOffMax())
                : run);
    }

    void stopProbes() {
        live.values().forEach(container -> container.probes().stop());
    }

    private void update(String name, ContainerRun.State state) {
        runs.put(name, runOf(name).with(state));
    }

    private ContainerRun runOf(String name) {
        return Objects.requireNonNull(runs.get(name), name);
    }

    private Running running(String name) {
        return (Running) runOf(name).state();
    }

    private Live liveOf(String name) {
        return Objects.requireNonNull(live.get(name), name);
    }

    private String field(String container) {
        return (runOf(container).role() == Role.MAIN ? "spec.containers{" : "spec.initContainers{") + container + "}";
    }
}

package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.ContainerRun.Ended;
import dev.dormouse.cluster.kubelet.ContainerRun.Role;
import dev.dormouse.cluster.kubelet.ContainerRun.Running;
import dev.dormouse.cluster.kubelet.EventRecorder.Type;
import dev.dormouse.cluster.kubelet.PodPlan.Kill;
import dev.dormouse.cluster.kubelet.PodPlan.RestartPolicy;
import dev.dormouse.cluster.kubelet.PodPlan.Start;
import dev.dormouse.cluster.kubelet.PodPlan.Step;
import dev.dormouse.cluster.kubelet.PodPlan.Stop;
import dev.dormouse.cluster.kubelet.PodPlan.Terms;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
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
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one pod from its binding to its end. One thread owns all of the state; everybody else sends messages. Each round
 * asks {@link PodPlan} what to do, does it, writes the status if it changed, and waits for a message or a due time.
 */
final class PodWorker implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(PodWorker.class);
    private static final Duration WRITE_AGAIN = Duration.ofSeconds(1);

    /** What a worker needs from its node. */
    record Services(NodeConfig config, PodApi api, EventRecorder events, ContainerProcesses processes,
            ContainerLogs logs, ImagePulls imagePulls, Clock clock) {}

    private sealed interface Message {}

    private record Seen(Pod pod) implements Message {}

    private record Gone() implements Message {}

    private record Evict(String why, Duration grace) implements Message {}

    private record Exited(String container, ContainerProcess process, int exitCode) implements Message {}

    private record Probed(String container, ContainerProcess process, Probing.Kind kind, Optional<String> failure)
            implements
                Message {}

    /** A running container. */
    private record Live(ContainerProcess process, ContainerProbes probes, Path log) {}

    /** Why the node gave a pod up, as its status says it. */
    record Verdict(String reason, String message) {}

    private final Services node;
    /** Unbounded, because a lost exit would be a container that runs for ever; senders are few and paced. */
    private final BlockingQueue<Message> mailbox = new LinkedBlockingQueue<>();
    private final PodSandbox sandbox;
    private final Map<String, ContainerRun> runs = new LinkedHashMap<>();
    private final Map<String, Container> containers = new LinkedHashMap<>();
    private final Map<String, Live> live = new HashMap<>();
    private final Terms terms;
    private final Instant startTime;

    private Pod pod;
    private PodStatus written;
    private Optional<Instant> stopBy = Optional.empty();
    private Optional<Instant> writeAgainAt = Optional.empty();
    private Optional<Verdict> evicted = Optional.empty();
    /** The last value of {@link Faults#OOM_KILL} that was obeyed. */
    private String killedFor = "";
    private final Set<ContainerProcess> outOfMemory = new HashSet<>();
    private volatile boolean abandoned;
    private boolean gone;
    private boolean deleted;

    PodWorker(Services node, Pod pod, PodSandbox sandbox) {
        this.node = node;
        this.pod = pod;
        this.sandbox = sandbox;
        this.written = Objects.requireNonNullElseGet(pod.getStatus(), PodStatus::new);
        this.startTime = written.getStartTime() == null
                ? node.clock().instant()
                : Instant.parse(written.getStartTime());
        PodSpec spec = pod.getSpec();
        Long grace = Objects.requireNonNullElse(spec.getTerminationGracePeriodSeconds(), 30L);
        this.terms = new Terms(restartPolicy(spec), Duration.ofSeconds(grace));
        spec.getInitContainers().forEach(c -> add(c, PodRequests.isSidecar(c) ? Role.SIDECAR : Role.INIT));
        spec.getContainers().forEach(c -> add(c, Role.MAIN));
    }

    private static RestartPolicy restartPolicy(PodSpec spec) {
        return switch (Objects.requireNonNullElse(spec.getRestartPolicy(), "Always")) {
            case "Never" -> RestartPolicy.NEVER;
            case "OnFailure" -> RestartPolicy.ON_FAILURE;
            default -> RestartPolicy.ALWAYS;
        };
    }

    /** A container that an earlier node has run counts as restarted: its process did not survive. */
    private void add(Container container, Role role) {
        int restarts = Stream
                .concat(written.getInitContainerStatuses().stream(), written.getContainerStatuses().stream())
                .filter(s -> s.getName().equals(container.getName()))
                .findFirst()
                .map(PodWorker::nextRestart)
                .orElse(0);
        containers.put(container.getName(), container);
        runs.put(container.getName(), ContainerRun.pending(container.getName(), role, restarts));
    }

    private static int nextRestart(ContainerStatus status) {
        boolean ran = status.getState() != null && status.getState().getWaiting() == null;
        return status.getRestartCount() + (ran ? 1 : 0);
    }

    void seen(Pod latest) {
        mailbox.add(new Seen(latest));
    }

    /** The object no longer exists: no more writes, the processes end within the pod's grace. */
    void gone() {
        mailbox.add(new Gone());
    }

    /** The node gives the pod up. */
    void evict(String why, Duration grace) {
        mailbox.add(new Evict(why, grace));
    }

    /** The node has lost its power: nothing of the pod is written any more. The thread is interrupted after this. */
    void abandon() {
        abandoned = true;
    }

    @Override
    public void run() {
        try {
            String ignored = NotEnforced.of(pod.getSpec());
            if (!ignored.isEmpty()) {
                LOG.info("Pod {}: a process node does not enforce: {}", name(), ignored);
                event(Type.WARNING, "NotEnforced", "a process node does not enforce: " + ignored, "");
            }
            see(pod);
            live();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            LOG.error("Pod {} is given up", name(), e);
            giveUp(String.valueOf(e.getMessage()));
        } finally {
            release();
        }
    }

    /** What cannot be repaired shows in the status; it must not look as if it were running. */
    private void giveUp(String message) {
        live.values().forEach(container -> container.process().kill());
        runs.replaceAll((name, run) -> run.isRunning()
                ? run.ended(137, "Error", message, node.clock().instant(),
                        node.config().backOffBase(), node.config().backOffMax())
                : run);
        evicted = Optional.of(new Verdict("NodeError", message));
        writeAgainAt = Optional.empty();
        write(true);
    }

    private void live() throws InterruptedException, IOException {
        while (!abandoned) {
            PodPlan plan = PodPlan.next(List.copyOf(runs.values()), terms, stopBy, node.clock().instant());
            if (plan.steps().isEmpty()) {
                write(plan.finished());
                if (plan.finished() && wrapUp()) {
                    return;
                }
                if (!plan.finished()) {
                    sandbox.refresh(pod).ifPresent(problem -> event(Type.WARNING, "FailedMount", problem, ""));
                }
                receive(Stream
                        .of(plan.lookAgainAt(), writeAgainAt, plan.finished()
                                ? Optional.<Instant>empty()
                                : sandbox.refreshAt())
                        .flatMap(Optional::stream)
                        .min(Instant::compareTo));
            } else {
                for (Step step : plan.steps()) {
                    perform(step);
                }
            }
        }
    }

    /** Nothing lives any more. Returns whether the worker is done, too. */
    private boolean wrapUp() {
        sandbox.releaseAddress();
        if (pod.getMetadata().getDeletionTimestamp() != null && !gone && !deleted && writeAgainAt.isEmpty()) {
            deleted = attempt(() -> node.api().delete(pod));
        }
        return gone || evicted.isPresent();
    }

    /** Takes all messages there are, after waiting for the first until {@code due}. */
    private void receive(Optional<Instant> due) throws InterruptedException, IOException {
        Message message;
        if (due.isPresent()) {
            long nanos = Math.max(1, Duration.between(node.clock().instant(), due.get()).toNanos());
            message = mailbox.poll(nanos, TimeUnit.NANOSECONDS);
        } else {
            message = mailbox.take();
        }
        for (; message != null; message = mailbox.poll()) {
            switch (message) {
                case Seen(Pod latest) -> see(latest);
                case Gone _ -> {
                    gone = true;
                    stopWithin(terms.grace());
                }
                case Evict(String why, Duration grace) -> {
                    evicted = Optional.of(new Verdict("Terminated", why));
                    stopWithin(grace);
                }
                case Exited exited -> exited(exited);
                case Probed probed -> probed(probed);
            }
        }
    }

    private void see(Pod latest) {
        pod = latest;
        String kill = Faults.of(latest, Faults.OOM_KILL).orElse("");
        if (!kill.isEmpty() && !kill.equals(killedFor)) {
            killedFor = kill;
            Optional.ofNullable(live.get(kill.split("/", 2)[0])).ifPresent(victim -> {
                outOfMemory.add(victim.process());
                victim.process().kill();
            });
        }
        if (latest.getMetadata().getDeletionTimestamp() != null) {
            Long seconds = latest.getMetadata().getDeletionGracePeriodSeconds();
            stopWithin(seconds == null ? terms.grace() : Duration.ofSeconds(seconds));
        }
    }

    /** Never later than what was said before. */
    private void stopWithin(Duration grace) {
        Instant by = node.clock().instant().plus(grace);
        stopBy = stopBy.filter(by::isAfter).or(() -> Optional.of(by));
    }

    private void perform(Step step) throws IOException {
        switch (step) {
            case Start(String container) -> start(container);
            case Stop(String container, Instant killAt, String why) -> {
                event(Type.NORMAL, "Killing", "Stopping container " + container + ": " + why, field(container));
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

    private void start(String name) throws IOException {
        ContainerRun run = runOf(name);
        if (run.state() instanceof Ended && run.crashes() > 1) {
            event(Type.WARNING, "BackOff", "Back-off restarting failed container " + name, field(name));
        }
        try {
            launch(Objects.requireNonNull(containers.get(name)), run);
        } catch (NotRunnable e) {
            if (e.retryAt().isPresent()) {
                runs.put(name, run.waiting(e.reason(), e.explanation(), e.retryAt().get()));
                event(Type.WARNING, e.event(), e.explanation(), field(name));
            } else {
                block(run, e.reason(), e.explanation());
            }
        } catch (KubernetesClientException e) {
            block(run, NotRunnable.CONFIG, "reading configuration: " + e.getMessage());
        } catch (IOException e) {
            block(run, "RunContainerError", String.valueOf(e.getMessage()));
        }
    }

    private void launch(Container container, ContainerRun run) throws NotRunnable, IOException {
        String name = container.getName();
        PodSandbox.Prepared prepared = sandbox.prepare(pod, container);
        event(Type.NORMAL, "Pulled", "Image \"%s\" is the local command %s".formatted(container.getImage(),
                prepared.launch().command().getFirst()), field(name));
        Path log = sandbox.openLog(name, run.restarts() + (run.state() instanceof Ended ? 1 : 0));
        ContainerProcess process = node.processes().start(prepared.launch(), log, prepared.unique());
        ContainerProbes probes = prepared.probes();
        live.put(name, new Live(process, probes, log));
        boolean started = probes.startedFromTheOutset();
        runs.put(name,
                run.started(node.clock().instant(), process.pid(), started, started && probes.readyOnceStarted()));
        process.whenEnded(code -> mailbox.add(new Exited(name, process, code)));
        event(Type.NORMAL, "Started", "Started container " + name + " as process " + process.pid(), field(name));
        startProbes(name, started);
    }

    private void startProbes(String name, boolean started) {
        ContainerProcess process = liveOf(name).process();
        liveOf(name).probes()
                .start(started, node.config().startupProbeInterval(),
                        (kind, failure) -> mailbox.add(new Probed(name, process, kind, failure)));
    }

    private void block(ContainerRun run, String reason, String message) {
        boolean again = run.state() instanceof ContainerRun.Blocked;
        String shown = again && reason.equals("ErrImagePull") ? "ImagePullBackOff" : reason;
        // What is missing may come at any moment: a kubelet looks for it again at every sync, without backing off.
        Duration most = reason.equals(NotRunnable.CONFIG) ? node.config().backOffBase() : node.config().backOffMax();
        runs.put(run.name(),
                run.blocked(shown, message, node.clock().instant(), node.config().backOffBase(), most));
        event(Type.WARNING, "Failed", "Error: " + reason + ": " + message, field(run.name()));
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
        String message = signal.map(s -> "ended by signal " + s + (ours ? " after its grace period" : "")).orElse("");
        runs.put(name, runOf(name).ended(exited.exitCode(), reason, message, node.clock().instant(),
                node.config().backOffBase(), node.config().backOffMax()));
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
                        failure -> event(Type.WARNING, "Unhealthy", title + " probe failed: " + failure, field(name)));
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

    private void write(boolean finished) {
        boolean tooEarly = writeAgainAt.filter(node.clock().instant()::isBefore).isPresent();
        if (gone || deleted || abandoned || tooEarly) {
            return;
        }
        writeAgainAt = Optional.empty();
        PodStatus status = new PodStatusView(pod, List.copyOf(runs.values()), terms.restartPolicy(), written,
                sandbox.address(),
                startTime, finished, stopBy.isPresent(), evicted, node.clock().instant()).status();
        if (!status.equals(written) && attempt(() -> node.api().writeStatus(pod, status))) {
            written = status;
        }
    }

    /** Whether the write went through; if not, there is another attempt a little later, and the pod goes on meanwhile. */
    private boolean attempt(Runnable call) {
        try {
            call.run();
            return true;
        } catch (KubernetesClientException e) {
            LOG.warn("Pod {}: cannot be written, trying again: {}", name(), e.getMessage());
            writeAgainAt = Optional.of(node.clock().instant().plus(WRITE_AGAIN));
            return false;
        }
    }

    private void release() {
        live.values().forEach(container -> container.probes().stop());
        try {
            sandbox.close();
        } catch (IOException e) {
            LOG.warn("Pod {}: its files could not be deleted", name(), e);
        }
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

    private void event(Type type, String reason, String message, String fieldPath) {
        if (!gone && !abandoned) {
            node.events().record(pod, type, reason, message, fieldPath);
        }
    }

    private String field(String container) {
        return (runOf(container).role() == Role.MAIN ? "spec.containers{" : "spec.initContainers{") + container + "}";
    }

    private String name() {
        return pod.getMetadata().getNamespace() + "/" + pod.getMetadata().getName();
    }
}

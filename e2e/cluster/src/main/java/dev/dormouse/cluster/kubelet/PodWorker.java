package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.EventRecorder.Type;
import dev.dormouse.cluster.kubelet.PodPlan.RestartPolicy;
import dev.dormouse.cluster.kubelet.PodPlan.Step;
import dev.dormouse.cluster.kubelet.PodPlan.Terms;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
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

    private record Heard(PodContainers.News news) implements Message {}

    private record Evict(String why, Duration grace) implements Message {}

    /** Why the node gave a pod up, as its status says it. */
    record Verdict(String reason, String message) {}

    private final Services node;
    /** Unbounded, because a lost exit would be a container that runs for ever; senders are few and paced. */
    private final BlockingQueue<Message> mailbox = new LinkedBlockingQueue<>();
    private final PodSandbox sandbox;
    private final PodContainers containers;
    private final Terms terms;
    private final Instant startTime;

    private Pod pod;
    private PodStatus written;
    private Optional<Instant> stopBy = Optional.empty();
    private Optional<Instant> writeAgainAt = Optional.empty();
    private Optional<Verdict> evicted = Optional.empty();
    /** The last value of {@link Faults#OOM_KILL} that was obeyed. */
    private String killedFor = "";
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
        this.containers = new PodContainers(node, pod, sandbox, this::event, news -> mailbox.add(new Heard(news)));
    }

    private static RestartPolicy restartPolicy(PodSpec spec) {
        return switch (Objects.requireNonNullElse(spec.getRestartPolicy(), "Always")) {
            case "Never" -> RestartPolicy.NEVER;
            case "OnFailure" -> RestartPolicy.ON_FAILURE;
            default -> RestartPolicy.ALWAYS;
        };
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
        containers.giveUp(message);
        evicted = Optional.of(new Verdict("NodeError", message));
        writeAgainAt = Optional.empty();
        write(true);
    }

    private void live() throws InterruptedException, IOException {
        while (!abandoned) {
            PodPlan plan = PodPlan.next(containers.runs(), terms, stopBy, node.clock().instant());
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
                    containers.perform(step, pod);
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
                case Heard(PodContainers.News news) -> containers.hear(news);
            }
        }
    }

    private void see(Pod latest) {
        pod = latest;
        String kill = Faults.of(latest, Faults.OOM_KILL).orElse("");
        if (!kill.isEmpty() && !kill.equals(killedFor)) {
            killedFor = kill;
            containers.killForMemory(kill.split("/", 2)[0]);
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

    private void write(boolean finished) {
        boolean tooEarly = writeAgainAt.filter(node.clock().instant()::isBefore).isPresent();
        if (gone || deleted || abandoned || tooEarly) {
            return;
        }
        writeAgainAt = Optional.empty();
        PodStatus status = new PodStatusView(pod, containers.runs(), terms.restartPolicy(), written,
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
        containers.stopProbes();
        try {
            sandbox.close();
        } catch (IOException e) {
            LOG.warn("Pod {}: its files could not be deleted", name(), e);
        }
    }

    private void event(Type type, String reason, String message, String fieldPath) {
        if (!gone && !abandoned) {
            node.events().record(pod, type, reason, message, fieldPath);
        }
    }

    private String name() {
        return pod.getMetadata().getNamespace() + "/" + pod.getMetadata().getName();
    }
}

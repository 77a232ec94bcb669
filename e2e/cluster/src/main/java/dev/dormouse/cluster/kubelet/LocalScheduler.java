package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.Placement.Candidate;
import io.fabric8.kubernetes.api.model.BindingBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Binds pods to nodes: one pass over everything unbound whenever a pod, node or claim changes, higher priority first,
 * then older. {@link Placement} decides. One thread owns the state.
 */
public final class LocalScheduler implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LocalScheduler.class);

    private final KubernetesClient client;
    private final Clock clock;
    private final EventRecorder events;
    private final SharedIndexInformer<Pod> pods;
    private final SharedIndexInformer<Node> nodes;
    private final SharedIndexInformer<PersistentVolumeClaim> claims;
    /** One token: any number of changes ask for one more pass. */
    private final BlockingQueue<Boolean> dirty = new ArrayBlockingQueue<>(1);
    /** Pod uid to node: bound by us, not yet seen to be bound. */
    private final Map<String, String> assumed = new HashMap<>();
    private final Thread thread;

    /** Schedules until closed. The client stays the caller's. */
    public static LocalScheduler start(KubernetesClient client) {
        return new LocalScheduler(client, Clock.systemUTC());
    }

    private LocalScheduler(KubernetesClient client, Clock clock) {
        this.client = client;
        this.clock = clock;
        this.events = new EventRecorder(client, "default-scheduler", "", clock);
        this.nodes = client.nodes().inform(new Wake<>());
        this.claims = client.persistentVolumeClaims().inAnyNamespace().inform(new Wake<>());
        this.pods = client.pods().inAnyNamespace().inform(new Wake<>());
        this.thread = Thread.ofPlatform().daemon().name("scheduler").start(this::schedule);
    }

    private final class Wake<T> implements ResourceEventHandler<T> {
        @Override
        public void onAdd(T object) {
            wake();
        }

        @Override
        public void onUpdate(T before, T object) {
            wake();
        }

        @Override
        public void onDelete(T object, boolean stateUnknown) {
            wake();
        }

        private void wake() {
            // Full means that a pass is due anyway.
            boolean _ = dirty.offer(Boolean.TRUE);
        }
    }

    private void schedule() {
        boolean again = false;
        try {
            while (true) {
                // After a failed write nothing may change any more, so look again by the clock.
                Boolean _ = again ? dirty.poll(1, TimeUnit.SECONDS) : dirty.take();
                again = !pass();
            }
        } catch (InterruptedException _) {
            // Closed.
            Thread.currentThread().interrupt();
        }
    }

    /** Whether everything could be written. */
    private boolean pass() {
        List<Pod> all = pods.getStore().list();
        all.stream()
                .filter(p -> p.getSpec().getNodeName() != null)
                .forEach(p -> assumed.remove(p.getMetadata().getUid()));
        assumed.keySet().removeIf(uid -> all.stream().noneMatch(p -> p.getMetadata().getUid().equals(uid)));
        List<Pod> unbound = all.stream()
                .filter(this::waits)
                .sorted(Comparator.comparing(LocalScheduler::priority)
                        .reversed()
                        .thenComparing(p -> p.getMetadata().getCreationTimestamp())
                        .thenComparing(p -> p.getMetadata().getName()))
                .toList();
        boolean written = true;
        for (Pod pod : unbound) {
            written &= place(pod, all);
        }
        return written;
    }

    private static int priority(Pod pod) {
        return Objects.requireNonNullElse(pod.getSpec().getPriority(), 0);
    }

    private boolean waits(Pod pod) {
        String scheduler = Objects.requireNonNullElse(pod.getSpec().getSchedulerName(), "default-scheduler");
        return nodeOf(pod).isEmpty() && pod.getMetadata().getDeletionTimestamp() == null && !isOver(pod)
                && pod.getSpec().getSchedulingGates().isEmpty() && scheduler.equals("default-scheduler");
    }

    private static boolean isOver(Pod pod) {
        String phase = pod.getStatus() == null ? null : pod.getStatus().getPhase();
        return "Succeeded".equals(phase) || "Failed".equals(phase);
    }

    private Optional<String> nodeOf(Pod pod) {
        String bound = pod.getSpec().getNodeName();
        return bound == null || bound.isEmpty()
                ? Optional.ofNullable(assumed.get(pod.getMetadata().getUid()))
                : Optional.of(bound);
    }

    private boolean place(Pod pod, List<Pod> all) {
        try {
            switch (decide(pod, all)) {
                case Placement.Bind(String node) -> bind(pod, node);
                case Placement.Unschedulable(String message) -> refuse(pod, message);
            }
            return true;
        } catch (KubernetesClientException e) {
            if (PodApi.isAbsence(e)) {
                // Deleted or bound by somebody else meanwhile: the watch will tell.
                return true;
            }
            LOG.warn("Pod {}/{} could not be scheduled, trying again", pod.getMetadata().getNamespace(),
                    pod.getMetadata().getName(), e);
            return false;
        }
    }

    private Placement decide(Pod pod, List<Pod> all) {
        Optional<String> missing = pod.getSpec()
                .getVolumes()
                .stream()
                .filter(v -> v.getPersistentVolumeClaim() != null)
                .map(v -> v.getPersistentVolumeClaim().getClaimName())
                .filter(claim -> claims.getStore().getByKey(pod.getMetadata().getNamespace() + "/" + claim) == null)
                .findFirst();
        List<Node> known = nodes.getStore().list();
        if (missing.isPresent()) {
            return new Placement.Unschedulable("0/%d nodes are available: persistentvolumeclaim \"%s\" not found."
                    .formatted(known.size(), missing.get()));
        }
        List<Candidate> candidates = new ArrayList<>();
        for (Node node : known) {
            String name = node.getMetadata().getName();
            candidates.add(Candidate.of(node,
                    all.stream().filter(p -> !isOver(p) && nodeOf(p).equals(Optional.of(name))).toList()));
        }
        return Placement.of(pod, candidates);
    }

    private void bind(Pod pod, String node) {
        String namespace = pod.getMetadata().getNamespace();
        String name = pod.getMetadata().getName();
        client.raw("/api/v1/namespaces/" + namespace + "/pods/" + name + "/binding", "POST",
                new BindingBuilder().withNewMetadata()
                        .withNamespace(namespace)
                        .withName(name)
                        .withUid(pod.getMetadata().getUid())
                        .endMetadata()
                        .withNewTarget()
                        .withApiVersion("v1")
                        .withKind("Node")
                        .withName(node)
                        .endTarget()
                        .build());
        assumed.put(pod.getMetadata().getUid(), node);
        events.record(pod, EventRecorder.Type.NORMAL, "Scheduled",
                "Successfully assigned " + namespace + "/" + name + " to " + node, "");
    }

    private void refuse(Pod pod, String message) {
        List<PodCondition> before = pod.getStatus() == null ? List.of() : pod.getStatus().getConditions();
        Optional<PodCondition> said = before.stream().filter(c -> "PodScheduled".equals(c.getType())).findFirst();
        if (said.filter(c -> message.equals(c.getMessage())).isPresent()) {
            return;
        }
        String since = said.filter(c -> "False".equals(c.getStatus()))
                .map(PodCondition::getLastTransitionTime)
                .orElseGet(() -> clock.instant().truncatedTo(ChronoUnit.SECONDS).toString());
        List<PodCondition> conditions = new ArrayList<>(before);
        conditions.removeIf(c -> "PodScheduled".equals(c.getType()));
        conditions.add(new PodConditionBuilder().withType("PodScheduled")
                .withStatus("False")
                .withReason("Unschedulable")
                .withMessage(message)
                .withLastTransitionTime(since)
                .build());
        Pod change = new PodBuilder().withNewMetadata()
                .withUid(pod.getMetadata().getUid())
                .endMetadata()
                .withNewStatus()
                .withConditions(conditions)
                .endStatus()
                .build();
        client.pods()
                .inNamespace(pod.getMetadata().getNamespace())
                .withName(pod.getMetadata().getName())
                .subresource("status")
                .patch(PatchContext.of(PatchType.JSON_MERGE), Serialization.asJson(
                        Map.of("metadata", Map.of("uid", pod.getMetadata().getUid()), "status", change.getStatus())));
        events.record(pod, EventRecorder.Type.WARNING, "FailedScheduling", message, "");
    }

    @Override
    public void close() {
        pods.stop();
        claims.stop();
        nodes.stop();
        thread.interrupt();
        events.close();
    }
}

package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What kube-controller-manager does about nodes that have gone silent: marks them, and their pods, not ready; keeps new pods
 * away; deletes their pods when these tolerate it no longer (after 300 s where they say nothing). A pod whose node no longer
 * exists is removed at once.
 *
 * @see <a href="https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller">Node controller</a>
 */
public final class NodeLifecycle implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NodeLifecycle.class);
    private static final String UNREACHABLE = "node.kubernetes.io/unreachable";
    private static final long DEFAULT_TOLERATION_SECONDS = 300;

    private final KubernetesClient client;
    private final Duration grace;
    private final Clock clock;
    private final Thread thread;

    /** @param grace how long a node may be silent; Kubernetes says 40 s */
    public static NodeLifecycle start(KubernetesClient client, Duration grace) {
        return new NodeLifecycle(client, grace, Clock.systemUTC());
    }

    private NodeLifecycle(KubernetesClient client, Duration grace, Clock clock) {
        this.client = client;
        this.grace = grace;
        this.clock = clock;
        this.thread = Thread.ofVirtual().name("node-lifecycle").start(this::run);
    }

    private void run() {
        try {
            while (true) {
                Thread.sleep(grace.dividedBy(4));
                try {
                    look();
                } catch (KubernetesClientException e) {
                    LOG.debug("nodes could not be looked at: {}", e.getMessage());
                }
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // closed
        }
    }

    private void look() {
        Map<String, Node> nodes = client.nodes()
                .list()
                .getItems()
                .stream()
                .collect(Collectors.toMap(node -> node.getMetadata().getName(), Function.identity()));
        for (Node node : nodes.values()) {
            boolean silent = isSilent(node);
            if (silent != taint(node).isPresent()) {
                mark(node, silent);
            }
        }
        for (Pod pod : client.pods().inAnyNamespace().list().getItems()) {
            String name = pod.getSpec().getNodeName();
            if (name != null && !name.isEmpty()) {
                Optional<Node> node = Optional.ofNullable(nodes.get(name));
                if (node.isEmpty()) {
                    client.resource(pod).withGracePeriod(0).delete();
                } else {
                    taint(node.get()).ifPresent(taint -> evictWhenDue(pod, taint));
                }
            }
        }
    }

    /** A node that never had a lease is nobody's to judge. */
    private boolean isSilent(Node node) {
        Lease lease = client.leases().inNamespace("kube-node-lease").withName(node.getMetadata().getName()).get();
        return lease != null && lease.getSpec().getRenewTime() != null
                && lease.getSpec().getRenewTime().toInstant().isBefore(clock.instant().minus(grace));
    }

    private static Optional<Taint> taint(Node node) {
        return node.getSpec()
                .getTaints()
                .stream()
                .filter(taint -> UNREACHABLE.equals(taint.getKey()) && "NoExecute".equals(taint.getEffect()))
                .findFirst();
    }

    private void mark(Node node, boolean silent) {
        String name = node.getMetadata().getName();
        String now = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        LOG.info("Node {} {}", name, silent ? "is silent" : "is back");
        client.nodes().withName(name).edit(current -> {
            List<Taint> taints = new ArrayList<>(current.getSpec().getTaints());
            taints.removeIf(taint -> UNREACHABLE.equals(taint.getKey()));
            if (silent) {
                taints.add(new Taint("NoSchedule", UNREACHABLE, now, null));
                taints.add(new Taint("NoExecute", UNREACHABLE, now, null));
            }
            return new NodeBuilder(current).editSpec().withTaints(taints).endSpec().build();
        });
        if (!silent) {
            return; // the node itself says that it is ready
        }
        client.nodes()
                .withName(name)
                .editStatus(current -> new NodeBuilder(current).editStatus()
                        .withConditions(new NodeConditionBuilder().withType("Ready")
                                .withStatus("Unknown")
                                .withReason("NodeStatusUnknown")
                                .withMessage("Kubelet stopped posting node status.")
                                .withLastTransitionTime(now)
                                .build())
                        .endStatus()
                        .build());
        client.pods()
                .inAnyNamespace()
                .withField("spec.nodeName", name)
                .list()
                .getItems()
                .forEach(pod -> client.resource(pod)
                        .editStatus(current -> new PodBuilder(current).editStatus()
                                .removeMatchingFromConditions(condition -> "Ready".equals(condition.getType()))
                                .addToConditions(new PodConditionBuilder().withType("Ready")
                                        .withStatus("False")
                                        .withReason("NodeNotReady")
                                        .withMessage("Node is not ready")
                                        .withLastTransitionTime(now)
                                        .build())
                                .endStatus()
                                .build()));
    }

    private void evictWhenDue(Pod pod, Taint taint) {
        if (pod.getMetadata().getDeletionTimestamp() != null) {
            return;
        }
        Optional<Long> seconds = tolerated(pod.getSpec().getTolerations());
        Instant since = Instant.parse(taint.getTimeAdded());
        if (seconds.isPresent() && !clock.instant().isBefore(since.plusSeconds(seconds.get()))) {
            client.resource(pod).delete();
        }
    }

    /** How long a pod bears an unreachable node; empty for ever. */
    private static Optional<Long> tolerated(List<Toleration> tolerations) {
        List<Toleration> matching = tolerations.stream()
                .filter(each -> (each.getKey() == null || each.getKey().isEmpty() || UNREACHABLE.equals(each.getKey()))
                        && (each.getEffect() == null || each.getEffect().isEmpty()
                                || "NoExecute".equals(each.getEffect())))
                .toList();
        if (matching.isEmpty()) {
            return Optional.of(DEFAULT_TOLERATION_SECONDS);
        }
        return matching.stream()
                .map(each -> Optional.ofNullable(each.getTolerationSeconds()))
                .filter(Optional::isPresent)
                .map(Optional::get)
                .min(Long::compare);
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}

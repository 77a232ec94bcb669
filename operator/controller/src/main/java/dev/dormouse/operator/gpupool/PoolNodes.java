package dev.dormouse.operator.gpupool;

import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/** Which nodes belong to a pool, and how many GPUs each can give. */
final class PoolNodes {
    private PoolNodes() {}

    /** GPUs of every node that a replica of the pool may be bound to now. */
    static Map<String, Integer> gpus(GpuPoolSpec pool, Collection<Node> nodes) {
        Map<String, Integer> gpus = new TreeMap<>();
        for (Node node : nodes) {
            int count = allocatable(node, pool.resourceName());
            if (count > 0 && selected(pool, node) && usable(pool, node)) {
                gpus.put(node.getMetadata().getName(), count);
            }
        }
        return gpus;
    }

    /** Whether a change of a node may change what a pool has. Its heartbeats do not. */
    static boolean matters(Node now, Node before) {
        return !Objects.equals(now.getMetadata().getLabels(), before.getMetadata().getLabels())
                || !Objects.equals(now.getSpec(), before.getSpec())
                || ready(now) != ready(before)
                || !Objects.equals(now.getStatus() == null ? null : now.getStatus().getAllocatable(),
                        before.getStatus() == null ? null : before.getStatus().getAllocatable());
    }

    private static boolean selected(GpuPoolSpec pool, Node node) {
        Map<String, String> labels = Objects.requireNonNullElse(node.getMetadata().getLabels(), Map.of());
        return pool.nodeSelector()
                .entrySet()
                .stream()
                .allMatch(wanted -> wanted.getValue().equals(labels.get(wanted.getKey())));
    }

    private static boolean usable(GpuPoolSpec pool, Node node) {
        boolean cordoned = node.getSpec() != null && Boolean.TRUE.equals(node.getSpec().getUnschedulable());
        List<Taint> taints = node.getSpec() == null ? List.of() : node.getSpec().getTaints();
        return !cordoned && ready(node) && taints.stream()
                .filter(taint -> !"PreferNoSchedule".equals(taint.getEffect()))
                .allMatch(taint -> pool.tolerations().stream().anyMatch(toleration -> tolerates(toleration, taint)));
    }

    private static boolean tolerates(Toleration toleration, Taint taint) {
        boolean effect = toleration.getEffect() == null || toleration.getEffect().isEmpty()
                || toleration.getEffect().equals(taint.getEffect());
        boolean everyKey = toleration.getKey() == null || toleration.getKey().isEmpty();
        boolean exists = "Exists".equals(toleration.getOperator());
        boolean value = exists || Objects.requireNonNullElse(toleration.getValue(), "")
                .equals(Objects.requireNonNullElse(taint.getValue(), ""));
        return effect && (everyKey ? exists : toleration.getKey().equals(taint.getKey()) && value);
    }

    private static boolean ready(Node node) {
        return node.getStatus() != null && node.getStatus()
                .getConditions()
                .stream()
                .filter(c -> "Ready".equals(c.getType()))
                .map(NodeCondition::getStatus)
                .anyMatch("True"::equals);
    }

    private static int allocatable(Node node, String resource) {
        return Optional.ofNullable(node.getStatus())
                .map(status -> status.getAllocatable())
                .map(all -> all.get(resource))
                .map(Quantity::getNumericalAmount)
                .map(amount -> amount.intValue())
                .orElse(0);
    }
}

package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeSelectorRequirement;
import io.fabric8.kubernetes.api.model.NodeSelectorTerm;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodAffinityTerm;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Where a pod goes. Pure. Knows requests (extended resources included), node selectors, required node affinity, taints
 * and cordons, and required pod affinity to a node by labels. Preferences are not weighed; requirements it does not know
 * make a pod unschedulable, with their name.
 */
sealed interface Placement {
    record Bind(String node) implements Placement {}

    record Unschedulable(String message) implements Placement {}

    /** A node, the pods on it, and what they have taken of it. */
    record Candidate(Node node, Map<String, BigDecimal> used, List<Pod> hosted) {
        static Candidate of(Node node, Collection<Pod> podsOnIt) {
            Map<String, BigDecimal> used = new HashMap<>();
            podsOnIt.forEach(pod -> PodRequests.of(pod.getSpec())
                    .forEach((resource, amount) -> used.merge(resource, amount, BigDecimal::add)));
            return new Candidate(node, used, List.copyOf(podsOnIt));
        }

        private String name() {
            return node.getMetadata().getName();
        }

        private BigDecimal pods() {
            return used.getOrDefault("pods", BigDecimal.ZERO);
        }
    }

    /** The node with the fewest pods among those that fit; or why none does, in the words of kube-scheduler. */
    static Placement of(Pod pod, List<Candidate> nodes) {
        Optional<String> unknown = unknownRequirement(pod.getSpec());
        if (unknown.isPresent()) {
            return new Unschedulable("0/%d nodes are available: %s is not supported by the local scheduler."
                    .formatted(nodes.size(), unknown.get()));
        }
        Map<String, Integer> obstacles = new TreeMap<>();
        List<Candidate> fitting = new ArrayList<>();
        for (Candidate node : nodes) {
            List<String> found = near(pod, node, nodes)
                    ? obstacles(pod.getSpec(), node)
                    : List.of("node(s) didn't match pod affinity rules");
            found.forEach(obstacle -> obstacles.merge(obstacle, 1, Integer::sum));
            if (found.isEmpty()) {
                fitting.add(node);
            }
        }
        return fitting.stream()
                .min(Comparator.comparing(Candidate::pods).thenComparing(Candidate::name))
                .<Placement>map(node -> new Bind(node.name()))
                .orElseGet(() -> new Unschedulable(explain(nodes, obstacles)));
    }

    private static String explain(List<Candidate> nodes, Map<String, Integer> obstacles) {
        if (nodes.isEmpty()) {
            return "0/0 nodes are available: no nodes available to schedule pods";
        }
        return "0/%d nodes are available: %s.".formatted(nodes.size(),
                obstacles.entrySet()
                        .stream()
                        .map(o -> o.getValue() + " " + o.getKey())
                        .collect(Collectors.joining(", ")));
    }

    private static Optional<String> unknownRequirement(PodSpec spec) {
        Affinity affinity = spec.getAffinity();
        if (affinityTerms(spec).stream().anyMatch(term -> !byNodeAndLabels(term))) {
            return Optional.of("required podAffinity other than by kubernetes.io/hostname and matchLabels");
        }
        if (affinity != null && affinity.getPodAntiAffinity() != null
                && !affinity.getPodAntiAffinity().getRequiredDuringSchedulingIgnoredDuringExecution().isEmpty()) {
            return Optional.of("required podAntiAffinity");
        }
        if (spec.getTopologySpreadConstraints()
                .stream()
                .anyMatch(c -> "DoNotSchedule".equals(c.getWhenUnsatisfiable()))) {
            return Optional.of("topologySpreadConstraints with DoNotSchedule");
        }
        return Optional.empty(); // resource claims count as satisfied; the node says so
    }

    private static List<PodAffinityTerm> affinityTerms(PodSpec spec) {
        Affinity affinity = spec.getAffinity();
        return affinity == null || affinity.getPodAffinity() == null
                ? List.of()
                : affinity.getPodAffinity().getRequiredDuringSchedulingIgnoredDuringExecution();
    }

    private static boolean byNodeAndLabels(PodAffinityTerm term) {
        return "kubernetes.io/hostname".equals(term.getTopologyKey()) && term.getNamespaces().isEmpty()
                && term.getNamespaceSelector() == null && term.getLabelSelector() != null
                && term.getLabelSelector().getMatchExpressions().isEmpty();
    }

    /** Where a wanted neighbour is; the first of pods that want each other may go anywhere, as kube-scheduler has it. */
    private static boolean near(Pod pod, Candidate node, List<Candidate> nodes) {
        return affinityTerms(pod.getSpec()).stream()
                .allMatch(term -> hosts(node, pod, term)
                        || (matches(term, pod, pod) && nodes.stream().noneMatch(other -> hosts(other, pod, term))));
    }

    private static boolean hosts(Candidate node, Pod pod, PodAffinityTerm term) {
        return node.hosted().stream().anyMatch(hosted -> matches(term, pod, hosted));
    }

    private static boolean matches(PodAffinityTerm term, Pod pod, Pod other) {
        Map<String, String> wanted = term.getLabelSelector().getMatchLabels();
        Map<String, String> labels = other.getMetadata().getLabels();
        return Objects.equals(pod.getMetadata().getNamespace(), other.getMetadata().getNamespace()) && labels != null
                && labels.entrySet().containsAll(wanted.entrySet());
    }

    private static List<String> obstacles(PodSpec spec, Candidate candidate) {
        Node node = candidate.node();
        if (!isReady(node)) {
            return List.of("node(s) were not ready");
        }
        if (node.getSpec() != null && Boolean.TRUE.equals(node.getSpec().getUnschedulable())) {
            return List.of("node(s) were unschedulable");
        }
        Optional<Taint> taint = untolerated(node, spec.getTolerations());
        if (taint.isPresent()) {
            return List.of("node(s) had untolerated taint {%s: %s}".formatted(taint.get().getKey(),
                    taint.get().getValue() == null ? "" : taint.get().getValue()));
        }
        if (!selected(spec, node)) {
            return List.of("node(s) didn't match Pod's node affinity/selector");
        }
        Map<String, BigDecimal> allocatable = PodRequests.amounts(node.getStatus().getAllocatable());
        List<String> lacking = new ArrayList<>();
        PodRequests.of(spec).forEach((resource, amount) -> {
            BigDecimal free = allocatable.getOrDefault(resource, BigDecimal.ZERO)
                    .subtract(candidate.used().getOrDefault(resource, BigDecimal.ZERO));
            if (amount.signum() > 0 && amount.compareTo(free) > 0) {
                lacking.add(resource.equals("pods") ? "Too many pods" : "Insufficient " + resource);
            }
        });
        return lacking;
    }

    private static boolean isReady(Node node) {
        return node.getStatus() != null && node.getStatus()
                .getConditions()
                .stream()
                .anyMatch(c -> "Ready".equals(c.getType()) && "True".equals(c.getStatus()));
    }

    private static Optional<Taint> untolerated(Node node, List<Toleration> tolerations) {
        return node.getSpec() == null
                ? Optional.empty()
                : node.getSpec()
                        .getTaints()
                        .stream()
                        .filter(t -> !"PreferNoSchedule".equals(t.getEffect()))
                        .filter(taint -> tolerations.stream().noneMatch(t -> tolerates(t, taint)))
                        .findFirst();
    }

    private static boolean tolerates(Toleration toleration, Taint taint) {
        boolean exists = "Exists".equals(toleration.getOperator());
        boolean anyKey = exists && (toleration.getKey() == null || toleration.getKey().isEmpty());
        boolean effect = toleration.getEffect() == null || toleration.getEffect().isEmpty()
                || toleration.getEffect().equals(taint.getEffect());
        boolean value = exists || orEmpty(toleration.getValue()).equals(orEmpty(taint.getValue()));
        return effect && (anyKey || taint.getKey().equals(toleration.getKey()) && value);
    }

    private static boolean selected(PodSpec spec, Node node) {
        Map<String, String> labels = node.getMetadata().getLabels() == null ? Map.of() : node.getMetadata().getLabels();
        boolean selector = spec.getNodeSelector() == null
                || labels.entrySet().containsAll(spec.getNodeSelector().entrySet());
        Affinity affinity = spec.getAffinity();
        if (!selector || affinity == null || affinity.getNodeAffinity() == null
                || affinity.getNodeAffinity().getRequiredDuringSchedulingIgnoredDuringExecution() == null) {
            return selector;
        }
        Map<String, String> fields = Map.of("metadata.name", node.getMetadata().getName());
        return affinity.getNodeAffinity()
                .getRequiredDuringSchedulingIgnoredDuringExecution()
                .getNodeSelectorTerms()
                .stream()
                .anyMatch(term -> matches(term, labels, fields));
    }

    private static boolean matches(NodeSelectorTerm term, Map<String, String> labels, Map<String, String> fields) {
        boolean empty = term.getMatchExpressions().isEmpty() && term.getMatchFields().isEmpty();
        return !empty && term.getMatchExpressions().stream().allMatch(r -> matches(r, labels.get(r.getKey())))
                && term.getMatchFields().stream().allMatch(r -> matches(r, fields.get(r.getKey())));
    }

    private static boolean matches(NodeSelectorRequirement requirement, @Nullable String value) {
        List<String> values = requirement.getValues();
        return switch (requirement.getOperator()) {
            case "In" -> value != null && values.contains(value);
            case "NotIn" -> value == null || !values.contains(value);
            case "Exists" -> value != null;
            case "DoesNotExist" -> value == null;
            case "Gt" -> isNumber(value) && Long.parseLong(orEmpty(value)) > Long.parseLong(values.getFirst());
            case "Lt" -> isNumber(value) && Long.parseLong(orEmpty(value)) < Long.parseLong(values.getFirst());
            default -> false;
        };
    }

    private static boolean isNumber(@Nullable String value) {
        return value != null && value.matches("-?\\d{1,18}");
    }

    private static String orEmpty(@Nullable String value) {
        return value == null ? "" : value;
    }
}

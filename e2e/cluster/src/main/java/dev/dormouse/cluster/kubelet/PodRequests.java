package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Quantity;
import java.math.BigDecimal;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** What a pod takes from a node, by Kubernetes' rules. Pure. */
final class PodRequests {
    private static final String PODS = "pods";

    /**
     * Requests per resource, in its base unit (cores, bytes, pieces): containers and sidecars together, or what the
     * greediest init container needs beside the sidecars before it, plus overhead; one of {@code pods}.
     */
    static Map<String, BigDecimal> of(PodSpec spec) {
        Map<String, BigDecimal> sidecars = new TreeMap<>();
        Map<String, BigDecimal> peak = new TreeMap<>();
        for (Container init : spec.getInitContainers()) {
            Map<String, BigDecimal> alone = requests(init);
            if (isSidecar(init)) {
                alone.forEach((resource, amount) -> sidecars.merge(resource, amount, BigDecimal::add));
            } else {
                sidecars.forEach((resource, amount) -> alone.merge(resource, amount, BigDecimal::add));
                alone.forEach((resource, amount) -> peak.merge(resource, amount, BigDecimal::max));
            }
        }
        Map<String, BigDecimal> total = new TreeMap<>(sidecars);
        for (Container container : spec.getContainers()) {
            requests(container).forEach((resource, amount) -> total.merge(resource, amount, BigDecimal::add));
        }
        peak.forEach((resource, amount) -> total.merge(resource, amount, BigDecimal::max));
        amounts(spec.getOverhead()).forEach((resource, amount) -> total.merge(resource, amount, BigDecimal::add));
        total.put(PODS, BigDecimal.ONE);
        return total;
    }

    static boolean isSidecar(Container initContainer) {
        return "Always".equals(initContainer.getRestartPolicy());
    }

    /** A limit without a request is the request. */
    private static Map<String, BigDecimal> requests(Container container) {
        Map<String, BigDecimal> requests = new TreeMap<>();
        if (container.getResources() != null) {
            requests.putAll(amounts(container.getResources().getLimits()));
            requests.putAll(amounts(container.getResources().getRequests()));
        }
        return requests;
    }

    static Map<String, BigDecimal> amounts(@org.jspecify.annotations.Nullable Map<String, Quantity> quantities) {
        Map<String, BigDecimal> amounts = new TreeMap<>();
        if (quantities != null) {
            quantities.forEach((resource, quantity) -> amounts.put(resource, quantity.getNumericalAmount()));
        }
        return amounts;
    }

    static String qosClass(PodSpec spec) {
        boolean none = containers(spec).allMatch(c -> computeOnly(requests(c)).isEmpty());
        if (none) {
            return "BestEffort";
        }
        boolean guaranteed = containers(spec).allMatch(c -> {
            Map<String, BigDecimal> requests = computeOnly(requests(c));
            Map<String, BigDecimal> limits = computeOnly(amounts(c.getResources() == null
                    ? null
                    : c.getResources().getLimits()));
            return limits.size() == 2 && requests.entrySet()
                    .stream()
                    .allMatch(r -> r.getValue().compareTo(limits.getOrDefault(r.getKey(), BigDecimal.ZERO)) == 0);
        });
        return guaranteed ? "Guaranteed" : "Burstable";
    }

    private static Stream<Container> containers(PodSpec spec) {
        return Stream.concat(spec.getInitContainers().stream(), spec.getContainers().stream());
    }

    private static Map<String, BigDecimal> computeOnly(Map<String, BigDecimal> amounts) {
        Map<String, BigDecimal> compute = new TreeMap<>(amounts);
        compute.keySet().removeIf(resource -> !resource.equals("cpu") && !resource.equals("memory"));
        return compute;
    }

    private PodRequests() {}
}

package dev.dormouse.cluster.kubelet;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * How one process node is set up.
 *
 * @param name the Node's name; also its hostname label
 * @param state folder for everything the node keeps: {@code nodes/<name>} (pods, logs, root of hostPath volumes) and
 *     {@code claims/<namespace>/<claim>}. Keep it short: sockets below it have at most 107 bytes in their path
 * @param capacity resource name to quantity; anything beyond cpu, memory and pods is an extended resource and fake
 * @param labels added to the usual ones
 * @param images what images mean here
 * @param backOffBase delay before the second restart; doubles up to {@code backOffMax}
 * @param heartbeat how often the node says that it lives; empty: never
 * @param startupProbeInterval how often a startup probe that has not succeeded is repeated; empty: every
 *     {@code periodSeconds}, as Kubernetes does, whose finest period is one second. Failures are counted per period
 *     either way
 * @param volumeRefresh how often files in volumes are compared with the config maps, secrets and fields they come from
 */
public record NodeConfig(String name, Path state, Map<String, String> capacity, Map<String, String> labels,
        ImageTable images, Duration backOffBase, Duration backOffMax, Optional<Duration> heartbeat,
        Optional<Duration> startupProbeInterval, Duration volumeRefresh) {
    /** Address of the node itself. */
    public static final String HOST_IP = "127.0.0.1";

    public NodeConfig {
        if (!name.matches("[a-z0-9]([-a-z0-9.]*[a-z0-9])?")) {
            throw new IllegalArgumentException(
                    "node name \"" + name + "\": use lower-case letters, digits, '-' and '.'");
        }
        if (!backOffBase.isPositive() || backOffMax.compareTo(backOffBase) < 0) {
            throw new IllegalArgumentException(
                    "node " + name + ": back-off must be positive and at most its maximum, not "
                            + backOffBase + " to " + backOffMax);
        }
        state = state.toAbsolutePath().normalize();
        capacity = Map.copyOf(capacity);
        labels = Map.copyOf(labels);
    }

    /** A node with this machine's processors, 110 pods, no GPU and the times of a real kubelet. */
    public static NodeConfig of(String name, Path state, ImageTable images) {
        Map<String, String> capacity = Map.of("cpu", Integer.toString(Runtime.getRuntime().availableProcessors()),
                "memory",
                "64Gi", "pods", "110");
        return new NodeConfig(name, state, capacity, Map.of(), images, Duration.ofSeconds(10), Duration.ofMinutes(5),
                Optional.of(Duration.ofSeconds(10)), Optional.empty(), Duration.ofMinutes(1));
    }

    /** With more or less of a resource, such as {@code nvidia.com/gpu: 2}. */
    public NodeConfig withCapacity(String resource, String quantity) {
        return new NodeConfig(name, state, plus(capacity, resource, quantity), labels, images, backOffBase, backOffMax,
                heartbeat, startupProbeInterval, volumeRefresh);
    }

    public NodeConfig withLabel(String label, String value) {
        return new NodeConfig(name, state, capacity, plus(labels, label, value), images, backOffBase, backOffMax,
                heartbeat, startupProbeInterval, volumeRefresh);
    }

    public NodeConfig withBackOff(Duration base, Duration max) {
        return new NodeConfig(name, state, capacity, labels, images, base, max, heartbeat, startupProbeInterval,
                volumeRefresh);
    }

    public NodeConfig withHeartbeat(Optional<Duration> interval) {
        return new NodeConfig(name, state, capacity, labels, images, backOffBase, backOffMax, interval,
                startupProbeInterval, volumeRefresh);
    }

    public NodeConfig withStartupProbeInterval(Duration interval) {
        return new NodeConfig(name, state, capacity, labels, images, backOffBase, backOffMax, heartbeat,
                Optional.of(interval), volumeRefresh);
    }

    public NodeConfig withVolumeRefresh(Duration interval) {
        return new NodeConfig(name, state, capacity, labels, images, backOffBase, backOffMax, heartbeat,
                startupProbeInterval, interval);
    }

    private static Map<String, String> plus(Map<String, String> map, String key, String value) {
        Map<String, String> more = new TreeMap<>(map);
        more.put(key, value);
        return more;
    }

    /** Everything of this node alone; gone when it is. */
    Path folder() {
        return state.resolve("nodes").resolve(name);
    }

    Path claims() {
        return state.resolve("claims");
    }
}

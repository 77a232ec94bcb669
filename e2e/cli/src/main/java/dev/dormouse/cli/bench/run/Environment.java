package dev.dormouse.cli.bench.run;

import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Where and on what something was measured: what a comparison warns about when it differs (R44). */
public final class Environment {
    private static final String GPU_PRODUCT = "nvidia.com/gpu.product";
    private static final String GPU_DRIVER = "nvidia.com/cuda.driver-version.full";

    private final Map<String, String> facts = new TreeMap<>();

    /** This machine and the checkout in {@code home}, if it is one. */
    public static Environment here(Path home, KubernetesClient client) throws InterruptedException {
        Environment here = new Environment();
        here.facts.put("os", System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                + System.getProperty("os.arch"));
        here.facts.put("java", Runtime.version().toString());
        here.facts.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        if (ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean machine) {
            here.facts.put("memory.gib", Long.toString(Math.round(machine.getTotalMemorySize() / 0x1p30)));
        }
        here.facts.put("kubernetes", client.getKubernetesVersion().getGitVersion());
        here.facts.put("revision", revision(home));
        return here;
    }

    /** The node and the images of a pod that answered. */
    public Environment with(Pod pod, KubernetesClient client) {
        Node node = client.nodes().withName(pod.getSpec().getNodeName()).get();
        if (node != null) {
            facts.put("node", node.getMetadata().getName());
            Map<String, String> labels = node.getMetadata().getLabels() == null
                    ? Map.of()
                    : node.getMetadata().getLabels();
            facts.put("gpu", labels.getOrDefault(GPU_PRODUCT, "none known"));
            facts.put("gpu.driver", labels.getOrDefault(GPU_DRIVER, "none known"));
        }
        Stream.concat(pod.getStatus().getContainerStatuses().stream(),
                pod.getStatus().getInitContainerStatuses().stream())
                .forEach(status -> facts.put(
                        (status.getName().equals("engine") ? "engine" : "sidecar") + ".image", image(status)));
        return this;
    }

    public Environment with(Map<String, String> more) {
        facts.putAll(more);
        return this;
    }

    public Map<String, String> facts() {
        return Map.copyOf(facts);
    }

    private static String image(ContainerStatus status) {
        return status.getImageID() == null || status.getImageID().isBlank() ? status.getImage() : status.getImageID();
    }

    /** {@code git describe}; "unknown" outside of a checkout or without git. */
    public static String revision(Path home) throws InterruptedException {
        try {
            Process git = new ProcessBuilder("git", "describe", "--always", "--dirty").directory(home.toFile())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            String said = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return git.waitFor() == 0 ? said : "unknown";
        } catch (IOException e) {
            return "unknown"; // no git here: the result says so instead of failing after minutes of measuring
        }
    }
}

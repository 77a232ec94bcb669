package dev.dormouse.cli;

import dev.dormouse.cluster.kubelet.Faults;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/**
 * What hurts, by command: annotations that the nodes of a running local mode obey. Evictions and drains need no command of
 * ours: {@code kubectl drain} works.
 */
@Command(name = "fault", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", description = "Make something go wrong in a running local mode (the one of $KUBECONFIG).")
final class FaultCommand implements Runnable {
    @Spec
    private picocli.CommandLine.Model.@Nullable CommandSpec spec;

    @Override
    public void run() {
        throw wrong("say what is to go wrong");
    }

    @Command(name = "node-down", mixinStandardHelpOptions = true, description = "Cut a node's power: its processes die, it says nothing any more.")
    int nodeDown(@Parameters(paramLabel = "NODE") String node) {
        annotate(node, Faults.NODE_DOWN, "true");
        System.out.println("node " + node + " has no power; it is NotReady as soon as it was silent for 8 s");
        return 0;
    }

    @Command(name = "node-up", mixinStandardHelpOptions = true, description = "Boot a node again. Its pods' containers are started anew.")
    int nodeUp(@Parameters(paramLabel = "NODE") String node) {
        annotate(node, Faults.NODE_DOWN, null);
        System.out.println("node " + node + " boots");
        return 0;
    }

    @Command(name = "image-pull", mixinStandardHelpOptions = true, description = "Make image pulls of a node slow (30s), fail (fail), or normal again (ok).")
    int imagePull(@Parameters(paramLabel = "NODE") String node,
            @Parameters(paramLabel = "DELAY|fail|ok") String how) {
        if (!how.equals("ok") && !how.equals("fail")) {
            try {
                Faults.duration(how);
            } catch (IllegalArgumentException e) {
                throw wrong(how + ": neither fail nor ok, and " + e.getMessage());
            }
        }
        annotate(node, Faults.IMAGE_PULL, how.equals("ok") ? null : how);
        System.out.println("image pulls of node " + node + ": " + how);
        return 0;
    }

    @Command(name = "oom", mixinStandardHelpOptions = true, description = "Kill a container as if it had used more memory than it may.")
    int outOfMemory(@Parameters(paramLabel = "POD") String pod,
            @Option(names = {"-c",
                    "--container"}, defaultValue = "engine", description = "Default: ${DEFAULT-VALUE}.") String container,
            @Option(names = {"-n",
                    "--namespace"}, defaultValue = "default", description = "Default: ${DEFAULT-VALUE}.") String namespace) {
        try (KubernetesClient client = client()) {
            Resource<Pod> named = client.pods().inNamespace(namespace).withName(pod);
            Pod found = named.get();
            if (found == null) {
                throw wrong("there is no pod " + namespace + "/" + pod);
            }
            boolean known = Stream
                    .concat(found.getSpec().getContainers().stream(), found.getSpec().getInitContainers().stream())
                    .anyMatch(each -> each.getName().equals(container));
            if (!known) {
                throw wrong("pod " + namespace + "/" + pod + " has no container " + container);
            }
            named.edit(current -> new PodBuilder(current).editMetadata()
                    .addToAnnotations(Faults.OOM_KILL, container + "/" + System.currentTimeMillis())
                    .endMetadata()
                    .build());
        }
        System.out.println("container " + container + " of pod " + pod + " is killed: OOMKilled");
        return 0;
    }

    private void annotate(String node, String annotation, @Nullable String value) {
        try (KubernetesClient client = client()) {
            if (client.nodes().withName(node).get() == null) {
                throw wrong("there is no node " + node + "; there are "
                        + client.nodes().list().getItems().stream().map(FaultCommand::name).toList());
            }
            client.nodes().withName(node).edit(current -> {
                var metadata = new NodeBuilder(current).editMetadata();
                return (value == null
                        ? metadata.removeFromAnnotations(annotation)
                        : metadata.addToAnnotations(annotation, value)).endMetadata().build();
            });
        }
    }

    private static String name(HasMetadata object) {
        return object.getMetadata().getName();
    }

    private KubernetesClient client() {
        KubernetesClient client = new KubernetesClientBuilder().build();
        try {
            String version = client.getKubernetesVersion() == null ? "" : client.getKubernetesVersion().getGitVersion();
            if (!version.endsWith("+embedded")) {
                throw wrong("$KUBECONFIG does not name a local mode: " + client.getMasterUrl() + " is " + version);
            }
            return client;
        } catch (KubernetesClientException e) {
            client.close();
            throw wrong("no local mode answers at " + client.getMasterUrl() + ": run ./dormouse local and export the"
                    + " KUBECONFIG it prints");
        }
    }

    private ParameterException wrong(String message) {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec before it runs a command");
        }
        return new ParameterException(spec.commandLine(), message);
    }
}

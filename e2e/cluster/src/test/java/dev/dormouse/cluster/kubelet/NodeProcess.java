package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A node in a process of its own, to be ended from outside. Arguments: kubeconfig, state folder. */
final class NodeProcess {
    public static void main(String[] args) throws IOException, InterruptedException {
        Config config = Config.fromKubeconfig(Files.readString(Path.of(args[0])));
        config.setOnlyHttpWatches(true);
        KubernetesClient client = new KubernetesClientBuilder().withConfig(config).build();
        ImageTable images = ImageTable.of(ImageTable.Image.of("busybox", "/bin/sh", "-c"));
        ProcessNode node = ProcessNode.start(client, NodeConfig.of("local", Path.of(args[1]), images));
        System.out.println("up " + node.name());
        Thread.currentThread().join();
    }

    private NodeProcess() {}
}

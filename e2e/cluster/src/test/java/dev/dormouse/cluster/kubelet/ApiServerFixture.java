package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.EmbeddedControlPlane;
import dev.dormouse.cluster.apiserver.PodLogs;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** An API server for one test class, reached as any client reaches it. */
final class ApiServerFixture implements AutoCloseable {
    private final Path folder;
    private final EmbeddedControlPlane server;
    private final KubernetesClient client;

    ApiServerFixture() throws IOException {
        folder = Files.createTempDirectory("dormouse-api");
        server = EmbeddedControlPlane.start(folder);
        Config config = Config.fromKubeconfig(Files.readString(server.kubeconfig()));
        client = new KubernetesClientBuilder().withConfig(new ConfigBuilder(config).withOnlyHttpWatches(true).build())
                .build();
    }

    Path kubeconfig() {
        return server.kubeconfig();
    }

    void serveLogs(PodLogs logs) {
        server.registerPodLogs(logs);
    }

    KubernetesClient client() {
        return client;
    }

    @Override
    public void close() throws IOException {
        client.close();
        server.close();
        Folders.delete(folder);
    }
}

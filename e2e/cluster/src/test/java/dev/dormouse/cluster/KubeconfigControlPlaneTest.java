package dev.dormouse.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Somebody else's cluster, played by the embedded one, which evaluates roles. */
class KubeconfigControlPlaneTest {
    @TempDir
    private Path folder;
    private EmbeddedControlPlane theirs;
    private ControlPlane ours;

    @BeforeEach
    void start() throws IOException {
        theirs = EmbeddedControlPlane.start(folder.resolve("theirs"));
        ours = new ControlPlaneConfig.Kubeconfig(theirs.kubeconfig()).start(folder.resolve("ours"));
    }

    @AfterEach
    void stop() {
        ours.close();
        theirs.close();
    }

    private static KubernetesClient client(ControlPlane plane) throws IOException {
        return new KubernetesClientBuilder().withConfig(Config.fromKubeconfig(Files.readString(plane.kubeconfig())))
                .build();
    }

    private static ConfigMap map(String namespace) {
        return new ConfigMapBuilder().withNewMetadata().withName("a").withNamespace(namespace).endMetadata().build();
    }

    @Test
    void withinItsNamespacesEverythingIsAllowedAndOutsideNothing() throws IOException {
        String first = ours.createNamespace("a-");
        String second = ours.createNamespace("a-");
        try (KubernetesClient client = client(ours)) {
            assertThat(client.resource(map(first)).create().getMetadata().getUid()).isNotEmpty();
            assertThat(client.resource(map(second)).create().getMetadata().getUid()).isNotEmpty();

            assertThatThrownBy(() -> client.resource(map("default")).create()).hasMessageContaining("forbidden");
            assertThatThrownBy(() -> client.secrets().inNamespace("kube-system").list())
                    .hasMessageContaining("forbidden");
            assertThatThrownBy(() -> client.nodes().list()).hasMessageContaining("forbidden");
            assertThatThrownBy(() -> client.namespaces().withName("default").delete())
                    .hasMessageContaining("forbidden");
            assertThatThrownBy(() -> client.resource(new NamespaceBuilder().withNewMetadata()
                    .withName("more")
                    .endMetadata()
                    .build()).create()).hasMessageContaining("forbidden");
        }
        assertThat(ours.clusterScope()).isFalse();
    }

    @Test
    void whatItCreatedGoesWithItAndNothingElse() throws IOException {
        String mine = ours.createNamespace("a-");
        String yours = theirs.createNamespace("a-");
        Path kubeconfig = ours.kubeconfig();

        ours.close(); // stop closes it once more

        try (KubernetesClient client = client(theirs)) {
            await().until(() -> client.namespaces().withName(mine).get() == null);
            await().until(() -> client.namespaces()
                    .list()
                    .getItems()
                    .stream()
                    .map(each -> each.getMetadata().getName())
                    .noneMatch(name -> name.startsWith("dormouse-") && !name.equals("dormouse-system")));
            assertThat(client.namespaces().withName(yours).get()).isNotNull();
        }
        assertThat(kubeconfig).doesNotExist();
    }
}

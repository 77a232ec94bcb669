package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A node that ends in whatever way, and the processes it ran. */
class NothingLeftBehindTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @TempDir
    private Path state;
    private ApiServerFixture server;
    private KubernetesClient client;
    private Process nodeProcess;

    @BeforeEach
    void runAPodOnANodeInAnotherProcess() throws IOException {
        server = new ApiServerFixture();
        client = server.client();
        nodeProcess = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), NodeProcess.class.getName(), server.kubeconfig().toString(),
                state.toString()).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try (BufferedReader output = nodeProcess.inputReader()) {
            assertThat(output.readLine()).isEqualTo("up local");
        }
        // The second process has nobody above it any more: only its mark tells whose it is.
        Pod pod = new PodBuilder().withNewMetadata()
                .withName("p")
                .withNamespace("default")
                .endMetadata()
                .withNewSpec()
                .withNodeName("local")
                .addNewContainer()
                .withName("main")
                .withImage("busybox")
                .withArgs("trap '' TERM; (setsid sleep 1000 &) ; while true; do sleep 0.05; done")
                .endContainer()
                .endSpec()
                .build();
        client.pods().inNamespace("default").resource(pod).create();
        await().atMost(PATIENCE)
                .until(() -> "Running".equals(
                        client.pods().inNamespace("default").withName("p").get().getStatus().getPhase()));
        await().atMost(PATIENCE).until(() -> ProcessTree.marked(state.toString()).size() >= 2);
    }

    @AfterEach
    void stop() throws IOException, InterruptedException {
        nodeProcess.destroy();
        nodeProcess.waitFor();
        server.close();
        assertThat(ProcessTree.marked(state.toString())).isEmpty();
    }

    @Test
    void sigterm_ends_the_node_and_all_its_containers() throws InterruptedException {
        nodeProcess.destroy();

        assertThat(nodeProcess.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(ProcessTree.marked(state.toString())).isEmpty();
    }

    @Test
    void what_a_killed_node_left_is_ended_by_the_next_one_and_the_pod_runs_again() throws Exception {
        nodeProcess.destroyForcibly().waitFor();
        var leftovers = ProcessTree.marked(state.toString());
        assertThat(leftovers).hasSizeGreaterThanOrEqualTo(2);

        ImageTable images = ImageTable.of(ImageTable.Image.of("busybox", "/bin/sh", "-c"));
        try (ProcessNode _ = ProcessNode.start(client, NodeConfig.of("local", state, images))) {
            await().atMost(PATIENCE).until(() -> leftovers.stream().noneMatch(ProcessHandle::isAlive));
            await().atMost(PATIENCE)
                    .until(() -> client.pods()
                            .inNamespace("default")
                            .withName("p")
                            .get()
                            .getStatus()
                            .getContainerStatuses()
                            .getFirst()
                            .getRestartCount() == 1);
        }
        assertThat(ProcessTree.marked(state.toString())).isEmpty();
    }

    @Test
    void a_second_node_with_the_same_name_and_folder_is_refused() {
        NodeConfig same = NodeConfig.of("local", state, ImageTable.of());

        assertThatThrownBy(() -> ProcessNode.start(client, same)).isInstanceOf(IOException.class)
                .hasMessageContaining("node local already runs")
                .hasMessageContaining(state.toString());
    }
}

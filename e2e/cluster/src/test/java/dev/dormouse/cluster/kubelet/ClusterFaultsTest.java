package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jspecify.annotations.Nullable;

/** Two nodes with what happens to nodes: lost power, slow and failing pulls, memory, volumes that are attached elsewhere. */
class ClusterFaultsTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Duration HEARTBEAT = Duration.ofMillis(250);
    private static final ImageTable IMAGES = ImageTable.of(ImageTable.Image.of("busybox", "/bin/sh", "-c"));

    @TempDir
    private Path state;
    private ApiServerFixture server;
    private KubernetesClient client;
    private final List<AutoCloseable> open = new ArrayList<>();

    @BeforeEach
    void start() throws IOException {
        server = new ApiServerFixture();
        client = server.client();
        open.add(ClaimBinder.start(client, state));
        open.add(LocalScheduler.start(client));
        open.add(NodeLifecycle.start(client, HEARTBEAT.multipliedBy(4)));
        open.add(LocalNodes.start(client, List.of(node("one"), node("two"))));
    }

    private NodeConfig node(String name) {
        return NodeConfig.of(name, state, IMAGES)
                .withBackOff(Duration.ofMillis(200), Duration.ofSeconds(1))
                .withHeartbeat(Optional.of(HEARTBEAT));
    }

    @AfterEach
    void stop() throws Exception {
        client.pods().inNamespace("default").withGracePeriod(0).delete();
        for (AutoCloseable each : open.reversed()) {
            each.close();
        }
        server.close();
        assertThat(ProcessTree.marked(state.toString())).as("processes left behind").isEmpty();
    }

    @Test
    void aNodeWithoutPowerIsNotReadyItsPodsGoAndItBootsAgain() {
        create(pod("doomed", "one").editSpec()
                .addToTolerations(new Toleration("NoExecute", "node.kubernetes.io/unreachable", "Exists", 0L, null))
                .endSpec());
        create(pod("patient", "one"));
        awaitRunning("doomed");
        awaitRunning("patient");

        annotateNode("one", Faults.NODE_DOWN, "true");

        await().atMost(PATIENCE).until(() -> nodeReady("one").equals("Unknown"));
        assertThat(ProcessTree.marked(state.resolve("nodes").resolve("one").toString())).isEmpty();
        await().atMost(PATIENCE).until(() -> condition(get("patient"), "Ready").equals("False"));
        await().atMost(PATIENCE).until(() -> get("doomed").getMetadata().getDeletionTimestamp() != null);
        assertThat(get("patient").getMetadata().getDeletionTimestamp()).as("tolerated for 300 s").isNull();
        assertThat(client.nodes().withName("one").get().getSpec().getTaints())
                .anyMatch(taint -> taint.getKey().equals("node.kubernetes.io/unreachable"));

        annotateNode("one", Faults.NODE_DOWN, null);

        await().atMost(PATIENCE).until(() -> client.pods().inNamespace("default").withName("doomed").get() == null);
        await().atMost(PATIENCE).until(() -> container("patient").getRestartCount() == 1);
        awaitRunning("patient");
        await().atMost(PATIENCE).until(() -> nodeReady("one").equals("True"));
        await().atMost(PATIENCE)
                .until(() -> client.nodes().withName("one").get().getSpec().getTaints().isEmpty());
    }

    @Test
    void aPodOfANodeThatIsNoLongerThereIsRemoved() {
        create(pod("orphan", "gone"));

        await().atMost(PATIENCE).until(() -> client.pods().inNamespace("default").withName("orphan").get() == null);
    }

    @Test
    void anImagePullFailsOrTakesAsLongAsItIsTold() {
        annotateNode("one", Faults.IMAGE_PULL, "fail");
        create(pod("pulling", "one"));
        await().atMost(PATIENCE).until(() -> waiting("pulling").endsWith("ImagePullBackOff"));

        annotateNode("one", Faults.IMAGE_PULL, "2s");
        await().atMost(PATIENCE).until(() -> waiting("pulling").equals("ContainerCreating"));
        await().atMost(PATIENCE).until(() -> events("Pulling").stream().anyMatch(e -> e.contains("made slow")));
        awaitRunning("pulling");
    }

    @Test
    void aContainerOutOfMemoryIsKilledAndRestarted() {
        create(pod("hungry", "two"));
        awaitRunning("hungry");

        client.pods()
                .inNamespace("default")
                .withName("hungry")
                .edit(pod -> new PodBuilder(pod).editMetadata()
                        .addToAnnotations(Faults.OOM_KILL, "main")
                        .endMetadata()
                        .build());

        await().atMost(PATIENCE).until(() -> container("hungry").getRestartCount() == 1);
        var last = container("hungry").getLastState().getTerminated();
        assertThat(last.getReason()).isEqualTo("OOMKilled");
        assertThat(last.getExitCode()).isEqualTo(137);
        awaitRunning("hungry");
    }

    @Test
    void aVolumeForOneNodeIsNotAttachedToTwo() {
        claim("data", "ReadWriteOnce");
        await().atMost(PATIENCE)
                .until(() -> client.persistentVolumes()
                        .list()
                        .getItems()
                        .stream()
                        .anyMatch(volume -> volume.getSpec().getClaimRef().getName().equals("data")
                                && volume.getStatus().getPhase().equals("Bound")));
        create(with("first", "one", "data"));
        awaitRunning("first");
        create(with("neighbour", "one", "data"));
        awaitRunning("neighbour");
        create(with("elsewhere", "two", "data"));

        await().atMost(PATIENCE)
                .until(() -> events("FailedAttachVolume").stream()
                        .anyMatch(e -> e.contains("Multi-Attach") && e.contains("first on node one")));
        assertThat(waiting("elsewhere")).isEqualTo("ContainerCreating");

        client.pods().inNamespace("default").withName("first").withGracePeriod(0).delete();
        client.pods().inNamespace("default").withName("neighbour").withGracePeriod(0).delete();
        awaitRunning("elsewhere");
    }

    @Test
    void filesOfManySourcesAreProjectedIntoOneFolder() {
        client.resource(new ConfigMapBuilder().withNewMetadata()
                .withName("settings")
                .withNamespace("default")
                .endMetadata()
                .addToData("level", "high")
                .build()).create();
        create(pod("projected", "one").editSpec()
                .withVolumes(new VolumeBuilder().withName("all")
                        .withNewProjected()
                        .withDefaultMode(0400)
                        .addNewSource()
                        .withNewConfigMap()
                        .withName("settings")
                        .addNewItem("level", 0640, "etc/level")
                        .endConfigMap()
                        .endSource()
                        .addNewSource()
                        .withNewServiceAccountToken("", 3600L, "token")
                        .endSource()
                        .addNewSource()
                        .withNewDownwardAPI()
                        .addNewItem()
                        .withPath("labels")
                        .withNewFieldRef("v1", "metadata.labels")
                        .endItem()
                        .addNewItem()
                        .withPath("cpu")
                        .withNewResourceFieldRef()
                        .withContainerName("main")
                        .withDivisor(new Quantity("1m"))
                        .withResource("requests.cpu")
                        .endResourceFieldRef()
                        .endItem()
                        .endDownwardAPI()
                        .endSource()
                        .endProjected()
                        .build())
                .editFirstContainer()
                .addNewVolumeMount()
                .withName("all")
                .withMountPath("/var/run/all")
                .endVolumeMount()
                .addNewEnvFrom()
                .withPrefix("SET_")
                .withNewConfigMapRef("settings", false)
                .endEnvFrom()
                .withArgs("cat /var/run/all/etc/level /var/run/all/labels /var/run/all/cpu > /var/run/all/seen;"
                        + " echo $SET_level >> /var/run/all/seen; sleep 1000")
                .withNewResources()
                .addToRequests("cpu", new Quantity("250m"))
                .endResources()
                .endContainer()
                .endSpec());

        awaitRunning("projected");
        Path folder = state.resolve("nodes/one/pods")
                .resolve(PodSandbox.shortId(get("projected").getMetadata().getUid()))
                .resolve("all");
        await().atMost(PATIENCE)
                .untilAsserted(() -> assertThat(folder.resolve("seen")).content()
                        .isEqualTo("highapp=\"projected\"250high\n"));
        assertThat(folder.resolve("token")).content().startsWith("eyJ").contains(".");
        assertThat(folder.resolve("token").toFile()).satisfies(
                file -> assertThat(Files.getPosixFilePermissions(file.toPath())).hasSize(1));
    }

    @Test
    void aPodThatWaitsForItsConfigurationStartsWhenItComes() {
        create(pod("early", "one").editSpec()
                .editFirstContainer()
                .addNewEnvFrom()
                .withNewSecretRef("later", false)
                .endEnvFrom()
                .endContainer()
                .endSpec());
        await().atMost(PATIENCE).until(() -> waiting("early").equals("CreateContainerConfigError"));

        client.resource(new io.fabric8.kubernetes.api.model.SecretBuilder().withNewMetadata()
                .withName("later")
                .withNamespace("default")
                .endMetadata()
                .build()).create();
        awaitRunning("early");
    }

    // ---- the words of the tests

    private static PodBuilder pod(String name, String node) {
        return new PodBuilder().withNewMetadata()
                .withName(name)
                .withNamespace("default")
                .addToLabels("app", name)
                .endMetadata()
                .withNewSpec()
                .withNodeName(node)
                .withTerminationGracePeriodSeconds(1L)
                .addNewContainer()
                .withName("main")
                .withImage("busybox")
                .withArgs("sleep 1000")
                .endContainer()
                .endSpec();
    }

    private static PodBuilder with(String name, String node, String claim) {
        return pod(name, node).editSpec()
                .addNewVolume()
                .withName("data")
                .withNewPersistentVolumeClaim(claim, false)
                .endVolume()
                .endSpec();
    }

    private void create(PodBuilder pod) {
        client.resource(pod.build()).create();
    }

    private void claim(String name, String mode) {
        client.resource(new PersistentVolumeClaimBuilder().withNewMetadata()
                .withName(name)
                .withNamespace("default")
                .endMetadata()
                .withNewSpec()
                .withAccessModes(mode)
                .withNewResources()
                .addToRequests("storage", new Quantity("1Gi"))
                .endResources()
                .endSpec()
                .build()).create();
    }

    private void annotateNode(String node, String annotation, @Nullable String value) {
        client.nodes().withName(node).edit(current -> {
            var metadata = new NodeBuilder(current).editMetadata();
            return (value == null
                    ? metadata.removeFromAnnotations(annotation)
                    : metadata.addToAnnotations(annotation, value)).endMetadata().build();
        });
    }

    private Pod get(String name) {
        return client.pods().inNamespace("default").withName(name).require();
    }

    private ContainerStatus container(String pod) {
        return get(pod).getStatus().getContainerStatuses().getFirst();
    }

    private String waiting(String pod) {
        List<ContainerStatus> statuses = get(pod).getStatus().getContainerStatuses();
        return statuses.isEmpty() || statuses.getFirst().getState().getWaiting() == null
                ? ""
                : statuses.getFirst().getState().getWaiting().getReason();
    }

    private void awaitRunning(String pod) {
        await(pod + " runs").atMost(PATIENCE)
                .until(() -> !get(pod).getStatus().getContainerStatuses().isEmpty()
                        && container(pod).getState().getRunning() != null);
    }

    private String nodeReady(String name) {
        return client.nodes()
                .withName(name)
                .get()
                .getStatus()
                .getConditions()
                .stream()
                .filter(c -> c.getType().equals("Ready"))
                .findFirst()
                .orElseThrow()
                .getStatus();
    }

    private static String condition(Pod pod, String type) {
        return pod.getStatus()
                .getConditions()
                .stream()
                .filter(c -> c.getType().equals(type))
                .findFirst()
                .map(c -> c.getStatus())
                .orElse("");
    }

    private List<String> events(String reason) {
        return client.v1()
                .events()
                .inNamespace("default")
                .list()
                .getItems()
                .stream()
                .filter(event -> event.getReason().equals(reason))
                .map(Event::getMessage)
                .toList();
    }
}

package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.dormouse.cluster.apiserver.PodLogs;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;

/** Real processes against a real API server in this JVM. */
class ProcessNodeTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final String NAMESPACE = "default";
    private static final Path JAVA = Path.of(System.getProperty("java.home"), "bin", "java");
    private static final ImageTable IMAGES = ImageTable.of(ImageTable.Image.of("busybox", "/bin/sh", "-c"),
            new ImageTable.Image("web", List.of(JAVA.toString(), "-XX:TieredStopAtLevel=1", "-cp",
                    System.getProperty("java.class.path"), TinyServer.class.getName()), List.of(), Map.of(),
                    "answers"));

    private static ApiServerFixture server;
    private static KubernetesClient client;

    @TempDir
    private Path state;
    private String prefix = "";
    private ProcessNode node;
    private LocalScheduler scheduler;
    private ClaimBinder binder;

    @BeforeAll
    static void startServer() throws IOException {
        server = new ApiServerFixture();
        client = server.client();
    }

    @AfterAll
    static void stopServer() throws IOException {
        server.close();
    }

    @BeforeEach
    void startNode(TestInfo test) throws IOException {
        prefix = "t" + Integer.toHexString(test.getDisplayName().hashCode()) + "-";
        node = ProcessNode.start(client, config());
        scheduler = LocalScheduler.start(client);
        binder = ClaimBinder.start(client, state);
    }

    private NodeConfig config() {
        return NodeConfig.of("local", state, IMAGES)
                .withCapacity("nvidia.com/gpu", "1")
                .withVolumeRefresh(Duration.ofMillis(50))
                .withBackOff(Duration.ofMillis(200), Duration.ofSeconds(1));
    }

    @AfterEach
    void stopNode() {
        client.pods().inNamespace(NAMESPACE).withGracePeriod(0).delete();
        await().atMost(PATIENCE).until(() -> client.pods().inNamespace(NAMESPACE).list().getItems().isEmpty());
        binder.close();
        scheduler.close();
        node.close();
        assertThat(ProcessTree.marked(state.toString())).as("processes left behind").isEmpty();
    }

    // ---- helpers

    private static ContainerBuilder shell(String name, String script) {
        return new ContainerBuilder().withName(name).withImage("busybox").withArgs(script);
    }

    private PodBuilder pod(String name, Container... containers) {
        return new PodBuilder().withNewMetadata()
                .withName(prefix + name)
                .withNamespace(NAMESPACE)
                .endMetadata()
                .withNewSpec()
                .withTerminationGracePeriodSeconds(20L)
                .withContainers(containers)
                .endSpec();
    }

    private Pod create(PodBuilder pod) {
        return client.pods().inNamespace(NAMESPACE).resource(pod.build()).create();
    }

    private Pod get(String name) {
        return client.pods().inNamespace(NAMESPACE).withName(prefix + name).get();
    }

    private Pod awaitPod(String name, Predicate<Pod> condition) {
        return await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(20))
                .until(() -> get(name),
                        pod -> pod != null && pod.getStatus() != null && condition.test(pod));
    }

    private static boolean phase(Pod pod, String phase) {
        return phase.equals(pod.getStatus().getPhase());
    }

    private static boolean isTrue(Pod pod, String condition) {
        return condition(pod, condition).filter(c -> "True".equals(c.getStatus())).isPresent();
    }

    private static Optional<PodCondition> condition(Pod pod, String type) {
        return pod.getStatus().getConditions().stream().filter(c -> c.getType().equals(type)).findFirst();
    }

    private static Optional<ContainerStatus> status(Pod pod, String container) {
        return java.util.stream.Stream.concat(pod.getStatus().getInitContainerStatuses().stream(),
                pod.getStatus().getContainerStatuses().stream()).filter(s -> s.getName().equals(container)).findFirst();
    }

    private static String waiting(Pod pod, String container) {
        return status(pod, container).map(s -> s.getState().getWaiting())
                .map(w -> String.valueOf(w.getReason()))
                .orElse("");
    }

    private String log(String pod, String container) {
        return log(pod, container, false);
    }

    private String log(String pod, String container, boolean previous) {
        try {
            Optional<Path> file = node.logFile(NAMESPACE, prefix + pod, container, previous);
            return file.isPresent() ? Files.readString(file.get()) : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void awaitLog(String pod, String container, String line) {
        await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(20))
                .until(() -> log(pod, container),
                        log -> log.lines().anyMatch(line::equals));
    }

    private void delete(String pod) {
        client.pods().inNamespace(NAMESPACE).withName(prefix + pod).delete();
    }

    private void awaitGone(String pod) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(() -> get(pod) == null);
    }

    private List<Event> events(String pod, String reason) {
        return client.v1()
                .events()
                .inNamespace(NAMESPACE)
                .list()
                .getItems()
                .stream()
                .filter(e -> e.getInvolvedObject().getName().equals(prefix + pod) && e.getReason().equals(reason))
                .toList();
    }

    private static boolean alive(long pid) {
        return ProcessHandle.of(pid).isPresent();
    }

    // ---- tests

    @Test
    void a_pod_becomes_ready_with_everything_a_kubelet_writes() {
        create(pod("plain",
                shell("main", "echo hello $NAME; sleep 1000").addNewEnv()
                        .withName("NAME")
                        .withNewValueFrom()
                        .withNewFieldRef("v1", "metadata.name")
                        .endValueFrom()
                        .endEnv()
                        .build()));

        Pod pod = awaitPod("plain", p -> isTrue(p, "Ready"));

        assertThat(pod.getSpec().getNodeName()).isEqualTo("local");
        assertThat(pod.getStatus().getPhase()).isEqualTo("Running");
        assertThat(pod.getStatus().getPodIP()).matches("127\\.(6[4-9]|[7-9]\\d|1[01]\\d|12[0-7])\\.\\d+\\.\\d+");
        assertThat(pod.getStatus().getPodIPs()).singleElement()
                .satisfies(ip -> assertThat(ip.getIp()).isEqualTo(pod.getStatus().getPodIP()));
        assertThat(pod.getStatus().getHostIP()).isEqualTo("127.0.0.1");
        assertThat(pod.getStatus().getQosClass()).isEqualTo("BestEffort");
        assertThat(pod.getStatus().getStartTime()).isNotEmpty();
        assertThat(List.of("PodScheduled", "Initialized", "ContainersReady", "Ready")).allMatch(c -> isTrue(pod, c));
        ContainerStatus status = status(pod, "main").orElseThrow();
        assertThat(status.getState().getRunning().getStartedAt()).isNotEmpty();
        assertThat(status.getStarted()).isTrue();
        assertThat(status.getRestartCount()).isZero();
        awaitLog("plain", "main", "hello " + prefix + "plain");
        await().atMost(PATIENCE)
                .until(() -> List.of("Scheduled", "Pulled", "Started")
                        .stream()
                        .allMatch(reason -> events("plain", reason).size() == 1));
    }

    @Test
    void an_unknown_image_waits_and_says_how_to_add_it() {
        create(pod("nope", new ContainerBuilder().withName("main").withImage("vllm/vllm-openai:v1").build()));

        Pod pod = awaitPod("nope", p -> waiting(p, "main").equals("ImagePullBackOff"));

        assertThat(status(pod, "main").orElseThrow().getState().getWaiting().getMessage())
                .contains("vllm/vllm-openai:v1", "add it to the node's image table", "busybox");
        assertThat(pod.getStatus().getPhase()).isEqualTo("Pending");
        await().atMost(PATIENCE).until(() -> events("nope", "Failed").size() == 1);
    }

    @Test
    void an_image_whose_program_is_missing_says_so() {
        create(pod("gone", new ContainerBuilder().withName("main")
                .withImage("busybox")
                .withCommand("/no/such/program")
                .build()));

        Pod pod = awaitPod("gone", p -> waiting(p, "main").equals("RunContainerError"));

        assertThat(status(pod, "main").orElseThrow().getState().getWaiting().getMessage()).contains("/no/such/program");
    }

    @Test
    void a_container_that_exits_at_once_never_stays_running_and_its_log_says_why_where_that_is_asked_for() {
        create(pod("brief",
                shell("main", "echo starting; echo 'no such model' >&2; exit 7")
                        .withTerminationMessagePolicy("FallbackToLogsOnError")
                        .build())
                .editSpec()
                .withRestartPolicy("Never")
                .endSpec());

        Pod pod = awaitPod("brief", p -> phase(p, "Failed"));

        assertThat(status(pod, "main").orElseThrow().getState().getTerminated()).satisfies(t -> {
            assertThat(t.getExitCode()).isEqualTo(7);
            assertThat(t.getReason()).isEqualTo("Error");
            assertThat(t.getMessage()).isEqualTo("starting\nno such model\n");
        });
        assertThat(isTrue(pod, "Ready")).isFalse();
    }

    @Test
    void a_crashing_container_backs_off_counts_restarts_and_keeps_the_previous_log() {
        create(pod("crash", shell("main", "echo run $$$$; exit 3").build()));

        Pod pod = awaitPod("crash",
                p -> waiting(p, "main").equals("CrashLoopBackOff")
                        && status(p, "main").orElseThrow().getRestartCount() >= 2);

        assertThat(status(pod, "main").orElseThrow().getLastState().getTerminated()).satisfies(t -> {
            assertThat(t.getExitCode()).isEqualTo(3);
            assertThat(t.getMessage()).isNull();
        });
        assertThat(pod.getStatus().getPhase()).isEqualTo("Running");
        assertThat(isTrue(pod, "Ready")).isFalse();
        assertThat(log("crash", "main", true)).startsWith("run ").isNotEqualTo(log("crash", "main"));
        await().atMost(PATIENCE).until(() -> events("crash", "BackOff").stream().anyMatch(e -> e.getCount() >= 2));
        assertThat(events("crash", "BackOff")).hasSize(1);
    }

    @Test
    void a_finished_pod_succeeds() {
        create(pod("job", shell("main", "true").build()).editSpec().withRestartPolicy("OnFailure").endSpec());

        Pod pod = awaitPod("job", p -> phase(p, "Succeeded"));

        assertThat(status(pod, "main").orElseThrow().getState().getTerminated().getReason()).isEqualTo("Completed");
        assertThat(condition(pod, "Ready").orElseThrow().getReason()).isEqualTo("PodCompleted");
    }

    @Test
    void init_containers_then_sidecars_then_the_main_container_each_after_the_one_before() {
        String volume = "/scratch";
        PodBuilder pod = pod("order", mounted(shell("main", "echo main >> /scratch/order; sleep 1000")));
        create(pod.editSpec()
                .withInitContainers(mounted(shell("first", "echo init >> /scratch/order")),
                        mounted(shell("side",
                                "trap 'echo side-stops >> /scratch/order; exit 0' TERM; echo side >> /scratch/order; "
                                        + "while [ ! -f /scratch/go ]; do sleep 0.05; done; echo side-up >> /scratch/order; "
                                        + "touch /scratch/up; while true; do sleep 0.05; done")
                                .withRestartPolicy("Always")
                                .withNewStartupProbe()
                                .withNewExec()
                                .withCommand("test", "-f", "/scratch/up")
                                .endExec()
                                .withPeriodSeconds(1)
                                .withFailureThreshold(60)
                                .endStartupProbe()))
                .withVolumes(new io.fabric8.kubernetes.api.model.VolumeBuilder().withName("work")
                        .withNewHostPath()
                        .withPath(volume)
                        .endHostPath()
                        .build())
                .endSpec());
        Path order = state.resolve("nodes/local/root/scratch/order");

        Pod blocked = awaitPod("order",
                p -> status(p, "side").filter(s -> s.getState().getRunning() != null).isPresent());
        assertThat(status(blocked, "side").orElseThrow().getStarted()).isFalse();
        assertThat(waiting(blocked, "main")).isEqualTo("PodInitializing");
        assertThat(blocked.getStatus().getPhase()).isEqualTo("Pending");
        write(order.resolveSibling("go"), "");
        awaitPod("order", p -> isTrue(p, "Ready"));
        await().atMost(PATIENCE)
                .untilAsserted(
                        () -> assertThat(order).hasContent("init\nside\nside-up\nmain"));

        delete("order");
        awaitGone("order");
        assertThat(order).hasContent("init\nside\nside-up\nmain\nside-stops");
    }

    private static Container mounted(ContainerBuilder container) {
        return container.addNewVolumeMount().withName("work").withMountPath("/scratch").endVolumeMount().build();
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void readiness_follows_its_probe_both_ways() {
        create(pod("ready", mounted(shell("main", "sleep 1000").withNewReadinessProbe()
                .withNewExec()
                .withCommand("test", "-f", "/scratch/ok")
                .endExec()
                .withPeriodSeconds(1)
                .withFailureThreshold(1)
                .endReadinessProbe())).editSpec()
                .addNewVolume()
                .withName("work")
                .withNewHostPath()
                .withPath("/r")
                .endHostPath()
                .endVolume()
                .endSpec());
        awaitPod("ready", p -> phase(p, "Running") && !isTrue(p, "Ready"));
        Path ok = state.resolve("nodes/local/root/r/ok");

        write(ok, "");
        awaitPod("ready", p -> isTrue(p, "Ready"));
        assertThat(ok.toFile().delete()).isTrue();
        awaitPod("ready", p -> !isTrue(p, "Ready"));
        await().atMost(PATIENCE)
                .until(() -> events("ready", "Unhealthy").stream().anyMatch(e -> e.getMessage().contains("Readiness")));
    }

    @Test
    void a_failing_liveness_probe_restarts_the_container() {
        create(pod("live", shell("main", "exec sleep 1000").withNewLivenessProbe()
                .withNewTcpSocket()
                .withPort(new IntOrString(9))
                .endTcpSocket()
                .withPeriodSeconds(1)
                .withFailureThreshold(1)
                .endLivenessProbe()
                .build()));

        Pod pod = awaitPod("live", p -> status(p, "main").filter(s -> s.getRestartCount() >= 1).isPresent());

        assertThat(status(pod, "main").orElseThrow().getLastState().getTerminated()).satisfies(t -> {
            assertThat(t.getExitCode()).isEqualTo(143);
            assertThat(t.getSignal()).isEqualTo(15);
        });
    }

    @Test
    void two_pods_listen_on_the_same_port_of_their_own_addresses_and_http_probes_find_them() {
        for (String name : List.of("one", "two")) {
            create(pod(name, new ContainerBuilder().withName("main")
                    .withImage("web")
                    .withArgs("$(POD_IP)", "8000")
                    .addNewEnv()
                    .withName("POD_IP")
                    .withNewValueFrom()
                    .withNewFieldRef("v1", "status.podIP")
                    .endValueFrom()
                    .endEnv()
                    .addNewPort()
                    .withName("http")
                    .withContainerPort(8000)
                    .endPort()
                    .withNewReadinessProbe()
                    .withNewHttpGet()
                    .withPath("/healthz")
                    .withPort(new IntOrString("http"))
                    .endHttpGet()
                    .withPeriodSeconds(1)
                    .endReadinessProbe()
                    .build()));
        }

        Pod one = awaitPod("one", p -> isTrue(p, "Ready"));
        Pod two = awaitPod("two", p -> isTrue(p, "Ready"));

        assertThat(one.getStatus().getPodIP()).isNotEqualTo(two.getStatus().getPodIP());
    }

    @Test
    void deletion_ends_the_whole_process_tree_and_marks_the_pod_not_ready_at_once() {
        create(pod("tree", shell("main",
                "trap 'echo got TERM; sleep 0.3; exit 0' TERM; sleep 1000 & echo $!; (setsid sleep 1000 & echo $!); "
                        + "echo up; while true; do sleep 0.05; done")
                .build()));
        awaitPod("tree", p -> isTrue(p, "Ready"));
        awaitLog("tree", "main", "up");
        List<Long> children = log("tree", "main").lines().filter(l -> l.matches("\\d+")).map(Long::valueOf).toList();
        assertThat(children).hasSize(2).allMatch(ProcessNodeTest::alive);

        delete("tree");

        awaitPodOrGone("tree", p -> !isTrue(p, "Ready"));
        awaitGone("tree");
        await().atMost(PATIENCE).until(() -> children.stream().noneMatch(ProcessNodeTest::alive));
        assertThat(state.resolve("nodes/local/pods")).isEmptyDirectory();
    }

    private void awaitPodOrGone(String name, Predicate<Pod> condition) {
        await().atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(20))
                .until(() -> get(name),
                        pod -> pod == null || condition.test(pod));
    }

    @Test
    void a_container_that_ignores_sigterm_is_killed_after_its_grace() {
        create(pod("stubborn", shell("main", "trap '' TERM; echo up; while true; do sleep 0.05; done").build())
                .editSpec()
                .withTerminationGracePeriodSeconds(1L)
                .endSpec());
        awaitPod("stubborn", p -> isTrue(p, "Ready"));
        awaitLog("stubborn", "main", "up");

        delete("stubborn");

        awaitGone("stubborn");
        await().atMost(PATIENCE).until(() -> ProcessTree.marked(state.toString()).isEmpty());
    }

    @Test
    void a_followed_log_shows_lines_as_they_come_and_ends_with_the_container() throws IOException {
        create(pod("talk", mounted(shell("main",
                "echo one; while [ ! -f /scratch/go ]; do sleep 0.02; done; echo two; exit 0"))).editSpec()
                .withRestartPolicy("Never")
                .addNewVolume()
                .withName("work")
                .withNewHostPath()
                .withPath("/talk")
                .endHostPath()
                .endVolume()
                .endSpec());
        awaitLog("talk", "main", "one");

        try (BufferedReader reader = new BufferedReader(new InputStreamReader(
                ProcessNode.logsOf(List.of(node)).open(request("talk", true, OptionalLong.empty())),
                StandardCharsets.UTF_8))) {
            assertThat(reader.readLine()).isEqualTo("one");
            write(state.resolve("nodes/local/root/talk/go"), "");
            assertThat(reader.readLine()).isEqualTo("two");
            assertThat(reader.readLine()).isNull();
        }
    }

    private PodLogs.Request request(String pod, boolean follow, OptionalLong tail) {
        return new PodLogs.Request(NAMESPACE, prefix + pod, get(pod).getMetadata().getUid(), "main", follow, false,
                tail);
    }

    @Test
    void the_tail_of_a_log_is_its_last_lines() throws IOException {
        create(pod("tail", shell("main", "seq 1 5000").build()).editSpec().withRestartPolicy("Never").endSpec());
        awaitPod("tail", p -> phase(p, "Succeeded"));
        PodLogs logs = ProcessNode.logsOf(List.of(node));

        for (int lines : List.of(0, 1, 3, 4999, 5000, 6000)) {
            try (InputStream log = logs.open(request("tail", true, OptionalLong.of(lines)))) {
                assertThat(new String(log.readAllBytes(), StandardCharsets.UTF_8).lines().toList())
                        .hasSize(Math.min(lines, 5000))
                        .allMatch(line -> !line.isEmpty());
            }
        }
        assertThatThrownBy(() -> logs.open(new PodLogs.Request(NAMESPACE, "none", "u", "main", false, false,
                OptionalLong.empty()))).isInstanceOf(IOException.class).hasMessageContaining("waiting to start");
    }

    @Test
    void the_api_server_serves_logs_from_the_node() {
        server.serveLogs(ProcessNode.logsOf(List.of(node)));
        create(pod("served", shell("main", "echo one; echo two; exec sleep 1000").build()));
        awaitLog("served", "main", "two");

        assertThat(client.pods().inNamespace(NAMESPACE).withName(prefix + "served").tailingLines(1).getLog())
                .isEqualToIgnoringNewLines("two");
    }

    @Test
    void extended_resources_run_out_and_come_back() {
        create(gpuPod("first"));
        awaitPod("first", p -> isTrue(p, "Ready"));
        create(gpuPod("second"));

        Pod refused = awaitPod("second", p -> condition(p, "PodScheduled").isPresent());
        assertThat(condition(refused, "PodScheduled").orElseThrow()).satisfies(c -> {
            assertThat(c.getStatus()).isEqualTo("False");
            assertThat(c.getReason()).isEqualTo("Unschedulable");
            assertThat(c.getMessage()).isEqualTo("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.");
        });

        delete("first");
        awaitPod("second", p -> isTrue(p, "Ready"));
    }

    private PodBuilder gpuPod(String name) {
        return pod(name, shell("main", "exec sleep 1000").withNewResources()
                .withLimits(Map.of("nvidia.com/gpu", new Quantity("1")))
                .endResources()
                .build());
    }

    @Test
    void claims_config_maps_and_empty_dirs_are_folders_and_claims_outlive_pods() {
        client.persistentVolumeClaims()
                .inNamespace(NAMESPACE)
                .resource(new PersistentVolumeClaimBuilder().withNewMetadata()
                        .withName("snap")
                        .endMetadata()
                        .withNewSpec()
                        .withAccessModes("ReadWriteOnce")
                        .withNewResources()
                        .withRequests(Map.of("storage", new Quantity("1Gi")))
                        .endResources()
                        .endSpec()
                        .build())
                .create();
        client.configMaps()
                .inNamespace(NAMESPACE)
                .resource(new ConfigMapBuilder().withNewMetadata()
                        .withName("conf")
                        .endMetadata()
                        .withData(Map.of("a.txt", "from the map"))
                        .build())
                .create();
        create(pod("vols", shell("main", "cat /conf/a.txt > /data/sub/copy; echo $OUT > /tmp/run/x; cat /tmp/run/x")
                .addNewEnv()
                .withName("OUT")
                .withValue("/data")
                .endEnv()
                .addNewVolumeMount()
                .withName("claim")
                .withMountPath("/data/sub")
                .withSubPath("deep")
                .endVolumeMount()
                .addNewVolumeMount()
                .withName("claim")
                .withMountPath("/data")
                .endVolumeMount()
                .addNewVolumeMount()
                .withName("conf")
                .withMountPath("/conf")
                .endVolumeMount()
                .addNewVolumeMount()
                .withName("run")
                .withMountPath("/tmp/run")
                .endVolumeMount()
                .build()).editSpec()
                .withRestartPolicy("Never")
                .addNewVolume()
                .withName("claim")
                .withNewPersistentVolumeClaim("snap", false)
                .endVolume()
                .addNewVolume()
                .withName("conf")
                .withNewConfigMap()
                .withName("conf")
                .endConfigMap()
                .endVolume()
                .addNewVolume()
                .withName("run")
                .withNewEmptyDir()
                .endEmptyDir()
                .endVolume()
                .endSpec());

        awaitPod("vols", p -> phase(p, "Succeeded"));

        Path claim = node.claimFolder(NAMESPACE, "snap");
        assertThat(claim.resolve("deep/copy")).hasContent("from the map");
        assertThat(log("vols", "main")).isEqualToIgnoringNewLines(claim.toString());
        await().atMost(PATIENCE)
                .until(() -> "Bound".equals(client.persistentVolumeClaims()
                        .inNamespace(NAMESPACE)
                        .withName("snap")
                        .get()
                        .getStatus()
                        .getPhase()));
        delete("vols");
        awaitGone("vols");
        assertThat(claim.resolve("deep/copy")).exists();
        client.persistentVolumeClaims().inNamespace(NAMESPACE).withName("snap").delete();
        await().atMost(PATIENCE).until(() -> !Files.exists(claim));
        client.configMaps().inNamespace(NAMESPACE).withName("conf").delete();
    }

    @Test
    void a_container_waits_for_its_config_map_and_follows_it_while_it_runs() {
        create(pod("follow", shell("main", "while true; do cat /conf/level; sleep 0.05; done").addNewVolumeMount()
                .withName("conf")
                .withMountPath("/conf")
                .endVolumeMount()
                .build()).editSpec()
                .addNewVolume()
                .withName("conf")
                .withNewConfigMap()
                .withName(prefix + "later")
                .endConfigMap()
                .endVolume()
                .endSpec());
        Pod waiting = awaitPod("follow", p -> waiting(p, "main").equals("CreateContainerConfigError"));
        assertThat(status(waiting, "main").orElseThrow().getState().getWaiting().getMessage())
                .contains("configmap \"" + prefix + "later\" not found");

        var later = client.configMaps()
                .inNamespace(NAMESPACE)
                .resource(new ConfigMapBuilder().withNewMetadata()
                        .withName(prefix + "later")
                        .endMetadata()
                        .withData(Map.of("level", "low\n"))
                        .build());
        later.create();
        awaitLog("follow", "main", "low");
        later.edit(map -> new ConfigMapBuilder(map).withData(Map.of("level", "high\n")).build());
        awaitLog("follow", "main", "high");
        later.delete();

        await().atMost(PATIENCE).until(() -> !events("follow", "FailedMount").isEmpty());
        assertThat(isTrue(get("follow"), "Ready")).isTrue();
        assertThat(status(get("follow"), "main").orElseThrow().getRestartCount()).isZero();
    }

    @Test
    void what_a_process_node_cannot_do_is_a_configuration_error_with_the_field() {
        create(pod("nfs", shell("main", "true").build()).editSpec()
                .addNewVolume()
                .withName("v")
                .withNewNfs()
                .withServer("x")
                .withPath("/")
                .endNfs()
                .endVolume()
                .endSpec());

        Pod nfs = awaitPod("nfs", p -> waiting(p, "main").equals("CreateContainerConfigError"));

        assertThat(status(nfs, "main").orElseThrow().getState().getWaiting().getMessage()).contains("volume v");
    }

    @Test
    void closing_the_node_fails_its_pods_and_a_new_one_leaves_them_alone() throws IOException {
        create(pod("left", shell("main", "exec sleep 1000").build()));
        awaitPod("left", p -> isTrue(p, "Ready"));

        node.close();

        Pod pod = awaitPod("left", p -> phase(p, "Failed"));
        assertThat(pod.getStatus().getReason()).isEqualTo("Terminated");
        assertThat(ProcessTree.marked(state.toString())).isEmpty();
        assertThat(Objects.requireNonNull(client.nodes().withName("local").get()).getStatus().getConditions())
                .singleElement()
                .satisfies(c -> assertThat(c.getStatus()).isEqualTo("False"));
        node = ProcessNode.start(client, config());
        delete("left");
        awaitGone("left");
    }
}

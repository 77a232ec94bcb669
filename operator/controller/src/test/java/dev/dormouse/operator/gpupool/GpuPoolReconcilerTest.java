package dev.dormouse.operator.gpupool;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.GpuPoolStatus;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.TestCluster;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.sidecar.api.ReplicaPhase;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Pools against an embedded API server; the test is node, kubelet and sidecar. */
class GpuPoolReconcilerTest {
    private static final String TWO_GPUS = "  pool: a100\n  scaling: {initialStart: Never}\n";

    private TestCluster cluster;

    @BeforeEach
    void start() throws IOException {
        cluster = new TestCluster();
    }

    @AfterEach
    void stop() {
        cluster.close();
    }

    @Test
    void aPoolShowsWhatItsReadyNodesHave() throws IOException {
        cluster.startOperator();
        pool("{nodeSelector: {gpu: a100}, tolerations: [{key: gpu, operator: Exists}]}");
        await().until(() -> ready().equals("False/NoNodes"));
        node("n1", "a100", 4, null);
        node("n2", "a100", 8, "gpu");
        node("n3", "a100", 8, "other");
        node("n4", "h100", 8, null);

        await().until(() -> status().gpus == 12);
        assertThat(status().nodes).isEqualTo(2);
        assertThat(status().largestNode).isEqualTo(8);
        assertThat(ready()).isEqualTo("True/NodesReady");

        TestCluster.change(cluster.client()
                .nodes()
                .withName("n2"), n -> new NodeBuilder(n).editSpec().withUnschedulable(true).endSpec().build());

        await().until(() -> status().gpus == 4);
    }

    @Test
    @DisplayName("A model that does not fit waits with a reason, and starts when another one's pod is gone")
    void aModelThatDoesNotFitWaits() throws IOException {
        cluster.startOperator();
        pool("{nodeSelector: {gpu: a100}}");
        node("n1", "a100", 2, null);
        model("first");
        model("second");
        cluster.demand("first", Instant.now());
        Pod pod = cluster.awaitPod("first");
        assertThat(pod.getSpec().getNodeSelector()).containsEntry("gpu", "a100");
        cluster.run(pod).say(ReplicaPhase.Ready);
        await().until(() -> cluster.ready("first").equals("True/Serving"));

        cluster.demand("second", Instant.now());

        await().until(() -> cluster.condition("second", Conditions.READY)
                .filter(c -> c.getMessage()
                        .contains("it needs 2 nvidia.com/gpu on one node; pool a100 has 2 on 1 node, 2 in use"))
                .isPresent());
        assertThat(cluster.pods("second")).isEmpty();
        await().until(() -> status().gpusInUse == 2 && status().queued == 1);

        cluster.client().resource(cluster.model("first")).delete();

        cluster.awaitPod("second");
    }

    @Test
    @DisplayName("H41: with a limit per node the operator chooses the node and writes it into the pod")
    void withALimitPerNodeThePodNamesItsNode() throws IOException {
        cluster.startOperator();
        pool("{nodeSelector: {gpu: a100}, warmup: {maxConcurrent: 4, maxConcurrentPerNode: 1}}");
        node("n1", "a100", 4, null);
        node("n2", "a100", 4, null);
        await().until(() -> status().gpus == 8);
        for (String name : List.of("a", "b", "c")) {
            model(name);
            cluster.demand(name, Instant.now());
        }

        await().until(() -> cluster.pods("a").size() + cluster.pods("b").size() + cluster.pods("c").size() == 2);
        List<String> nodes = List.of("a", "b", "c")
                .stream()
                .flatMap(name -> cluster.pods(name).stream())
                .map(pod -> pod.getSpec().getNodeSelector().get("kubernetes.io/hostname"))
                .toList();
        assertThat(nodes).containsExactlyInAnyOrder("n1", "n2");
    }

    @Test
    void aMissingPoolHealsWhenItAppears() throws IOException {
        cluster.startOperator();
        model("m");
        await().until(() -> cluster.ready("m").equals("False/PoolMissing"));
        assertThat(cluster.condition("m", Conditions.RECONCILING).orElseThrow().getStatus()).isEqualTo("True");

        pool("{nodeSelector: {gpu: a100}}");

        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
    }

    @Test
    @DisplayName("H70: after a restart the GPUs of live pods are counted before anybody is admitted")
    void aRestartForgetsNoGpu() throws IOException {
        cluster.startOperator();
        pool("{nodeSelector: {gpu: a100}}");
        node("n1", "a100", 2, null);
        model("first");
        model("second");
        cluster.demand("first", Instant.now());
        Pod pod = cluster.awaitPod("first");
        cluster.run(pod).say(ReplicaPhase.Ready);
        await().until(() -> cluster.ready("first").equals("True/Serving"));
        cluster.stopOperator();
        cluster.demand("second", Instant.now());

        cluster.startOperator();

        await().until(() -> cluster.value("second", "/warmup/phase").equals("Queued"));
        assertThat(cluster.pods("second")).isEmpty();
        await().until(() -> status().gpusInUse == 2);
    }

    private void model(String name) {
        cluster.client()
                .resources(InferenceModel.class)
                .inNamespace("default")
                .load(yaml("""
                           apiVersion: dormouse.dev/v1alpha1
                           kind: InferenceModel
                           metadata: {name: %s, namespace: default}
                           spec:
                             model: {uri: "file:///m"}
                             engine: {image: "engine:1", resources: {limits: {nvidia.com/gpu: 2}}}
                             snapshot: {enabled: false}
                           %s""".formatted(name, TWO_GPUS)))
                .create();
    }

    private void pool(String spec) {
        cluster.client()
                .resources(GpuPool.class)
                .load(yaml("apiVersion: dormouse.dev/v1alpha1\nkind: GpuPool\nmetadata: {name: a100}\nspec: " + spec
                        + "\n"))
                .create();
    }

    private void node(String name, String label, int gpus, @Nullable String taint) {
        NodeBuilder node = new NodeBuilder().withNewMetadata()
                .withName(name)
                .addToLabels("gpu", label)
                .addToLabels("kubernetes.io/hostname", name)
                .endMetadata()
                .withNewSpec()
                .endSpec();
        if (taint != null) {
            node.editSpec().addNewTaint("NoSchedule", taint, null, "yes").endSpec();
        }
        Node created = cluster.client().resource(node.build()).create();
        cluster.client()
                .nodes()
                .withName(created.getMetadata().getName())
                .editStatus(n -> new NodeBuilder(n).editOrNewStatus()
                        .addToAllocatable("nvidia.com/gpu", new Quantity(Integer.toString(gpus)))
                        .addNewCondition()
                        .withType("Ready")
                        .withStatus("True")
                        .endCondition()
                        .endStatus()
                        .build());
    }

    private static ByteArrayInputStream yaml(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private GpuPoolStatus status() {
        GpuPool pool = cluster.client().resources(GpuPool.class).withName("a100").get();
        return pool == null || pool.getStatus() == null ? new GpuPoolStatus() : pool.getStatus();
    }

    private String ready() {
        return Conditions.find(status().conditions, Conditions.READY)
                .map(c -> c.getStatus() + "/" + c.getReason())
                .orElse("absent");
    }
}

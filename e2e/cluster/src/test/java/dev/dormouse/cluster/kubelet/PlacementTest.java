package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cluster.kubelet.Placement.Bind;
import dev.dormouse.cluster.kubelet.Placement.Candidate;
import dev.dormouse.cluster.kubelet.Placement.Unschedulable;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PlacementTest {
    private static NodeBuilder node(String name, String gpus) {
        return new NodeBuilder().withNewMetadata()
                .withName(name)
                .withLabels(Map.of("kubernetes.io/hostname", name))
                .endMetadata()
                .withNewSpec()
                .endSpec()
                .withNewStatus()
                .withAllocatable(Map.of("cpu", new Quantity("4"), "pods", new Quantity("10"), "nvidia.com/gpu",
                        new Quantity(gpus)))
                .addNewCondition()
                .withType("Ready")
                .withStatus("True")
                .endCondition()
                .endStatus();
    }

    private static PodBuilder gpuPod(String gpus) {
        return new PodBuilder().withNewSpec()
                .addNewContainer()
                .withName("c")
                .withNewResources()
                .withLimits(Map.of("nvidia.com/gpu", new Quantity(gpus)))
                .endResources()
                .endContainer()
                .endSpec();
    }

    private static Candidate empty(Node node) {
        return Candidate.of(node, List.of());
    }

    @Test
    void a_limit_of_an_extended_resource_is_a_request_for_it() {
        Pod one = gpuPod("1").build();

        assertThat(Placement.of(one, List.of(empty(node("n", "1").build())))).isEqualTo(new Bind("n"));
        assertThat(Placement.of(one, List.of(Candidate.of(node("n", "1").build(), List.of(one)))))
                .isEqualTo(new Unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu."));
    }

    @Test
    void each_obstacle_is_counted() {
        Placement placement = Placement.of(gpuPod("2").build(), List.of(empty(node("a", "1").build()),
                empty(node("b", "4").editSpec().withUnschedulable(true).endSpec().build()),
                empty(node("c", "1").build())));

        assertThat(placement).isEqualTo(new Unschedulable(
                "0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) were unschedulable."));
    }

    @Test
    void the_emptiest_node_that_fits_is_taken() {
        Pod pod = gpuPod("1").build();

        assertThat(Placement.of(pod, List.of(Candidate.of(node("a", "4").build(), List.of(pod)),
                empty(node("b", "4").build())))).isEqualTo(new Bind("b"));
    }

    @Test
    void selectors_and_affinity_by_host_name_are_honoured() {
        List<Candidate> nodes = List.of(empty(node("a", "1").build()), empty(node("b", "1").build()));
        Pod selected = gpuPod("1").editSpec().withNodeSelector(Map.of("kubernetes.io/hostname", "b")).endSpec().build();
        Pod affine = gpuPod("1").editSpec()
                .withNewAffinity()
                .withNewNodeAffinity()
                .withNewRequiredDuringSchedulingIgnoredDuringExecution()
                .addNewNodeSelectorTerm()
                .addNewMatchExpression()
                .withKey("kubernetes.io/hostname")
                .withOperator("NotIn")
                .withValues("a")
                .endMatchExpression()
                .endNodeSelectorTerm()
                .endRequiredDuringSchedulingIgnoredDuringExecution()
                .endNodeAffinity()
                .endAffinity()
                .endSpec()
                .build();
        Pod nowhere = gpuPod("1").editSpec().withNodeSelector(Map.of("zone", "x")).endSpec().build();

        assertThat(Placement.of(selected, nodes)).isEqualTo(new Bind("b"));
        assertThat(Placement.of(affine, nodes)).isEqualTo(new Bind("b"));
        assertThat(Placement.of(nowhere, nodes)).isEqualTo(new Unschedulable(
                "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."));
    }

    @Test
    void taints_keep_pods_away_that_do_not_tolerate_them() {
        Candidate tainted = empty(node("a", "1").editSpec()
                .addNewTaint()
                .withKey("gpu")
                .withValue("x")
                .withEffect("NoSchedule")
                .endTaint()
                .endSpec()
                .build());
        Pod tolerant = gpuPod("1").editSpec()
                .addNewToleration()
                .withKey("gpu")
                .withOperator("Exists")
                .endToleration()
                .endSpec()
                .build();

        assertThat(Placement.of(gpuPod("1").build(), List.of(tainted))).isEqualTo(
                new Unschedulable("0/1 nodes are available: 1 node(s) had untolerated taint {gpu: x}."));
        assertThat(Placement.of(tolerant, List.of(tainted))).isEqualTo(new Bind("a"));
    }

    @Test
    void a_requirement_the_scheduler_does_not_know_is_refused_by_name() {
        Pod pod = gpuPod("1").editSpec()
                .withNewAffinity()
                .withNewPodAntiAffinity()
                .addNewRequiredDuringSchedulingIgnoredDuringExecution()
                .withTopologyKey("kubernetes.io/hostname")
                .endRequiredDuringSchedulingIgnoredDuringExecution()
                .endPodAntiAffinity()
                .endAffinity()
                .endSpec()
                .build();

        assertThat(Placement.of(pod, List.of(empty(node("a", "1").build())))).isEqualTo(new Unschedulable(
                "0/1 nodes are available: required podAntiAffinity is not supported by the local scheduler."));
    }

    @Test
    void sidecars_count_with_the_containers_and_init_containers_only_while_they_run() {
        Pod pod = new PodBuilder().withNewSpec()
                .addNewInitContainer()
                .withName("s")
                .withRestartPolicy("Always")
                .withNewResources()
                .withRequests(Map.of("cpu", new Quantity("500m")))
                .endResources()
                .endInitContainer()
                .addNewInitContainer()
                .withName("i")
                .withNewResources()
                .withRequests(Map.of("cpu", new Quantity("3")))
                .endResources()
                .endInitContainer()
                .addNewContainer()
                .withName("m")
                .withNewResources()
                .withRequests(Map.of("cpu", new Quantity("1")))
                .endResources()
                .endContainer()
                .endSpec()
                .build();

        assertThat(PodRequests.of(pod.getSpec()).get("cpu")).isEqualByComparingTo(new BigDecimal("3.5"));
        assertThat(PodRequests.qosClass(pod.getSpec())).isEqualTo("Burstable");
        assertThat(PodRequests.qosClass(gpuPod("1").build().getSpec())).isEqualTo("BestEffort");
    }
}

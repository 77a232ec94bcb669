package dev.dormouse.operator.gitops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.TestCluster;
import dev.dormouse.operator.demand.FakeGateway;
import dev.dormouse.operator.sidecar.FakeSidecar;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Design §4: every version of a model's status, in every story of its life, as GitOps tools judge it: kstatus, Argo CD's
 * script and Flux's expressions, each in its own runtime.
 */
class StatusContractTest {
    private static final SnapshotReport SAVED = new SnapshotReport("s1", SnapshotReport.State.Saved, 1, 1, 1, null,
            null);
    private static final String NEVER = "  scaling: {initialStart: Never, idleSeconds: 30}\n";

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
    @DisplayName("Create, first start, ready, at zero, waking, serving, at zero: never worse than in progress, and Current for good")
    void theOrdinaryLife() throws Exception {
        try (StatusHistory history = new StatusHistory(cluster, "m")) {
            cluster.startOperator();
            cluster.create("m", "  scaling: {idleSeconds: 30}\n");
            ready(cluster.awaitPod("m"));
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero") && cluster.pods("m").isEmpty());
            cluster.demand("m", Instant.now());
            ready(cluster.awaitPod("m"));
            await().until(() -> cluster.ready("m").equals("True/Serving"));
            cluster.clock().advance(Duration.ofSeconds(31));
            cluster.signal("m");
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));

            assertThat(history.readiness()).containsSubsequence("False/FirstStart", "True/ScaledToZero", "True/Waking",
                    "True/Serving", "True/ScaledToZero");
            List<Kstatus> seen = check(history);
            assertThat(seen).doesNotContain(Kstatus.Failed, Kstatus.Terminating);
            assertThat(seen.subList(seen.indexOf(Kstatus.Current), seen.size())).as("waking and sleeping are Current")
                    .containsOnly(Kstatus.Current);
        }
    }

    @Test
    @DisplayName("Scaling and rollout of a model that serves are no news to GitOps, except that a new spec must be seen")
    void scalingAndRollout() throws Exception {
        try (FakeGateway gateway = new FakeGateway("127.0.0.1", 0);
                StatusHistory history = new StatusHistory(cluster, "m")) {
            cluster.startOperator(Map.of("DORMOUSE_GATEWAY_URL", "http://127.0.0.1:" + gateway.address().getPort()));
            gateway.report(demand(1));
            cluster.create("m",
                    "  rollout: Recreate\n  scaling: {initialStart: Never, maxReplicas: 3, stableWindowSeconds: 6}\n");
            cluster.demand("m", Instant.now());
            ready(cluster.awaitPod("m"));
            await().until(() -> cluster.ready("m").equals("True/Serving"));
            gateway.report(demand(60));
            cluster.clock().advance(Duration.ofSeconds(60));
            await().until(() -> {
                // What the operator would do by itself five seconds later.
                cluster.signal("m");
                return cluster.pods("m").size() == 3;
            });
            cluster.changeImage("m", "engine:2");
            await().until(() -> cluster.status("m").observedGeneration == 2L);

            List<Kstatus> seen = check(history);
            assertThat(seen).doesNotContain(Kstatus.Failed);
            assertThat(history.readiness()
                    .subList(history.readiness().indexOf("True/Serving"), history.readiness().size()))
                    .doesNotContain("False/FirstStart");
        }
    }

    @Test
    void aMissingReferenceIsInProgressAndHeals() throws Exception {
        try (StatusHistory history = new StatusHistory(cluster, "m")) {
            cluster.startOperator();
            cluster.create("m", NEVER, "pvc://weights/m");
            await().until(() -> cluster.ready("m").equals("False/ClaimMissing"));
            cluster.client()
                    .resource(new PersistentVolumeClaimBuilder().withNewMetadata()
                            .withName("weights")
                            .withNamespace("default")
                            .endMetadata()
                            .withNewSpec()
                            .withAccessModes("ReadOnlyMany")
                            .withNewResources()
                            .addToRequests("storage", new Quantity("1Gi"))
                            .endResources()
                            .endSpec()
                            .build())
                    .create();
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));

            assertThat(history.readiness()).containsExactly("False/ClaimMissing", "True/ScaledToZero");
            List<Kstatus> seen = check(history);
            assertThat(seen).doesNotContain(Kstatus.Failed).endsWith(Kstatus.Current);
        }
    }

    @Test
    void whatNoEventHealsHasFailedUntilTheSpecIsCorrected() throws Exception {
        try (StatusHistory history = new StatusHistory(cluster, "m")) {
            cluster.startOperator();
            cluster.create("m", NEVER, "s3://bucket/m");
            await().until(() -> cluster.ready("m").equals("False/UnknownScheme"));
            InferenceModel model = cluster.model("m");
            cluster.client()
                    .resources(InferenceModel.class)
                    .inNamespace("default")
                    .withName(model.getMetadata().getName())
                    .patch(new PatchContext.Builder().withPatchType(PatchType.JSON_MERGE).build(),
                            "{\"spec\":{\"model\":{\"uri\":\"file:///m\"}}}");
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));

            List<Kstatus> seen = check(history);
            assertThat(seen).containsSubsequence(Kstatus.Failed, Kstatus.Current).endsWith(Kstatus.Current);
        }
    }

    @Test
    @DisplayName("Degraded: an image that cannot be pulled; failing: three warmups; recovering: a corrected spec")
    void failingAndRecovering() throws Exception {
        try (StatusHistory history = new StatusHistory(cluster, "m")) {
            cluster.startOperator();
            cluster.create("m", "");
            cluster.hinder(cluster.awaitPod("m"), "ErrImagePull", "engine:1: not found");
            await().until(() -> cluster.ready("m").equals("False/ImagePullFailed"));
            cluster.changeImage("m", "engine:2");
            for (int attempt = 1; attempt <= 3; attempt++) {
                Pod pod = cluster.awaitPod("m", "engine:2");
                FakeSidecar sidecar = cluster.run(pod);
                sidecar.say(ReplicaPhase.Failed, SnapshotReport.ABSENT, null, Rung.Cold, List.of(), "out of memory");
                String failures = Integer.toString(attempt);
                await().until(() -> cluster.ready("m").equals("False/InitialStartFailed")
                        || cluster.ready("m").equals("False/WarmupFailed")
                                && cluster.value("m", "/warmup/attempt").equals(failures));
                cluster.clock().advance(Duration.ofSeconds(21)); // beyond the pause, far below every deadline
                cluster.signal("m");
            }
            await().until(() -> cluster.ready("m").equals("False/InitialStartFailed"));
            cluster.changeImage("m", "engine:3");
            ready(cluster.awaitPod("m", "engine:3"));
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));

            List<Kstatus> seen = check(history);
            assertThat(seen).as("it may heal by itself, so it is never Failed")
                    .doesNotContain(Kstatus.Failed)
                    .endsWith(Kstatus.Current);
            assertThat(history.readiness()).contains("False/ImagePullFailed", "False/WarmupFailed",
                    "False/InitialStartFailed");
        }
    }

    @Test
    void aModelThatIsDeletedIsTerminatingToItsEnd() throws Exception {
        try (StatusHistory history = new StatusHistory(cluster, "m")) {
            cluster.startOperator();
            cluster.create("m", NEVER);
            cluster.demand("m", Instant.now());
            ready(cluster.awaitPod("m"));
            await().until(() -> cluster.ready("m").equals("True/Serving"));
            cluster.client().resource(cluster.model("m")).delete();
            await().until(() -> cluster.model("m") == null);

            assertThat(check(history)).endsWith(Kstatus.Terminating);
        }
    }

    /** What holds for every version of every story. @return the verdicts of kstatus, one per version */
    private static List<Kstatus> check(StatusHistory history) throws Exception {
        ArgoHealth argo = new ArgoHealth();
        FluxHealth flux = new FluxHealth();
        List<Kstatus> verdicts = new ArrayList<>();
        Map<String, JsonNode> before = new HashMap<>();
        assertThat(history.versions()).hasSizeGreaterThan(2);
        for (JsonNode version : history.versions()) {
            Kstatus kstatus = Kstatus.of(version);
            String byArgo = argo.of(version);
            String byFlux = flux.of(version);
            boolean told = version.at("/status/conditions").size() > 0;
            if (told) {
                verdicts.add(kstatus);
            }
            if (told && kstatus != Kstatus.Terminating) {
                assertThat(byArgo.equals("Healthy")).as("Argo says %s, kstatus %s of %s", byArgo, kstatus, version)
                        .isEqualTo(kstatus == Kstatus.Current);
                assertThat(byFlux.equals("Current")).as("Flux says %s, kstatus %s of %s", byFlux, kstatus, version)
                        .isEqualTo(kstatus == Kstatus.Current);
                assertThat(byFlux.equals("Failed")).isEqualTo(kstatus == Kstatus.Failed);
                assertThat(kstatus == Kstatus.Failed && !byArgo.equals("Degraded")).as("Argo says %s", byArgo)
                        .isFalse();
            }
            if (!told) {
                assertThat(byArgo).isEqualTo("Progressing");
                assertThat(byFlux).isEqualTo("InProgress");
            }
            checkConditions(version, before);
            checkOwners(version);
        }
        return verdicts;
    }

    /** {@code lastTransitionTime} moves if and only if the status of its condition does. */
    private static void checkConditions(JsonNode version, Map<String, JsonNode> before) {
        Set<String> types = new HashSet<>();
        for (JsonNode condition : version.at("/status/conditions")) {
            String type = condition.path("type").asText();
            assertThat(types.add(type)).as("%s appears once", type).isTrue();
            JsonNode last = before.put(type, condition);
            if (last != null && last.path("status").equals(condition.path("status"))) {
                assertThat(condition.path("lastTransitionTime")).as("%s in %s", type, version)
                        .isEqualTo(last.path("lastTransitionTime"));
            }
            assertThat(condition.path("observedGeneration").asLong())
                    .isLessThanOrEqualTo(version.at("/metadata/generation").asLong());
            assertThat(condition.path("reason").asText()).matches("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?");
        }
        if (!types.isEmpty()) {
            assertThat(types).contains("Ready", "Reconciling", "Stalled");
        }
    }

    /** No controller ever writes a spec. */
    private static void checkOwners(JsonNode version) {
        for (JsonNode entry : version.at("/metadata/managedFields")) {
            if (entry.path("manager").asText().startsWith("dormouse")) {
                assertThat(entry.path("fieldsV1").has("f:spec")).as("%s", entry).isFalse();
            }
        }
    }

    private void ready(Pod pod) throws IOException {
        cluster.run(pod).say(ReplicaPhase.Ready, SAVED, null, Rung.Cold, List.of(), null);
    }

    private static DemandReport demand(int queued) {
        return new DemandReport("gw", "1", 3_600_000,
                List.of(new ModelDemand("default/m", 0, queued, 0, 0, 0, List.of())),
                List.of());
    }
}

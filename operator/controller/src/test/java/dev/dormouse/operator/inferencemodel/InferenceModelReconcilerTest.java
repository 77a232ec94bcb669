package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.TestCluster;
import dev.dormouse.operator.demand.FakeGateway;
import dev.dormouse.operator.sidecar.FakeSidecar;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import dev.dormouse.sidecar.api.DemandReport.PodLoad;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The operator against an embedded API server; the test is kubelet, sidecar and gateway. */
class InferenceModelReconcilerTest {
    private static final SnapshotReport SAVED = new SnapshotReport("snap-1", SnapshotReport.State.Saved, 1000, 900, 10,
            null, null);
    private static final SnapshotReport RESTORED = new SnapshotReport("snap-1", SnapshotReport.State.Restored, 1000,
            900,
            10, null, null);
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
    void aNewModelStartsOnceTakesItsSnapshotAndSleeps() throws IOException {
        cluster.startOperator();
        cluster.create("m", "");
        Pod pod = cluster.awaitPod("m");
        assertThat(cluster.ready("m")).isEqualTo("False/FirstStart");
        assertThat(pod.getMetadata().getOwnerReferences()).singleElement()
                .satisfies(owner -> assertThat(owner.getController()).isTrue());
        FakeSidecar sidecar = cluster.run(pod);
        sidecar.say(ReplicaPhase.Loading);
        await().until(() -> cluster.value("m", "/warmup/phase").equals("Loading"));

        sidecar.say(ReplicaPhase.Ready, SAVED, null, Rung.Cold, List.of(), null);

        await().until(() -> cluster.pods("m").isEmpty());
        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
        assertThat(cluster.value("m", "/initialStart/state")).isEqualTo("Done");
        assertThat(cluster.value("m", "/rung")).isEqualTo("Volume");
        assertThat(cluster.value("m", "/snapshot/id")).isEqualTo("snap-1");
        assertThat(cluster.client().persistentVolumeClaims().inNamespace("default").withName("m-snapshots").get())
                .isNotNull();
        await().untilAsserted(() -> assertThat(events()).contains("WakeStarted", "Woke", "SnapshotSaved", "Slept"));
    }

    @Test
    void aDemandWakesASleepingModelAndTheModelSleepsAgainWhenIdle() throws IOException {
        cluster.startOperator();
        cluster.create("m", NEVER);
        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
        assertThat(message(Conditions.READY)).contains("never started");
        assertThat(condition(Conditions.COLD_START_TARGET_MET)).as("H17").isEqualTo("Unknown");

        cluster.demand("m", Instant.now());
        Pod pod = cluster.awaitPod("m");
        cluster.run(pod)
                .say(ReplicaPhase.Ready, RESTORED, null, Rung.Volume,
                        List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 700),
                                PhaseTiming.skipped(PhaseTiming.POOL_ALLOC)),
                        null);

        await().until(() -> cluster.ready("m").equals("True/Serving"));
        assertThat(condition(Conditions.SERVING)).isEqualTo("True");
        assertThat(condition(Conditions.SNAPSHOT_READY)).isEqualTo("True");
        assertThat(condition(Conditions.COLD_START_TARGET_MET)).as("H18").isIn("True", "False");
        assertThat(condition(Conditions.RECONCILING)).isEqualTo("False");
        assertThat(condition(Conditions.STALLED)).isEqualTo("False");
        assertThat(cluster.value("m", "/rung")).isEqualTo("Resident");
        assertThat(cluster.value("m", "/lastWake/rung")).isEqualTo("Volume");
        assertThat(cluster.value("m", "/warmup/phases/0/micros")).isEqualTo("700");
        assertThat(cluster.value("m", "/warmup/phases/1/state")).as("H29").isEqualTo("Skipped");
        assertThat(cluster.status("m").selector).isEqualTo("dormouse.dev/model=m");

        cluster.clock().advance(Duration.ofSeconds(31));
        cluster.signal("m");

        await().until(() -> cluster.pods("m").isEmpty());
        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
        assertThat(cluster.value("m", "/activation/endedAt")).isNotEmpty();
    }

    @Test
    void theTraceOfTheRequestThatWaitsIsNamedInTheWakesEventAndHandedToThePod() throws IOException {
        cluster.startOperator();
        cluster.create("m", NEVER);
        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));

        cluster.demand("m", Instant.now(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

        assertThat(cluster.awaitPod("m").getMetadata().getAnnotations()).containsEntry(
                PodConventions.ANNOTATION_TRACEPARENT, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        await().untilAsserted(() -> assertThat(cluster.client().v1().events().inNamespace("default").list().getItems())
                .filteredOn(event -> event.getReason().equals("WakeStarted"))
                .singleElement()
                .satisfies(event -> assertThat(event.getMessage())
                        .endsWith("; trace 4bf92f3577b34da6a3ce929d0e0e4736")));
    }

    /** W48: what the gateways find out reaches the model, and stays while it sleeps. */
    @Test
    void howAModelIsUsedStandsInItsStatus() throws IOException {
        try (FakeGateway gateway = new FakeGateway("127.0.0.1", 0)) {
            cluster.startOperator(Map.of("DORMOUSE_GATEWAY_URL", "http://127.0.0.1:" + gateway.address().getPort()));
            cluster.create("m", NEVER);
            cluster.demand("m", Instant.now());
            Pod pod = cluster.awaitPod("m");
            gateway.report(new DemandReport("gw", "1", 3_600_000, List.of(new ModelDemand("default/m", 1, 0, 1, 0, 0,
                    List.of(new PodLoad(pod.getMetadata().getUid(), 1)), "StreamingInference")), List.of()));
            cluster.run(pod).say(ReplicaPhase.Ready, RESTORED, null, Rung.Volume, List.of(), null);

            await().until(() -> cluster.value("m", "/servingPattern").equals("StreamingInference"));
            gateway.report(report(1, 1, 0, pod.getMetadata().getUid(), 1));
            int scrapes = gateway.scrapes();
            await().until(() -> gateway.scrapes() > scrapes + 2);
            long reconciles = cluster.reconciles();
            cluster.signal("m");
            await().until(() -> cluster.reconciles() > reconciles);
            assertThat(cluster.value("m", "/servingPattern")).isEqualTo("StreamingInference");
        }
    }

    @Test
    void aReplicaIsDeletedOnlyWhenTheGatewayHasLetGoOfIt() throws IOException {
        try (FakeGateway gateway = new FakeGateway("127.0.0.1", 0)) {
            cluster.startOperator(Map.of("DORMOUSE_GATEWAY_URL", "http://127.0.0.1:" + gateway.address().getPort()));
            cluster.create("m", NEVER);
            cluster.demand("m", Instant.now());
            Pod pod = cluster.awaitPod("m");
            String uid = pod.getMetadata().getUid();
            gateway.report(report(1, 0, 0, uid, 1));
            cluster.run(pod).say(ReplicaPhase.Ready, RESTORED, null, Rung.Volume, List.of(), null);
            await().until(() -> cluster.ready("m").equals("True/Serving"));

            cluster.clock().advance(Duration.ofMinutes(2));
            int scrapes = gateway.scrapes();
            await().until(() -> gateway.scrapes() > scrapes + 3);
            assertThat(draining(pod)).as("a request is in flight").isEqualTo("null");
            gateway.report(report(0, 0, 120_000, uid, 0));
            await().until(() -> draining(pod).equals("true"));
            assertThat(cluster.value("m", "/pods/0/phase")).isIn("Draining", "Ready");

            gateway.report(new DemandReport("gw", "1", 3_600_000,
                    List.of(new ModelDemand("default/m", 0, 0, 0, 0, 120_000, List.of())), List.of(uid)));
            await().until(() -> cluster.pods("m").isEmpty());
        }
    }

    @Test
    @DisplayName("W12, W30: requests that a gateway holds scale a model up within its bounds, and an event says from what to what")
    void requestsThatAGatewayHoldsScaleAModelUpWithinItsBounds() throws IOException {
        try (FakeGateway gateway = new FakeGateway("127.0.0.1", 0)) {
            cluster.startOperator(Map.of("DORMOUSE_GATEWAY_URL", "http://127.0.0.1:" + gateway.address().getPort()));
            gateway.report(report(0, 5, 0, "none", 0));
            cluster.create("m", "  scaling: {initialStart: Never, maxReplicas: 3}\n");
            cluster.demand("m", Instant.now());
            cluster.awaitPod("m");

            gateway.report(report(0, 35, 0, "none", 0));

            await().until(() -> cluster.pods("m").size() == 3);
            await().until(() -> cluster.client()
                    .v1()
                    .events()
                    .inNamespace(TestCluster.NAMESPACE)
                    .list()
                    .getItems()
                    .stream()
                    .anyMatch(event -> event.getReason().equals("ScaledUp")
                            && event.getMessage().startsWith("from 1 to ")));
        }
    }

    @Test
    @DisplayName("Design §4: after a reconcile that changes nothing, nothing is written")
    void aSecondReconcileWritesNothing() throws IOException {
        cluster.startOperator();
        cluster.create("m", NEVER);
        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
        String version = cluster.model("m").getMetadata().getResourceVersion();

        long reconciles = cluster.reconciles();

        cluster.signal("m");

        await().until(() -> cluster.reconciles() > reconciles);
        assertThat(cluster.model("m").getMetadata().getResourceVersion()).isEqualTo(version);
    }

    @Test
    void aBadImageIsNeverReadyAndSaysWhyUntilItIsCorrected() throws IOException {
        cluster.startOperator();
        cluster.create("m", "");
        Pod pod = cluster.awaitPod("m");

        cluster.hinder(pod, "ErrImagePull", "no command is known for image engine:1");

        await().until(() -> cluster.ready("m").equals("False/ImagePullFailed"));
        assertThat(message(Conditions.READY)).contains("no command is known for image engine:1");
        assertThat(condition(Conditions.STALLED)).isEqualTo("False");
        assertThat(cluster.value("m", "/pods/0/reason")).isEqualTo("ImagePullFailed");

        cluster.changeImage("m", "engine:2");

        await().until(() -> cluster.pods("m")
                .stream()
                .anyMatch(
                        p -> p.getSpec().getContainers().getFirst().getImage().equals("engine:2")
                                && !p.isMarkedForDeletion()));
        await().until(() -> cluster.pods("m").size() == 1);
    }

    @Test
    void aBadImageDoesNotHoldTheOnlyWarmupSlot() throws IOException {
        cluster.startOperator(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "1"));
        cluster.create("bad", "");
        Pod pod = cluster.awaitPod("bad");
        cluster.create("good", "");
        await().until(() -> cluster.value("good", "/warmup/phase").equals("Queued"));
        assertThat(cluster.value("good", "/warmup/queuePosition")).isEqualTo("1");
        assertThat(cluster.value("good", "/warmup/message")).isEqualTo("1 of 1 warmup slots are in use");

        cluster.hinder(pod, "ErrImagePull", "no such image");

        cluster.awaitPod("good");
    }

    @Test
    @DisplayName("X2: a client's model takes the slot of a first start that has not begun; that one asks again")
    void aClientReplacesAFirstStartThatHasNotBegun() throws IOException {
        cluster.startOperator(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "1"));
        cluster.create("first", "");
        Pod preWarming = cluster.awaitPod("first");
        cluster.create("asked", NEVER);

        cluster.demand("asked", Instant.now());

        cluster.awaitPod("asked");
        await().until(() -> cluster.pods("first")
                .stream()
                .noneMatch(pod -> pod.getMetadata().getUid().equals(preWarming.getMetadata().getUid())));
        await().until(() -> cluster.value("first", "/warmup/phase").equals("Queued"));
    }

    @Test
    @DisplayName("H31: a failed warmup never takes traffic; it is tried again with a pause, and given up after three")
    void aFailedFirstStartIsGivenUpAndStated() throws IOException {
        cluster.startOperator();
        cluster.create("m", "");
        for (int attempt = 1; attempt <= 3; attempt++) {
            cluster.run(cluster.awaitPod("m", "engine:1"))
                    .say(ReplicaPhase.Failed, SnapshotReport.ABSENT, null, Rung.Cold,
                            List.of(new PhaseTiming(PhaseTiming.KERNEL_COMPILE, PhaseTiming.State.Failed, 5,
                                    "out of memory")),
                            "kernel_compile failed");
            if (attempt < 3) {
                String failures = Integer.toString(attempt);
                await("H65: the attempt is counted").until(() -> cluster.ready("m").equals("False/WarmupFailed")
                        && cluster.value("m", "/warmup/attempt").equals(failures));
                cluster.clock().advance(Duration.ofSeconds(21));
                cluster.signal("m");
            }
        }

        await().until(() -> cluster.ready("m").equals("False/InitialStartFailed"));
        assertThat(message(Conditions.READY)).contains("kernel_compile: out of memory");
        await().until(() -> cluster.pods("m").isEmpty());
        assertThat(cluster.value("m", "/initialStart/state")).isEqualTo("Failed");
        assertThat(events()).contains("WarmupFailed", "InitialStartFailed");
    }

    @Test
    void aMissingClaimHealsWhenItAppears() throws IOException {
        cluster.startOperator();
        cluster.create("m", "  snapshot: {persistentVolumeClaim: mine}\n");
        await().until(() -> cluster.ready("m").equals("False/ClaimMissing"));
        assertThat(condition(Conditions.RECONCILING)).isEqualTo("True");
        assertThat(condition(Conditions.STALLED)).isEqualTo("False");
        assertThat(cluster.pods("m")).isEmpty();

        cluster.client()
                .persistentVolumeClaims()
                .inNamespace("default")
                .resource(new PersistentVolumeClaimBuilder().withNewMetadata()
                        .withName("mine")
                        .endMetadata()
                        .withNewSpec()
                        .withAccessModes("ReadWriteOnce")
                        .withNewResources()
                        .addToRequests("storage", new Quantity("1Gi"))
                        .endResources()
                        .endSpec()
                        .build())
                .create();

        cluster.awaitPod("m");
        await().until(() -> condition(Conditions.RECONCILING).equals("False"));
    }

    @Test
    void anUnknownSchemeStalls() throws IOException {
        cluster.startOperator();
        cluster.create("m", "", "s3://bucket/m");

        await().until(() -> cluster.ready("m").equals("False/UnknownScheme"));
        assertThat(condition(Conditions.STALLED)).isEqualTo("True");
        assertThat(message(Conditions.STALLED)).contains("s3").contains("pvc://<claim>/<path>");
        assertThat(cluster.pods("m")).isEmpty();
    }

    @Test
    void aModelDeletedWhileWakingLeavesNothing() throws IOException {
        cluster.startOperator(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "1"));
        cluster.create("m", "  snapshot: {deletionPolicy: Delete}\n");
        Pod pod = cluster.awaitPod("m");
        cluster.run(pod).say(ReplicaPhase.Restoring);
        cluster.create("next", "");
        await().until(() -> cluster.value("next", "/warmup/phase").equals("Queued"));

        cluster.client().resources(InferenceModel.class).inNamespace("default").withName("m").delete();

        await().until(() -> cluster.model("m") == null && cluster.pods("m").isEmpty());
        await().until(() -> cluster.client()
                .persistentVolumeClaims()
                .inNamespace("default")
                .withName("m-snapshots")
                .get() == null);
        cluster.awaitPod("next");
    }

    @Test
    void aModelThatWaitsForItsSlotCanBeDeleted() throws IOException {
        cluster.startOperator(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "1"));
        cluster.create("first", "");
        cluster.awaitPod("first");
        cluster.create("m", "");
        await().until(() -> cluster.value("m", "/warmup/phase").equals("Queued"));

        cluster.client().resources(InferenceModel.class).inNamespace("default").withName("m").delete();

        await().until(() -> cluster.model("m") == null);
    }

    @Test
    @DisplayName("H70: an operator that is killed mid-wake and restarted neither starts a second pod nor ends the first")
    void aRestartedOperatorGoesOn() throws IOException {
        cluster.startOperator(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "1"));
        cluster.create("m", "");
        Pod pod = cluster.awaitPod("m");
        FakeSidecar sidecar = cluster.run(pod);
        sidecar.say(ReplicaPhase.Loading);
        await().until(() -> cluster.value("m", "/warmup/phase").equals("Loading"));
        String activation = cluster.value("m", "/activation/startedAt");

        cluster.stopOperator();
        cluster.create("second", "");
        cluster.startOperator(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "1"));

        await().until(() -> cluster.value("second", "/warmup/phase").equals("Queued"));
        assertThat(cluster.pods("m")).extracting(p -> p.getMetadata().getUid())
                .containsExactly(pod.getMetadata().getUid());
        sidecar.say(ReplicaPhase.Ready, SAVED, null, Rung.Cold, List.of(), null);
        await().until(() -> cluster.value("m", "/initialStart/state").equals("Done"));
        assertThat(cluster.value("m", "/activation/startedAt")).isEqualTo(activation);
        cluster.awaitPod("second");
    }

    @Test
    void aQuarantinedSnapshotIsToldAndTheModelServesFromSource() throws IOException {
        cluster.startOperator();
        cluster.create("m", NEVER);
        cluster.demand("m", Instant.now());
        SnapshotReport refused = new SnapshotReport("snap-0", SnapshotReport.State.Quarantined, 0, 0, 0,
                "ChecksumMismatch", "chunk 7 of weights differs");
        FakeSidecar sidecar = cluster.run(cluster.awaitPod("m"));

        sidecar.say(ReplicaPhase.Loading, SnapshotReport.ABSENT, refused, Rung.Cold, List.of(), null);
        await().until(() -> cluster.value("m", "/snapshot/state").equals("Quarantined"));
        assertThat(message(Conditions.SNAPSHOT_READY)).contains("chunk 7 of weights differs");
        sidecar.say(ReplicaPhase.Ready, SAVED, refused, Rung.Cold, List.of(), null);

        await().until(() -> cluster.ready("m").equals("True/Serving"));
        assertThat(cluster.value("m", "/snapshot/state")).isEqualTo("Saved");
        await().untilAsserted(() -> assertThat(events()).contains("SnapshotQuarantined", "SnapshotSaved"));
    }

    @Test
    void exactlyNReplicasMeansExactlyN() throws IOException {
        cluster.startOperator();
        cluster.create("m", "  replicas: 2\n");
        await().until(() -> cluster.pods("m").size() == 2);
        for (Pod pod : cluster.pods("m")) {
            cluster.run(pod).say(ReplicaPhase.Ready, SAVED, null, Rung.Cold, List.of(), null);
        }
        await().until(() -> cluster.value("m", "/readyReplicas").equals("2"));

        cluster.client().resources(InferenceModel.class).inNamespace("default").withName("m").scale(1);

        await().until(() -> cluster.pods("m").size() == 1);
        await().until(() -> cluster.value("m", "/replicas").equals("1"));
    }

    private String condition(String type) {
        return cluster.condition("m", type).map(Condition::getStatus).orElse("absent");
    }

    private String message(String type) {
        return cluster.condition("m", type).map(Condition::getMessage).orElse("absent");
    }

    private List<String> events() {
        return cluster.client()
                .v1()
                .events()
                .inNamespace("default")
                .list()
                .getItems()
                .stream()
                .map(Event::getReason)
                .toList();
    }

    private String draining(Pod pod) {
        return cluster.pods("m")
                .stream()
                .filter(p -> p.getMetadata().getUid().equals(pod.getMetadata().getUid()))
                .map(p -> String.valueOf(p.getMetadata().getAnnotations().get(PodConventions.ANNOTATION_DRAINING)))
                .findFirst()
                .orElse("gone");
    }

    private static DemandReport report(int inFlight, int queued, long idleMillis, String podUid, int podLoad) {
        return new DemandReport("gw", "1", 3_600_000, List.of(new ModelDemand("default/m", inFlight, queued, 1, 0,
                idleMillis, List.of(new PodLoad(podUid, podLoad)))), List.of());
    }
}

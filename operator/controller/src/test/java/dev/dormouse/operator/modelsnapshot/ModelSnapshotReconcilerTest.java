package dev.dormouse.operator.modelsnapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.api.v1alpha1.ModelSnapshotSpec;
import dev.dormouse.api.v1alpha1.ModelSnapshotStatus;
import dev.dormouse.api.v1alpha1.ModelSnapshotStatus.Verification;
import dev.dormouse.operator.TestCluster;
import dev.dormouse.operator.desired.StorePod;
import dev.dormouse.operator.sidecar.FakeSidecar;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import dev.dormouse.sidecar.api.VolumeListing.Entry;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The life of ModelSnapshot resources against an embedded API server; the test is kubelet, sidecar and store pod. */
class ModelSnapshotReconcilerTest {
    private static final String KEY = "ab".repeat(32);
    private static final Verification NONE = new Verification("", "", "", null, null, null);
    private static final String NEVER = "  scaling: {initialStart: Never, idleSeconds: 30}\n";

    private TestCluster cluster;

    @BeforeEach
    void start() throws IOException {
        cluster = new TestCluster();
        cluster.startOperator();
    }

    @AfterEach
    void stop() {
        cluster.close();
    }

    @Test
    @DisplayName("S8, S10, S11, S13: each snapshot on the volume is one resource, with what the volume says about it")
    void snapshotsOnTheVolumeBecomeResources() throws IOException {
        serve(NEVER, entry("s1", 1), entry("s2", 2));

        ModelSnapshot snapshot = awaitReady("s2", "True/Usable");

        assertThat(snapshot.getSpec()).isEqualTo(new ModelSnapshotSpec("m-snapshots", "s2", KEY, "m", false));
        assertThat(snapshot.getMetadata().getOwnerReferences()).as("it may outlive the model").isEmpty();
        ModelSnapshotStatus status = snapshot.getStatus();
        assertThat(status.rawBytes).isEqualTo(1000L);
        assertThat(status.storedBytes).isEqualTo(900L);
        assertThat(status.digest).isEqualTo("d".repeat(64));
        assertThat(status.createdAt).isEqualTo("2026-01-01T00:00:02Z");
        assertThat(status.lastRestoredAt).as("the wake restored it").isNotNull();
        assertThat(status.lastVerifiedAt).as("and compared every chunk").isEqualTo(status.lastRestoredAt);
        assertThat(snapshot("s1").getStatus().lastRestoredAt).isNull();
        assertThatThrownBy(() -> TestCluster.change(
                cluster.client().resources(ModelSnapshot.class).inNamespace("default").withName("m-snapshots.s2"),
                s -> {
                    s.setSpec(new ModelSnapshotSpec("other", "s2", KEY, "m", false));
                    return s;
                })).isInstanceOf(KubernetesClientException.class).hasMessageContaining("only pinned may change");
    }

    @Test
    @DisplayName("S32: a quarantined one says why")
    void aSnapshotThatMustNotBeUsedSaysWhy() throws IOException {
        FakeSidecar sidecar = serve(NEVER, entry("s1", 1));
        awaitReady("s1", "True/Usable");

        sidecar.serve("/v1/snapshots", new VolumeListing(List.of(entry("s2", 2)),
                List.of(new VolumeListing.Refused("s1", "ChecksumMismatch", "chunk 7"))));
        sidecar.say(ReplicaPhase.Ready, report(SnapshotReport.State.Saved, "s2"), null, Rung.Cold, List.of(), null);

        assertThat(message(awaitReady("s1", "False/Quarantined"))).contains("ChecksumMismatch: chunk 7");
        awaitReady("s2", "True/Usable");
        sidecar.serve("/v1/snapshots", new VolumeListing(List.of(entry("s3", 3)),
                List.of(new VolumeListing.Refused("s2", "UntrustedKey", "key 'x'"))));
        sidecar.say(ReplicaPhase.Ready, report(SnapshotReport.State.Saved, "s3"), null, Rung.Cold, List.of(), null);

        assertThat(message(awaitReady("s2", "False/Untrusted"))).contains("UntrustedKey: key 'x'");
    }

    @Test
    @DisplayName("S38: the finalizer goes when a store pod has freed the bytes, under the claim's lease")
    void deletingFreesTheBytesFirst() throws IOException {
        serve(NEVER, entry("s1", 1), entry("s2", 2));
        awaitReady("s1", "True/Usable");

        delete("s1");

        Pod store = awaitStorePod();
        assertThat(task(store).delete()).containsExactly("s1");
        assertThat(store.getSpec().getAffinity().getPodAffinity()).as("the claim is mounted by a replica: one node")
                .isNotNull();
        assertThat(store.getSpec().getContainers().getFirst().getSecurityContext().getAllowPrivilegeEscalation())
                .isFalse();
        assertThat(lease().getSpec().getHolderIdentity()).isEqualTo("dormouse-system/dormouse-operator");
        assertThat(ready(snapshot("s1"))).isEqualTo("False/Deleting");
        finish(store, outcome(Set.of(), entry("s2", 2)));

        await().until(() -> snapshot("s1") == null);
        await().until(() -> storePod() == null);
        await().until(() -> lease() == null);
        assertThat(ready(snapshot("s2"))).isEqualTo("True/Usable");
    }

    @Test
    void bytesThatACollectionCouldNotFreeYetHoldTheResourceAndGonePodsAreNamed() throws IOException {
        serve(NEVER, entry("s1", 1));
        awaitReady("s1", "True/Usable");
        delete("s1");
        Pod first = awaitStorePod();

        finish(first, new StoreTask.Outcome(List.of(), 0, Set.of("dead-pod"), List.of(), VolumeListing.EMPTY));

        await().until(
                () -> storePod() != null && !storePod().getMetadata().getUid().equals(first.getMetadata().getUid()));
        assertThat(snapshot("s1")).isNotNull();
        Pod second = awaitStorePod();
        assertThat(task(second).gonePods()).containsExactly("dead-pod");
        finish(second, outcome(Set.of()));
        await().until(() -> snapshot("s1") == null);
    }

    @Test
    void aStorePodThatFailsIsToldAndTriedAgainAndAPersonMayGoOnWithout() throws IOException {
        serve(NEVER, entry("s1", 1));
        awaitReady("s1", "True/Usable");
        delete("s1");
        Pod store = awaitStorePod();

        cluster.client()
                .pods()
                .inNamespace("default")
                .withName(store.getMetadata().getName())
                .editStatus(p -> new PodBuilder(p).editOrNewStatus()
                        .withPhase("Failed")
                        .withReason("DeadlineExceeded")
                        .endStatus()
                        .build());

        await().until(() -> message(snapshot("s1")).contains("DeadlineExceeded"));
        assertThat(message(snapshot("s1"))).contains(SnapshotObjects.BYPASS + "=true");
        cluster.clock().advance(Duration.ofSeconds(31));
        annotate("s1", "anything", "true");
        awaitStorePod();

        annotate("s1", SnapshotObjects.BYPASS, "true");

        await().until(() -> snapshot("s1") == null);
    }

    @Test
    @DisplayName("S5, S39: retention runs when a new snapshot makes too many, and its resources go with the bytes")
    void retentionIsAppliedByTheStorePod() throws IOException {
        serve(NEVER + "  snapshot: {maxSnapshots: 1, maxAgeSeconds: 86400, maxBytes: 1Gi}\n", entry("s1", 1),
                entry("s2", 2));

        Pod store = awaitStorePod();
        StoreTask task = task(store);
        assertThat(List.of(task.maxSnapshots(), task.maxAgeSeconds(), task.maxBytes()))
                .isEqualTo(List.of(1, 86400L, 1L << 30));
        finish(store, new StoreTask.Outcome(List.of("s1"), 900, Set.of(), List.of(),
                new VolumeListing(List.of(entry("s2", 2)), List.of())));

        await().until(() -> snapshot("s1") == null || snapshot("s1").isMarkedForDeletion());
        if (snapshot("s1") != null) {
            await().until(() -> storePod() != null || snapshot("s1") == null);
        }
        assertThat(ready(snapshot("s2"))).isEqualTo("True/Usable");
    }

    @Test
    void aPinReachesTheVolume() throws IOException {
        serve(NEVER, entry("s1", 1));
        awaitReady("s1", "True/Usable");

        TestCluster.change(
                cluster.client().resources(ModelSnapshot.class).inNamespace("default").withName("m-snapshots.s1"),
                s -> {
                    s.setSpec(new ModelSnapshotSpec("m-snapshots", "s1", KEY, "m", true));
                    return s;
                });

        assertThat(task(awaitStorePod()).pin()).containsExactly("s1");
    }

    @Test
    @DisplayName("S23, S26: a verification that somebody asks for is read by a store pod with the model's keys, and its answer is status")
    void aVerificationOnDemand() throws IOException {
        serve(NEVER + "  snapshot: {trust: {encryption: {secretName: m-keys}}}\n", entry("s1", 1), entry("s2", 2));
        awaitReady("s1", "True/Usable");

        annotate("s1", SnapshotObjects.VERIFY, "2026-11-21T14:00:00Z");

        Pod store = awaitStorePod();
        assertThat(task(store).verify()).isEqualTo(Map.of("s1", "2026-11-21T14:00:00Z"));
        assertThat(store.getSpec().getVolumes()).filteredOn(volume -> volume.getSecret() != null)
                .singleElement()
                .satisfies(volume -> assertThat(volume.getSecret().getSecretName()).isEqualTo("m-keys"))
                .satisfies(volume -> assertThat(volume.getSecret().getOptional()).isTrue());
        assertThat(store.getSpec().getContainers().getFirst().getEnv())
                .anyMatch(e -> e.getName().equals(SidecarEnvironment.VOLUME_ID)
                        && e.getValue().equals("default/m-snapshots"));
        finish(store, verified("s1", "2026-11-21T14:00:00Z", StoreTask.Verdict.Intact,
                new VolumeListing(List.of(entry("s1", 1), entry("s2", 2)), List.of())));

        Verification intact = awaitVerification("s1", "Intact");
        assertThat(intact.requested()).isEqualTo("2026-11-21T14:00:00Z");
        assertThat(intact.rawBytes()).isEqualTo(1000);
        assertThat(snapshot("s1").getStatus().lastVerifiedAt).isEqualTo(intact.at());
        await().until(() -> storePod() == null);
        annotate("s1", "touched", "1");
        await().until(() -> lease() == null);
        assertThat(storePod()).as("a wish is answered once").isNull();

        annotate("s1", SnapshotObjects.VERIFY, "2026-11-21T15:00:00Z");
        finish(awaitStorePod(), verified("s1", "2026-11-21T15:00:00Z", StoreTask.Verdict.Damaged,
                new VolumeListing(List.of(entry("s2", 2)),
                        List.of(new VolumeListing.Refused("s1", "ChecksumMismatch", "chunk 7")))));

        assertThat(message(awaitReady("s1", "False/Quarantined"))).contains("ChecksumMismatch: chunk 7");
        assertThat(awaitVerification("s1", "Damaged").problems()).containsExactly("chunk 7 differs");
    }

    private Verification awaitVerification(String id, String result) {
        return await().until(() -> Objects.requireNonNullElse(snapshot(id).getStatus().verification, NONE),
                verification -> verification.result().equals(result));
    }

    private static StoreTask.Outcome verified(String id, String mark, StoreTask.Verdict verdict,
            VolumeListing listing) {
        List<String> problems = verdict == StoreTask.Verdict.Intact ? List.of() : List.of("chunk 7 differs");
        return new StoreTask.Outcome(List.of(), 0, Set.of(), List.of(), listing,
                List.of(new StoreTask.Verified(id, mark, verdict, 5, 1000, problems)));
    }

    @Test
    void whenTheClaimIsGoneItsSnapshotsGo() throws IOException {
        serve(NEVER, entry("s1", 1));
        awaitReady("s1", "True/Usable");

        cluster.client().persistentVolumeClaims().inNamespace("default").withName("m-snapshots").delete();
        await().until(() -> snapshot("s1") == null);
        assertThat(storePod()).isNull();
    }

    @Test
    void aSnapshotWhoseBytesVanishedSaysSo() throws IOException {
        FakeSidecar sidecar = serve(NEVER, entry("s1", 1));
        awaitReady("s1", "True/Usable");
        cluster.clock().advance(Duration.ofSeconds(5));

        sidecar.serve("/v1/snapshots", new VolumeListing(List.of(entry("s2", 2)), List.of()));
        sidecar.say(ReplicaPhase.Ready, report(SnapshotReport.State.Saved, "s2"), null, Rung.Cold, List.of(), null);

        awaitReady("s1", "False/BytesMissing");
    }

    @Test
    void inANamespaceThatEndsNothingHoldsASnapshotBack() throws IOException {
        cluster.client()
                .resource(new NamespaceBuilder().withNewMetadata().withName("team").endMetadata().build())
                .create();
        ModelSnapshot snapshot = new ModelSnapshot();
        snapshot.getMetadata().setName("c.s1");
        snapshot.getMetadata().setNamespace("team");
        snapshot.getMetadata().setFinalizers(List.of(SnapshotObjects.FINALIZER));
        snapshot.setSpec(new ModelSnapshotSpec("c", "s1", KEY, null, false));
        cluster.client().resource(snapshot).create();
        // Without its claim it is dropped at once; with the namespace it must be as well.
        cluster.client().namespaces().withName("team").delete();

        await().until(() -> cluster.client()
                .resources(ModelSnapshot.class)
                .inNamespace("team")
                .withName("c.s1")
                .get() == null);
    }

    @Test
    void atRestNothingIsWritten() throws IOException {
        serve(NEVER, entry("s1", 1));
        ModelSnapshot before = awaitReady("s1", "True/Usable");

        for (int i = 0; i < 3; i++) {
            annotate("s1", "touched", Integer.toString(i));
        }

        await().until(() -> "2".equals(snapshot("s1").getMetadata().getAnnotations().get("touched")));
        assertThat(Conditions.find(snapshot("s1").getStatus().conditions, Conditions.READY))
                .isEqualTo(Conditions.find(before.getStatus().conditions, Conditions.READY));
    }

    /** Creates model {@code m}, wakes it, and has its sidecar list these. */
    private FakeSidecar serve(String spec, Entry... entries) throws IOException {
        cluster.create("m", spec);
        cluster.demand("m", Instant.now());
        Pod pod = cluster.awaitPod("m");
        FakeSidecar sidecar = cluster.run(pod);
        sidecar.serve("/v1/snapshots", new VolumeListing(List.of(entries), List.of()));
        sidecar.say(ReplicaPhase.Ready, report(SnapshotReport.State.Restored, entries[entries.length - 1].id()), null,
                Rung.Volume, List.of(), null);
        return sidecar;
    }

    private void finish(Pod store, StoreTask.Outcome outcome) throws IOException {
        cluster.run(store).serve("/v1/task", outcome);
    }

    private static StoreTask.Outcome outcome(Set<String> waiting, Entry... left) {
        return new StoreTask.Outcome(List.of(), 900, waiting, List.of(), new VolumeListing(List.of(left), List.of()));
    }

    private static SnapshotReport report(SnapshotReport.State state, String id) {
        return new SnapshotReport(id, state, 1000, 900, 10, null, null);
    }

    private static Entry entry(String id, int second) {
        return new Entry(id, KEY, "2026-01-01T00:00:0" + second + "Z", 1000, 900, "d".repeat(64), Map.of("gpu", "x"),
                3, 1, false);
    }

    private ModelSnapshot awaitReady(String id, String wanted) {
        await().until(() -> snapshot(id) != null && ready(snapshot(id)).equals(wanted));
        return snapshot(id);
    }

    private static String ready(ModelSnapshot snapshot) {
        return snapshot.getStatus() == null
                ? ""
                : Conditions.find(snapshot.getStatus().conditions, Conditions.READY)
                        .map(c -> c.getStatus() + "/" + c.getReason())
                        .orElse("");
    }

    private static String message(ModelSnapshot snapshot) {
        return Conditions.find(snapshot.getStatus().conditions, Conditions.READY).map(Condition::getMessage).orElse("");
    }

    private ModelSnapshot snapshot(String id) {
        return cluster.client()
                .resources(ModelSnapshot.class)
                .inNamespace("default")
                .withName("m-snapshots." + id)
                .get();
    }

    private void delete(String id) {
        cluster.client().resources(ModelSnapshot.class).inNamespace("default").withName("m-snapshots." + id).delete();
    }

    private void annotate(String id, String key, String value) {
        TestCluster.change(
                cluster.client().resources(ModelSnapshot.class).inNamespace("default").withName("m-snapshots." + id),
                s -> {
                    Map<String, String> all = new HashMap<>(
                            Objects.requireNonNullElse(s.getMetadata().getAnnotations(), Map.of()));
                    all.put(key, value);
                    s.getMetadata().setAnnotations(all);
                    return s;
                });
    }

    private Pod storePod() {
        return cluster.client().pods().inNamespace("default").withName(StorePod.name("m-snapshots")).get();
    }

    private Pod awaitStorePod() {
        await().until(() -> storePod() != null && !storePod().isMarkedForDeletion());
        return storePod();
    }

    private Lease lease() {
        return cluster.client().leases().inNamespace("default").withName(CollectorLease.name("m-snapshots")).get();
    }

    private static StoreTask task(Pod pod) throws IOException {
        String text = pod.getSpec()
                .getContainers()
                .getFirst()
                .getEnv()
                .stream()
                .filter(e -> e.getName().equals(SidecarEnvironment.STORE_TASK))
                .findFirst()
                .orElseThrow()
                .getValue();
        return JsonMapper.builder().build().readValue(text, StoreTask.class);
    }
}

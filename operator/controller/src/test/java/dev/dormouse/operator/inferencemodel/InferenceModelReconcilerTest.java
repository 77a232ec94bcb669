package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.operator.TestCluster;
import dev.dormouse.operator.sidecar.FakeSidecar;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class InferenceModelReconcilerTest {
    private static final SnapshotReport SAVED = new SnapshotReport("snap-1", SnapshotReport.State.Saved, 1000, 900, 10,
            null,
            null);

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

        await().until(() -> "true".equals(
                cluster.pods("m").getFirst().getMetadata().getAnnotations().get(PodConventions.ANNOTATION_DRAINING))
                || cluster.pods("m").getFirst().isMarkedForDeletion());
        await().until(() -> cluster.pods("m").isEmpty() || cluster.pods("m").getFirst().isMarkedForDeletion());
        cluster.end(pod);
        await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
        assertThat(cluster.value("m", "/initialStart/state")).isEqualTo("Done");
        assertThat(cluster.status("m").rung).isEqualTo("Volume");
        assertThat(cluster.client().persistentVolumeClaims().inNamespace("default").withName("m-snapshots").get())
                .isNotNull();
    }
}

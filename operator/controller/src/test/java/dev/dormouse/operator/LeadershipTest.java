package dev.dormouse.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.operator.status.StatusWriter;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class LeadershipTest {
    private static final Map<String, String> SETTINGS = Map.of("DORMOUSE_BIND", "127.0.0.1", "DORMOUSE_HTTP_PORT", "0",
            "DORMOUSE_LEASE_SECONDS", "60", "DORMOUSE_LEASE_RENEW_SECONDS", "40", "DORMOUSE_LEASE_RETRY_SECONDS", "1");

    @Test
    void aStandbyTakesOverWithoutWaitingForTheLeaseOfALeaderThatStops() throws Exception {
        AtomicBoolean lost = new AtomicBoolean();
        try (TestCluster cluster = new TestCluster();
                KubernetesClient one = cluster.newClient();
                KubernetesClient two = cluster.newClient();
                DormouseOperator standby = operator(two, lost)) {
            DormouseOperator leader = operator(one, lost);
            leader.start();
            cluster.create("a", "  scaling: {initialStart: Never}\n");
            await().until(() -> cluster.ready("a").equals("True/ScaledToZero"));
            standby.start();

            leader.close();
            cluster.create("b", "  scaling: {initialStart: Never}\n");

            await().atMost(Duration.ofSeconds(30)).until(() -> cluster.ready("b").equals("True/ScaledToZero"));
            await().until(() -> !lost.get());
        }
    }

    @Test
    @DisplayName("Design §2: a demand that comes while nobody leads, and a wake that the old leader recorded and did not carry out, are not lost")
    void noWakeIsLostAtAFailOver() throws Exception {
        AtomicBoolean lost = new AtomicBoolean();
        try (TestCluster cluster = new TestCluster();
                KubernetesClient one = cluster.newClient();
                KubernetesClient two = cluster.newClient();
                DormouseOperator standby = operator(two, lost)) {
            DormouseOperator leader = operator(one, lost);
            leader.start();
            for (String model : List.of("demanded", "begun")) {
                cluster.create(model, "  scaling: {initialStart: Never}\n");
                await().until(() -> cluster.ready(model).equals("True/ScaledToZero"));
            }
            standby.start();

            leader.close();
            Instant now = Instant.now().truncatedTo(ChronoUnit.MICROS);
            cluster.demand("demanded", now);
            // As a leader leaves it that dies between its status and its pod.
            ModelStatus begun = cluster.status("begun");
            begun.activation = new ModelStatus.Activation("1", Activation.Reason.Demand.name(), now.toString(), null);
            new StatusWriter(cluster.client()).write(cluster.model("begun"), begun);

            assertThat(cluster.awaitPod("demanded").getMetadata().getName()).startsWith("demanded-");
            assertThat(cluster.awaitPod("begun").getMetadata().getName()).startsWith("begun-");
            assertThat(cluster.status("begun").activation).as("the same wake goes on")
                    .isEqualTo(begun.activation);
        }
    }

    @Test
    @DisplayName("Design §2: a wake whose pod the old leader created and did not record is decided again, and finds its pod")
    void aWakeThatWasNotRecordedFindsItsPod() throws Exception {
        AtomicBoolean lost = new AtomicBoolean();
        try (TestCluster cluster = new TestCluster();
                KubernetesClient one = cluster.newClient();
                KubernetesClient two = cluster.newClient();
                DormouseOperator standby = operator(two, lost)) {
            DormouseOperator leader = operator(one, lost);
            leader.start();
            cluster.create("m", "  scaling: {initialStart: Never}\n");
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
            ModelStatus asleep = cluster.status("m");
            cluster.demand("m", Instant.now());
            String pod = cluster.awaitPod("m").getMetadata().getUid();
            await().until(() -> cluster.value("m", "/activation/id").equals("1"));

            leader.close();
            // As a leader leaves it that dies between its pod and its status.
            new StatusWriter(cluster.client()).write(cluster.model("m"), asleep);
            standby.start();

            await().until(() -> cluster.value("m", "/activation/id").equals("1"));
            assertThat(cluster.pods("m")).extracting(p -> p.getMetadata().getUid()).containsExactly(pod);
        }
    }

    private static DormouseOperator operator(KubernetesClient client, AtomicBoolean lost) throws Exception {
        return new DormouseOperator(client, OperatorConfig.fromEnvironment(SETTINGS), Clock.systemUTC(),
                () -> lost.set(true));
    }
}

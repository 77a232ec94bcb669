package dev.dormouse.operator;

import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
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

    private static DormouseOperator operator(KubernetesClient client, AtomicBoolean lost) throws Exception {
        return new DormouseOperator(client, OperatorConfig.fromEnvironment(SETTINGS), Clock.systemUTC(),
                () -> lost.set(true));
    }
}

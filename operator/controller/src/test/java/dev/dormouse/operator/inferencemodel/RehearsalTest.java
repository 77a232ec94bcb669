package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.operator.demand.GatewayScraper;
import dev.dormouse.operator.desired.SidecarSettings;
import dev.dormouse.operator.modelsnapshot.ModelSnapshotReconciler;
import dev.dormouse.operator.modelsnapshot.ModelSnapshotReconciler.StoreSettings;
import dev.dormouse.operator.observe.EventRecorder;
import dev.dormouse.operator.observe.OperatorMetrics;
import dev.dormouse.operator.sidecar.SidecarAddress;
import dev.dormouse.operator.sidecar.SidecarFollower;
import dev.dormouse.operator.status.StatusWriter;
import dev.dormouse.operator.warmup.WarmupQueue;
import dev.dormouse.trace.StepTracing;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class RehearsalTest {
    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("Every round comes as far as its pod; the API server hears of none, and queue and metrics know nothing")
    void nothingRealIsTouched() {
        Clock clock = Clock.systemUTC();
        SidecarSettings sidecar = new SidecarSettings("sidecar:1", Optional.empty());
        SidecarAddress address = SidecarAddress.of(Optional.empty());
        OperatorMetrics metrics = new OperatorMetrics();
        WarmupQueue queue = new WarmupQueue(WarmupLimits.ofConcurrent(1), clock, model -> {
        });
        metrics.watch(queue);
        String before = metrics.scrape();
        try (SidecarFollower sidecars = new SidecarFollower(address, model -> {
        });
                GatewayScraper gateways = new GatewayScraper(Optional.empty(), Duration.ofSeconds(1),
                        Duration.ofSeconds(1), clock, model -> {
                        })) {
            ModelSnapshotReconciler snapshots = new ModelSnapshotReconciler(client,
                    new StoreSettings("operator", sidecar, Duration.ofSeconds(60)), address, clock, model -> {
                    });
            Services services = new Services(client, new ReconcileSettings(sidecar, Duration.ofSeconds(60)), clock,
                    new StatusWriter(client), sidecars, gateways, queue, new EventRecorder(client, clock), metrics,
                    snapshots.volumes(), new WakeTrace(StepTracing.OFF, Optional.empty(), clock));

            assertThat(new Rehearsal(services, 3).run()).isEqualTo(3);

            snapshots.volumes().close();
        }
        assertThat(server.getRequestCount()).isZero();
        assertThat(queue.pending() + queue.active()).isZero();
        assertThat(metrics.scrape()).isEqualTo(before);
    }
}

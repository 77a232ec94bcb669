package dev.dormouse.operator.modelsnapshot;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class CollectorLeaseTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:10:00Z");
    private static final Duration TEN_MINUTES = Duration.ofMinutes(10);
    private static final VolumeKey VOLUME = new VolumeKey("team", "c");
    private static final String LEASES = "/apis/coordination.k8s.io/v1/namespaces/team/leases";
    private static final String OURS = LEASES + "/" + CollectorLease.name("c");

    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("Another operator's lease is respected to its end and not beyond")
    void aHolderThatVanishedHoldsNobodyUpForLonger() {
        server.expect().get().withPath(OURS).andReturn(200, lease("other", NOW.minusSeconds(599))).once();
        assertThat(lease().take(VOLUME, TEN_MINUTES, NOW)).contains(NOW.plusSeconds(1));

        server.expect().get().withPath(OURS).andReturn(200, lease("other", NOW.minusSeconds(600))).once();
        server.expect().put().withPath(OURS).andReturn(200, lease("us", NOW)).once();
        assertThat(lease().take(VOLUME, TEN_MINUTES, NOW)).isEmpty();
    }

    @Test
    void whoIsSlowerLooksAgain() {
        server.expect().get().withPath(OURS).andReturn(404, "").once();
        server.expect()
                .post()
                .withPath(LEASES)
                .andReturn(409, new StatusBuilder().withCode(409).withStatus("Failure").build())
                .once();

        assertThat(lease().take(VOLUME, TEN_MINUTES, NOW)).contains(NOW.plusSeconds(1));
    }

    @Test
    void itsOwnLeaseIsTakenAgain() {
        server.expect().get().withPath(OURS).andReturn(200, lease("us", NOW.minusSeconds(5))).once();
        server.expect().put().withPath(OURS).andReturn(200, lease("us", NOW)).once();

        assertThat(lease().take(VOLUME, TEN_MINUTES, NOW)).isEmpty();
    }

    @Test
    void onlyItsOwnLeaseIsGivenBack() throws Exception {
        server.expect().get().withPath(OURS).andReturn(200, lease("other", NOW)).once();
        lease().release(VOLUME);
        assertThat(server.getRequestCount()).isEqualTo(1);

        server.expect().get().withPath(OURS).andReturn(200, lease("us", NOW)).once();
        server.expect().delete().withPath(OURS).andReturn(200, "").once();
        lease().release(VOLUME);
        assertThat(server.getLastRequest().getMethod()).isEqualTo("DELETE");
    }

    private CollectorLease lease() {
        return new CollectorLease(client, "us");
    }

    private static Lease lease(String holder, Instant renewed) {
        return new LeaseBuilder().withNewMetadata()
                .withName(CollectorLease.name("c"))
                .withNamespace("team")
                .withResourceVersion("3")
                .endMetadata()
                .withNewSpec()
                .withHolderIdentity(holder)
                .withLeaseDurationSeconds(600)
                .withRenewTime(renewed.atZone(ZoneOffset.UTC))
                .endSpec()
                .build();
    }
}

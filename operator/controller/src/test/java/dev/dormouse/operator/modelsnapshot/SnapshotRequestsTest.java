package dev.dormouse.operator.modelsnapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.api.v1alpha1.ModelSnapshotSpec;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodListBuilder;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.util.List;
import io.fabric8.mockwebserver.http.RecordedRequest;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is sent about snapshots and their volumes, and what each answer means. */
@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class SnapshotRequestsTest {
    private static final String SNAPSHOT = "/apis/dormouse.dev/v1alpha1/namespaces/team/modelsnapshots/c.one";
    private static final VolumeKey VOLUME = new VolumeKey("team", "c");

    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("A finalizer is taken off only from the version that was seen; those of others stay")
    void releasingNamesTheVersionItIsBasedOn() throws Exception {
        ModelSnapshot snapshot = snapshot(SnapshotObjects.FINALIZER, "others/keep");
        // The client reads before it patches.
        server.expect().get().withPath(SNAPSHOT).andReturn(200, snapshot).once();
        server.expect().patch().withPath(SNAPSHOT + "?fieldManager=dormouse-operator").andReturn(200, snapshot).once();

        new SnapshotObjects(client).release(snapshot, "its bytes are freed");

        RecordedRequest request = server.getLastRequest();
        assertThat(request.getHeader("Content-Type")).startsWith("application/merge-patch+json");
        JsonNode sent = new ObjectMapper().readTree(request.getBody().readUtf8()).path("metadata");
        assertThat(sent.path("resourceVersion").asText()).isEqualTo("7");
        assertThat(sent.path("uid").asText()).isEqualTo("uid-1");
        assertThat(sent.path("finalizers")).extracting(JsonNode::asText).containsExactly("others/keep");
    }

    @Test
    void withoutOurFinalizerNothingIsSent() {
        new SnapshotObjects(client).release(snapshot("others/keep"), "its bytes are freed");

        assertThat(server.getRequestCount()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"404,false", "409,true", "403,true"})
    @DisplayName("One that is gone is fine; one that changed since is decided again")
    void whatAReleaseMeets(int code, boolean again) {
        server.expect().get().withPath(SNAPSHOT).andReturn(200, snapshot(SnapshotObjects.FINALIZER)).always();
        server.expect()
                .patch()
                .withPath(SNAPSHOT + "?fieldManager=dormouse-operator")
                .andReturn(code, new StatusBuilder().withCode(code).withStatus("Failure").build())
                .always();
        SnapshotObjects objects = new SnapshotObjects(client);

        if (again) {
            assertThatThrownBy(() -> objects.release(snapshot(SnapshotObjects.FINALIZER), ""))
                    .isInstanceOf(KubernetesClientException.class);
        } else {
            assertThatCode(() -> objects.release(snapshot(SnapshotObjects.FINALIZER), "")).doesNotThrowAnyException();
        }
    }

    @Test
    @DisplayName("Which savers still live is asked of the API server, never of a cache")
    void livePodsAreAskedFor() {
        server.expect()
                .get()
                .withPath("/api/v1/namespaces/team/pods")
                .andReturn(200, new PodListBuilder().addToItems(new PodBuilder().withNewMetadata()
                        .withName("p")
                        .withUid("pod-uid")
                        .endMetadata()
                        .build()).withNewMetadata().endMetadata().build())
                .once();

        assertThat(new VolumeCache(client).livePods(VOLUME)).containsExactly("pod-uid");
    }

    @ParameterizedTest
    @CsvSource({"403", "404"})
    @DisplayName("Without the right to read namespaces nobody knows whether one ends, and nothing is dropped on it")
    void whoMayNotReadNamespacesDropsNothing(int code) {
        server.expect()
                .get()
                .withPath("/api/v1/namespaces/team")
                .andReturn(code,
                        new StatusBuilder().withCode(code)
                                .withStatus("Failure")
                                .build())
                .once();

        assertThat(new VolumeCache(client).namespaceEnds("team")).isFalse();
    }

    private static ModelSnapshot snapshot(String... finalizers) {
        ModelSnapshot snapshot = new ModelSnapshot();
        snapshot.getMetadata().setName("c.one");
        snapshot.getMetadata().setNamespace("team");
        snapshot.getMetadata().setUid("uid-1");
        snapshot.getMetadata().setResourceVersion("7");
        snapshot.getMetadata().setFinalizers(List.of(finalizers));
        snapshot.setSpec(new ModelSnapshotSpec("c", "one", "key", "m", false));
        return snapshot;
    }
}

package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Present;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Refused;
import dev.dormouse.operator.status.ModelView.Rejection;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is sent for each write, and what each answer means. */
@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class PodsTest {
    private static final String PODS = "/api/v1/namespaces/team/pods";
    private static final Pod POD = new PodBuilder().withNewMetadata()
            .withName("m-x")
            .withNamespace("team")
            .endMetadata()
            .build();

    private KubernetesMockServer server;
    private KubernetesClient client;

    @ParameterizedTest
    @CsvSource({"422,spec.containers[0].image: Required value,InvalidPodTemplate,true",
            "400,cannot be decoded,InvalidPodTemplate,true",
            "403,exceeded quota: gpus,QuotaExceeded,false", "403,violates PodSecurity,PodForbidden,false",
            "404,namespaces not found,NamespaceMissing,false"})
    void aRefusedPodSaysWhyAndWhetherItIsForGood(int code, String message, String reason, boolean forGood) {
        answer("POST", PODS, code, message);

        Rejection rejection = ((Refused) pods().create(POD)).why();

        assertThat(rejection.problem().reason()).isEqualTo(reason);
        assertThat(rejection.problem().message()).contains(message);
        assertThat(rejection.forGood()).isEqualTo(forGood);
    }

    @Test
    @DisplayName("A webhook that fails (500) is said, and tried again after a pause; any other failure of the API server at once")
    void aWebhookThatFailsIsSaid() {
        try (KubernetesClient once = new KubernetesClientBuilder().withConfig(
                new ConfigBuilder(client.getConfiguration()).withRequestRetryBackoffLimit(0).build()).build()) {
            Pods pods = new Pods(once, new ModelKey("team", "m"));
            answer("POST", PODS, 500, "Internal error occurred: failed calling webhook \"gate\": connection refused");

            Rejection rejection = ((Refused) pods.create(POD)).why();

            assertThat(rejection.problem().reason()).isEqualTo("WebhookFailed");
            assertThat(rejection.forGood()).isFalse();
            server.clearExpectations();
            answer("POST", PODS, 500, "etcdserver: leader changed");
            assertThatThrownBy(() -> pods.create(POD)).isInstanceOf(KubernetesClientException.class);
        }
    }

    @Test
    @DisplayName("A stale cache gives 409, never a second pod, and nothing is wrong then")
    void aPodThatIsThereAlreadyIsFine() {
        answer("POST", PODS, 409, "exists");

        assertThat(pods().create(POD)).isEqualTo(new Present());
    }

    @Test
    void anyOtherAnswerIsTriedAgainByTheCaller() {
        answer("POST", PODS, 401, "the token is out of date");

        assertThatThrownBy(() -> pods().create(POD)).isInstanceOf(KubernetesClientException.class);
    }

    @Test
    void theDrainMarkNamesThePodItWasDecidedFor() throws Exception {
        // The client reads before it patches.
        server.expect().get().withPath(PODS + "/m-x").andReturn(200, POD).once();
        server.expect().patch().withPath(PODS + "/m-x?fieldManager=dormouse-operator").andReturn(200, POD).once();

        pods().markDraining("m-x", "uid-1", "it is idle");

        assertThat(server.getLastRequest().getMethod()).isEqualTo("PATCH");
        assertThat(server.getLastRequest().getBody().readUtf8())
                .isEqualTo("{\"metadata\":{\"uid\":\"uid-1\",\"annotations\":{\"dormouse.dev/draining\":\"true\"}}}");
    }

    @ParameterizedTest
    @CsvSource({"404", "409"})
    void aPodThatIsGoneOrAnotherOneIsLeftAlone(int code) {
        answer("PATCH", PODS + "/m-x?fieldManager=dormouse-operator", code, "gone");
        answer("DELETE", PODS + "/m-x", code, "gone");

        assertThatCode(() -> pods().markDraining("m-x", "uid-1", "it is idle")).doesNotThrowAnyException();
        assertThatCode(() -> pods().delete("m-x", "7", "it is idle")).doesNotThrowAnyException();
    }

    @Test
    @DisplayName("A pod is deleted only as it was seen: one that changed since is decided again")
    void aDeletionNamesTheVersionItWasDecidedOn() throws Exception {
        server.expect().delete().withPath(PODS + "/m-x").andReturn(200, POD).once();

        pods().delete("m-x", "7", "it is idle");

        assertThat(server.getLastRequest().getBody().readUtf8()).contains("\"resourceVersion\":\"7\"");
    }

    @Test
    void aClaimOrTemplateThatIsThereAlreadyIsFine() {
        answer("POST", "/api/v1/namespaces/team/persistentvolumeclaims", 409, "exists");
        answer("POST", "/apis/resource.k8s.io/v1/namespaces/team/resourceclaimtemplates", 409, "exists");

        assertThatCode(() -> pods().create(new PersistentVolumeClaimBuilder().withNewMetadata()
                .withName("c")
                .withNamespace("team")
                .endMetadata()
                .build())).doesNotThrowAnyException();
        assertThatCode(() -> pods().create(new GenericKubernetesResourceBuilder()
                .withApiVersion("resource.k8s.io/v1")
                .withKind("ResourceClaimTemplate")
                .withNewMetadata()
                .withName("t")
                .withNamespace("team")
                .endMetadata()
                .build())).doesNotThrowAnyException();
    }

    private Pods pods() {
        return new Pods(client, new ModelKey("team", "m"));
    }

    private void answer(String method, String path, int code, String message) {
        var status = new StatusBuilder().withCode(code).withMessage(message).withStatus("Failure").build();
        switch (method) {
            case "POST" -> server.expect().post().withPath(path).andReturn(code, status).always();
            case "PATCH" -> server.expect().patch().withPath(path).andReturn(code, status).always();
            default -> server.expect().delete().withPath(path).andReturn(code, status).always();
        }
    }
}

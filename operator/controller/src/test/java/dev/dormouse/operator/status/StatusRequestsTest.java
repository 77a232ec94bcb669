package dev.dormouse.operator.status;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import io.fabric8.mockwebserver.http.RecordedRequest;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the writer of status sends, and what each answer means. */
@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class StatusRequestsTest {
    private static final String STATUS = "/apis/dormouse.dev/v1alpha1/namespaces/team/inferencemodels/m/status"
            + "?fieldManager=dormouse-operator&force=true";

    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("Design §4: one server-side apply to the status subresource, of status alone, that never names demand")
    void oneApplyOfStatusAlone() throws Exception {
        InferenceModel model = model("7");
        InferenceModelStatus cached = new InferenceModelStatus();
        cached.demand = new InferenceModelStatus.Demand("2026-11-21T10:00:00.123456Z");
        model.setStatus(cached);
        server.expect().patch().withPath(STATUS).andReturn(200, model("8")).once();

        assertThat(new StatusWriter(client).write(model, status("Cold"))).isTrue();

        RecordedRequest request = server.getLastRequest();
        assertThat(request.getMethod()).isEqualTo("PATCH");
        assertThat(request.getHeader("Content-Type")).startsWith("application/apply-patch+yaml");
        JsonNode sent = new ObjectMapper().readTree(request.getBody().readUtf8());
        assertThat(sent.at("/status/rung").asText()).isEqualTo("Cold");
        assertThat(sent.at("/status/demand").isMissingNode()).isTrue();
        assertThat(sent.path("spec").isMissingNode()).isTrue();
        assertThat(sent.at("/metadata/resourceVersion").isMissingNode()).as("an apply meets no conflict").isTrue();
    }

    @Test
    @DisplayName("/scale: what HPA and KEDA read through the paths that the CRD names is in the status that is sent")
    void whatScaleReadsIsSent() throws Exception {
        JsonNode scale;
        try (InputStream crd = Objects.requireNonNull(
                InferenceModel.class.getResourceAsStream("/crds/inferencemodels.dormouse.dev.yaml"))) {
            scale = client.getKubernetesSerialization()
                    .convertValue(client.getKubernetesSerialization().unmarshal(crd), JsonNode.class)
                    .at("/spec/versions/0/subresources/scale");
        }
        server.expect().patch().withPath(STATUS).andReturn(200, model("8")).once();
        ModelStatus status = status("Resident");
        status.replicas = 3;
        status.selector = "dormouse.dev/model=m";

        new StatusWriter(client).write(model("7"), status);

        JsonNode sent = new ObjectMapper().readTree(server.getLastRequest().getBody().readUtf8());
        assertThat(sent.at(pointer(scale, "statusReplicasPath")).asInt()).isEqualTo(3);
        assertThat(sent.at(pointer(scale, "labelSelectorPath")).asText()).isEqualTo("dormouse.dev/model=m");
        assertThat(scale.path("specReplicasPath").asText()).as("what they write, and we never do")
                .isEqualTo(".spec.replicas");
    }

    private static String pointer(JsonNode scale, String path) {
        return scale.path(path).asText().replace('.', '/');
    }

    @Test
    @DisplayName("Design §4: what is written already is not sent again, though the cache is behind; what others wrote since is compared anew")
    void nothingIsSentTwice() {
        server.expect().patch().withPath(STATUS).andReturn(200, model("8")).times(2);
        StatusWriter writer = new StatusWriter(client);
        writer.write(model("7"), status("Cold"));
        int sent = server.getRequestCount();

        assertThat(writer.write(model("7"), status("Cold"))).isFalse();
        assertThat(server.getRequestCount()).isEqualTo(sent);

        assertThat(writer.write(model("9"), status("Cold"))).as("somebody removed it since").isTrue();
    }

    @Test
    void aModelThatIsGoneIsNoError() {
        answer(404);

        assertThat(new StatusWriter(client).write(model("7"), status("Cold"))).isFalse();
    }

    @ParameterizedTest
    @ValueSource(ints = {403, 409, 422})
    @DisplayName("A refusal reaches the reconcile, which is tried again; nothing counts as written")
    void aRefusalIsTriedAgainByTheCaller(int code) {
        answer(code);
        StatusWriter writer = new StatusWriter(client);

        assertThatThrownBy(() -> writer.write(model("7"), status("Cold")))
                .isInstanceOf(KubernetesClientException.class);
        assertThat(writer.latest(model("7")).rung).isNull();
    }

    private void answer(int code) {
        server.expect()
                .patch()
                .withPath(STATUS)
                .andReturn(code, new StatusBuilder().withCode(code).withStatus("Failure").withMessage("no").build())
                .always();
    }

    private InferenceModel model(String version) {
        InferenceModel model = Objects.requireNonNull(client.resources(InferenceModel.class)
                .load(new ByteArrayInputStream("""
                                               apiVersion: dormouse.dev/v1alpha1
                                               kind: InferenceModel
                                               metadata: {name: m, namespace: team, uid: uid-1}
                                               spec: {model: {uri: "file:///m"}, engine: {image: "engine:1"}}
                                               """.getBytes(StandardCharsets.UTF_8)))
                .item());
        model.getMetadata().setResourceVersion(version);
        return model;
    }

    private static ModelStatus status(String rung) {
        ModelStatus status = new ModelStatus();
        status.rung = rung;
        return status;
    }
}

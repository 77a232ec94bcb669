package dev.dormouse.operator.observe;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.MovableClock;
import dev.dormouse.operator.status.ModelEvent;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is sent for an event, and what each answer means. */
@EnableKubernetesMockClient(https = false)
@SuppressWarnings("NullAway.Init") // the extension fills the fields
class EventRecorderTest {
    private static final String EVENTS = "/api/v1/namespaces/team/events";

    private KubernetesMockServer server;
    private KubernetesClient client;

    @Test
    @DisplayName("H33: an event names its model by UID, its reason and who tells it; its name follows from what it is about")
    void anEventIsAboutItsModel() throws Exception {
        server.expect().post().withPath(EVENTS).andReturn(201, new Event()).once();

        recorder().record(model(), event("WarmupSlow", "pod-1", "took 9 s"));

        JsonNode sent = new ObjectMapper().readTree(server.getLastRequest().getBody().readUtf8());
        assertThat(sent.at("/involvedObject/kind").asText()).isEqualTo("InferenceModel");
        assertThat(sent.at("/involvedObject/uid").asText()).isEqualTo("uid-1");
        assertThat(sent.path("reason").asText()).isEqualTo("WarmupSlow");
        assertThat(sent.path("type").asText()).isEqualTo("Warning");
        assertThat(sent.path("message").asText()).isEqualTo("took 9 s");
        assertThat(sent.path("reportingComponent").asText()).isEqualTo("dormouse-operator");
        assertThat(sent.at("/metadata/name").asText()).matches("m\\.[0-9a-f]{16}");
    }

    @Test
    @DisplayName("The same reason about the same thing is told once; about another thing it is another event")
    void theSameIsToldOnce() {
        server.expect().post().withPath(EVENTS).andReturn(201, new Event()).times(2);
        EventRecorder recorder = recorder();

        assertThat(recorder.record(model(), event("WarmupSlow", "pod-1", "took 9 s"))).isTrue();
        assertThat(recorder.record(model(), event("WarmupSlow", "pod-1", "took 10 s"))).isFalse();
        assertThat(recorder.record(model(), event("WarmupSlow", "pod-2", "took 9 s"))).isTrue();
        assertThat(server.getRequestCount()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(ints = {409, 403, 404})
    @DisplayName("An event that is there already, or that nobody may write, holds nothing up")
    void noWakeWaitsForAnEvent(int code) {
        server.expect()
                .post()
                .withPath(EVENTS)
                .andReturn(code, new StatusBuilder().withCode(code).withStatus("Failure").build())
                .once();

        assertThat(recorder().record(model(), event("Slept", "1", "m"))).isTrue();
        assertThat(server.getRequestCount()).isEqualTo(1);
    }

    @Test
    @DisplayName("The API takes messages of 1 KiB")
    void aLongMessageIsCut() throws Exception {
        server.expect().post().withPath(EVENTS).andReturn(201, new Event()).once();

        recorder().record(model(), event("WarmupFailed", "1", "x".repeat(5_000)));

        JsonNode sent = new ObjectMapper().readTree(server.getLastRequest().getBody().readUtf8());
        assertThat(sent.path("message").asText()).hasSize(1_024);
    }

    private EventRecorder recorder() {
        return new EventRecorder(client, new MovableClock());
    }

    private static ModelEvent event(String reason, String about, String message) {
        return new ModelEvent(true, reason, message, about);
    }

    private static InferenceModel model() {
        InferenceModel model = new InferenceModel();
        model.getMetadata().setName("m");
        model.getMetadata().setNamespace("team");
        model.getMetadata().setUid("uid-1");
        return model;
    }
}

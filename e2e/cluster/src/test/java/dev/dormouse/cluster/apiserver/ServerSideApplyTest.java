package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.apiserver.Api.Answer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who owns a field, who may change it, and what disappears when nobody wants it any more. */
class ServerSideApplyTest {
    @TempDir
    private static Path folder;
    private static Api api;

    @BeforeAll
    static void start() {
        api = Api.withModels(folder);
    }

    @AfterAll
    static void stop() {
        api.close();
    }

    @Test
    void createsWhatIsNotThereAndOwnsExactlyWhatItSaid() {
        Answer created = api.apply(Api.MODELS + "/fresh", "gitops", model("fresh", "engine: {image: 'e:1'}"));

        assertThat(created.code()).isEqualTo(201);
        JsonNode entry = created.at("/metadata/managedFields/0");
        assertThat(entry.at("/manager").asText()).isEqualTo("gitops");
        assertThat(entry.at("/operation").asText()).isEqualTo("Apply");
        assertThat(entry.at("/fieldsV1")).as("defaults are owned by nobody")
                .hasToString(
                        "{\"f:spec\":{\"f:model\":{\"f:uri\":{}},\"f:engine\":{\"f:image\":{}}}}");
        assertThat(created.at("/spec/engine/port").asInt()).isEqualTo(8000);
    }

    @Test
    void theSameApplyAgainIsNotAWrite() {
        Answer first = api.apply(Api.MODELS + "/same", "gitops", model("same", "engine: {image: 'e:1'}"));
        Answer second = api.apply(Api.MODELS + "/same", "gitops", model("same", "engine: {image: 'e:1'}"));

        assertThat(second.code()).isEqualTo(200);
        assertThat(second.body()).isEqualTo(first.body());
    }

    @Test
    void aFieldOfAnotherManagerIsAConflictThatNamesBoth() {
        api.apply(Api.MODELS + "/contested", "a", model("contested", "engine: {image: 'e:1'}"));

        Answer conflict = api.apply(Api.MODELS + "/contested", "b",
                "{metadata: {name: contested}, spec: {engine: {image: 'e:2'}, replicas: 3}}");

        assertThat(conflict.code()).isEqualTo(409);
        assertThat(conflict.at("/details/causes")).hasSize(1);
        assertThat(conflict.at("/details/causes/0/reason").asText()).isEqualTo("FieldManagerConflict");
        assertThat(conflict.at("/details/causes/0/field").asText()).isEqualTo(".spec.engine.image");
        assertThat(conflict.at("/details/causes/0/message").asText()).isEqualTo("conflict with \"a\"");
        assertThat(api.get(Api.MODELS + "/contested").at("/spec/replicas").asInt()).isZero();
    }

    @Test
    void forceTakesTheFieldOver() {
        api.apply(Api.MODELS + "/forced", "a", model("forced", "engine: {image: 'e:1'}"));

        Answer forced = api.send("PATCH", Api.MODELS + "/forced?fieldManager=b&force=true", Api.APPLY,
                "{metadata: {name: forced}, spec: {engine: {image: 'e:2'}}}");

        assertThat(forced.code()).isEqualTo(200);
        assertThat(fieldsOf(forced, "a")).hasToString("{\"f:spec\":{\"f:model\":{\"f:uri\":{}}}}");
        assertThat(fieldsOf(forced, "b")).hasToString("{\"f:spec\":{\"f:engine\":{\"f:image\":{}}}}");
    }

    @Test
    void theSameValueIsSharedAndStaysUntilTheLastOwnerDropsIt() {
        String shared = "{metadata: {name: shared, labels: {team: x}}}";
        api.apply(Api.CONFIG_MAPS + "/shared", "a", shared);
        assertThat(api.apply(Api.CONFIG_MAPS + "/shared", "b", shared).code()).isEqualTo(200);

        Answer first = api.apply(Api.CONFIG_MAPS + "/shared", "a", "{metadata: {name: shared}}");
        assertThat(first.at("/metadata/labels/team").asText()).isEqualTo("x");
        Answer last = api.apply(Api.CONFIG_MAPS + "/shared", "b", "{metadata: {name: shared}}");

        assertThat(last.at("/metadata").has("labels")).isFalse();
        assertThat(last.at("/metadata/managedFields")).isEmpty();
    }

    @Test
    void aFieldNoLongerAppliedGoesAndADefaultComesBack() {
        api.apply(Api.MODELS + "/dropped", "a", model("dropped", "replicas: 4, engine: {image: 'e:1', args: [x]}"));

        Answer dropped = api.apply(Api.MODELS + "/dropped", "a", model("dropped", "engine: {image: 'e:1'}"));

        assertThat(dropped.at("/spec/replicas").asInt()).isZero();
        assertThat(dropped.at("/spec/engine").has("args")).isFalse();
    }

    @Test
    void whatAnUpdateChangesBelongsToItsWriter() {
        api.apply(Api.MODELS + "/updated", "a", model("updated", "replicas: 1, engine: {image: 'e:1'}"));
        api.patch(Api.MODELS + "/updated?fieldManager=hand", Api.MERGE, "{\"spec\": {\"replicas\": 2}}");

        Answer conflict = api.apply(Api.MODELS + "/updated", "a",
                model("updated", "replicas: 1, engine: {image: 'e:1'}"));
        assertThat(conflict.code()).isEqualTo(409);
        assertThat(conflict.at("/details/causes/0/message").asText())
                .isEqualTo("conflict with \"hand\" using dormouse.dev/v1alpha1");

        Answer withoutIt = api.apply(Api.MODELS + "/updated", "a", model("updated", "engine: {image: 'e:1'}"));
        assertThat(withoutIt.at("/spec/replicas").asInt()).as("hand still owns it").isEqualTo(2);
    }

    @Test
    void listsAreMergedByKeyAndItemsGoWithTheirOwner() {
        String a = "{metadata: {name: keyed}, spec: {containers: [{name: main, image: m, env: [{name: A, value: '1'}]}]}}";
        String b = "{metadata: {name: keyed}, spec: {containers: [{name: main, env: [{name: B, value: '2'}]}]}}";
        api.apply(Api.PODS + "/keyed", "a", a);
        // The spec of a pod is fixed after creation, so ownership in lists is shown on a pod's status.
        String ready = "{metadata: {name: keyed}, status: {conditions: [{type: Ready, status: 'True'}]}}";
        String own = "{metadata: {name: keyed}, status: {conditions: [{type: Own, status: 'False', reason: Why}]}}";
        api.apply(Api.PODS + "/keyed/status", "kubelet", ready);
        Answer both = api.apply(Api.PODS + "/keyed/status", "operator", own);

        assertThat(both.at("/status/conditions").findValuesAsText("type")).containsExactly("Ready", "Own");
        assertThat(fieldsOf(both, "operator"))
                .hasToString("{\"f:status\":{\"f:conditions\":{\"k:{\\\"type\\\":\\\"Own\\\"}\":"
                        + "{\".\":{},\"f:type\":{},\"f:status\":{},\"f:reason\":{}}}}}");
        Answer left = api.apply(Api.PODS + "/keyed/status", "operator", "{metadata: {name: keyed}}");
        assertThat(left.at("/status/conditions").findValuesAsText("type")).containsExactly("Ready");
        assertThat(api.apply(Api.PODS + "/keyed", "b", b).code()).as("adding env to a running pod").isEqualTo(422);
    }

    @Test
    void anItemThatSomebodyElseUsesLosesOnlyTheFieldsOfTheOneWhoLeft() {
        api.apply(Api.PODS + "/left", "a", "{metadata: {name: left}, spec: {containers: [{name: main, image: m}]}}");
        api.apply(Api.PODS + "/left/status", "one",
                "{metadata: {name: left}, status: {conditions: [{type: C, status: 'True', reason: R}]}}");
        api.apply(Api.PODS + "/left/status", "two",
                "{metadata: {name: left}, status: {conditions: [{type: C, message: hello}]}}");

        Answer left = api.apply(Api.PODS + "/left/status", "one", "{metadata: {name: left}}");

        assertThat(left.at("/status/conditions/0")).hasToString("{\"type\":\"C\",\"message\":\"hello\"}");
    }

    @Test
    void theStatusIsAppliedOnItsOwnAndTheSpecWithoutIt() {
        api.apply(Api.MODELS + "/states", "user", model("states", "engine: {image: 'e:1'}"));
        String demand = "{metadata: {name: states}, spec: {replicas: 9}, status: {demand: {requestedAt: '2026-01-01T00:00:00.000001Z'}}}";

        Answer status = api.apply(Api.MODELS + "/states/status", "dormouse-gateway", demand);
        assertThat(status.at("/status/demand/requestedAt").asText()).endsWith("000001Z");
        assertThat(status.at("/spec/replicas").asInt()).isZero();
        assertThat(status.at("/metadata/generation").asInt()).isEqualTo(1);
        assertThat(status.at("/metadata/managedFields/1/subresource").asText()).isEqualTo("status");

        Answer operator = api.apply(Api.MODELS + "/states/status", "dormouse-operator",
                "{metadata: {name: states}, status: {rung: Cold, replicas: 0}}");
        assertThat(operator.at("/status/demand/requestedAt").asText()).as("nobody else removes it").endsWith("000001Z");
        Answer spec = api.apply(Api.MODELS + "/states", "user", model("states", "engine: {image: 'e:2'}"));
        assertThat(spec.at("/status/rung").asText()).isEqualTo("Cold");
        assertThat(spec.at("/metadata/generation").asInt()).isEqualTo(2);
        assertThat(api.apply(Api.MODELS + "/nobody/status", "m", "{metadata: {name: nobody}, status: {}}").code())
                .isEqualTo(404);
    }

    @Test
    void anApplyOnAnOldVersionIsAConflict() {
        Answer created = api.apply(Api.CONFIG_MAPS + "/versioned", "a",
                "{metadata: {name: versioned}, data: {k: '1'}}");
        String onVersion = "{metadata: {name: versioned, resourceVersion: '%s'}, data: {k: '%s'}}";

        assertThat(api.apply(Api.CONFIG_MAPS + "/versioned", "a", onVersion.formatted(created.version(), "2")).code())
                .isEqualTo(200);
        assertThat(api.apply(Api.CONFIG_MAPS + "/versioned", "a", onVersion.formatted(created.version(), "3")).code())
                .isEqualTo(409);
        assertThat(api.apply(Api.CONFIG_MAPS + "/absent", "a",
                "{metadata: {name: absent, resourceVersion: '5'}}").code()).isEqualTo(409);
    }

    @Test
    void whatIsNotAnApplyIsRefused() {
        assertThat(api.send("PATCH", Api.CONFIG_MAPS + "/x", Api.APPLY, "{metadata: {name: x}}").message())
                .contains("fieldManager: Required value");
        assertThat(api.apply(Api.CONFIG_MAPS + "/x", "a", "{metadata: {name: x, managedFields: [{manager: me}]}}")
                .message()).contains("managedFields must be nil");
        assertThat(api.apply(Api.MODELS + "/x", "a", model("x", "engine: {image: e, imgae: f}")).message())
                .contains(".spec.engine.imgae: field not declared in schema");
        assertThat(api.apply(Api.PODS + "/x", "a",
                "{metadata: {name: x}, spec: {containers: [{image: m}]}}").code()).as("an item without its key")
                .isEqualTo(400);
    }

    @Test
    void ownershipCanBeTakenOverByWritingManagedFields() {
        api.post(Api.CONFIG_MAPS + "?fieldManager=old", Api.configMap("migrated", "\"a\": \"1\""));

        Answer reset = api.patch(Api.CONFIG_MAPS + "/migrated?fieldManager=old", Api.MERGE,
                "{\"metadata\": {\"managedFields\": []}}");

        assertThat(reset.at("/metadata/managedFields")).isEmpty();
        assertThat(
                api.apply(Api.CONFIG_MAPS + "/migrated", "new", "{metadata: {name: migrated}, data: {a: '2'}}").code())
                .isEqualTo(200);
    }

    private static String model(String name, String spec) {
        return "{metadata: {name: %s}, spec: {model: {uri: 'pvc://m/a'}, %s}}".formatted(name, spec);
    }

    private static JsonNode fieldsOf(Answer answer, String manager) {
        List<JsonNode> entries = answer.at("/metadata/managedFields")
                .valueStream()
                .filter(entry -> entry.path("manager").asText().equals(manager))
                .toList();
        return entries.isEmpty() ? Json.MAPPER.missingNode() : entries.getFirst().path("fieldsV1");
    }
}

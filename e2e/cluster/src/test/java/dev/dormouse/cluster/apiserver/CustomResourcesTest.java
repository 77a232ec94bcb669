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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A type that a CustomResourceDefinition brings: here the one that users install. */
class CustomResourcesTest {
    private static final String CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
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
    void isEstablishedWhenItsCreationReturns() {
        JsonNode crd = api.get(CRDS + "/inferencemodels.dormouse.dev").body();

        assertThat(crd.at("/status/conditions").findValuesAsText("type")).containsExactly("NamesAccepted",
                "Established");
        assertThat(crd.at("/status/conditions").findValuesAsText("status")).containsOnly("True");
        assertThat(crd.at("/status/acceptedNames/listKind").asText()).isEqualTo("InferenceModelList");
        assertThat(api.get(Api.MODELS).at("/kind").asText()).isEqualTo("InferenceModelList");
    }

    @Test
    void missingFieldsGetTheirDefaultsAtEveryDepth() {
        Answer model = api.post(Api.MODELS, Api.model("defaults", ", \"requests\": {\"concurrencyLimit\": 64}"));

        assertThat(model.at("/spec/requests/queueTimeoutSeconds").asInt()).isEqualTo(300);
        assertThat(model.at("/spec/requests/concurrencyLimit").asInt()).isEqualTo(64);
        assertThat(model.at("/spec/scaling/initialStart").asText()).isEqualTo("Once");
        assertThat(model.at("/spec/engine/port").asInt()).isEqualTo(8000);
        assertThat(model.at("/metadata/generation").asInt()).isEqualTo(1);
    }

    @Test
    void unknownFieldsAreRefusedOrDroppedAsTheClientAsks() {
        String typo = Api.model("typo", ", \"replcas\": 1, \"podTemplate\": {\"anything\": {\"goes\": true}}");

        Answer strict = api.post(Api.MODELS + "?fieldValidation=Strict", typo);
        Answer warned = api.post(Api.MODELS, typo);

        assertThat(strict.code()).isEqualTo(400);
        assertThat(strict.message()).contains("strict decoding error: unknown field \"spec.replcas\"");
        assertThat(warned.code()).isEqualTo(201);
        assertThat(warned.warnings()).hasSize(1).first().asString().contains("spec.replcas");
        assertThat(warned.at("/spec").has("replcas")).isFalse();
        assertThat(warned.at("/spec/podTemplate/anything/goes").asBoolean()).isTrue();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            ", \"replicas\": -1 | spec.replicas | should be greater than or equal to 0",
            ", \"replicas\": \"many\" | spec.replicas | must be of type integer: \"string\"",
            ", \"replicas\": 1.5 | spec.replicas | must be of type integer: \"number\"",
            ", \"scaling\": {\"initialStart\": \"Maybe\"} | spec.scaling.initialStart | supported values: \"Never\", \"Once\"",
            ", \"snapshot\": {\"size\": \"big\"} | spec.snapshot.size | should match",
            ", \"model\": {} | spec.model.uri | Required value",
            ", \"engine\": [] | spec.engine | must be of type object: \"array\"",
            ", \"scaling\": {\"minReplicas\": 3} | spec.scaling | scaling.minReplicas must not exceed scaling.maxReplicas"})
    void whatTheSchemaForbidsIsRefusedByField(String spec, String field, String message) {
        Answer refused = api.post(Api.MODELS, Api.model("refused", spec));

        assertThat(refused.code()).isEqualTo(422);
        assertThat(refused.reason()).isEqualTo("Invalid");
        assertThat(refused.message()).startsWith("InferenceModel.dormouse.dev \"refused\" is invalid: ");
        assertThat(refused.at("/details/causes/0/field").asText()).isEqualTo(field);
        assertThat(refused.at("/details/causes/0/message").asText()).contains(message);
    }

    @Test
    void everyViolationIsReportedAtOnce() {
        Answer refused = api.post(Api.MODELS,
                Api.model("many", ", \"replicas\": -1, \"model\": {\"uri\": \"nowhere\"}"));

        assertThat(refused.at("/details/causes").findValuesAsText("field")).containsExactlyInAnyOrder("spec.replicas",
                "spec.model.uri");
    }

    @Test
    void anUpdateIsCheckedLikeACreation() {
        api.post(Api.MODELS, Api.model("checked", ""));
        String path = Api.MODELS + "/checked";

        assertThat(api.patch(path, Api.MERGE, "{\"spec\": {\"scaling\": {\"minReplicas\": 2}}}").code()).isEqualTo(422);
        assertThat(api.patch(path, Api.MERGE, "{\"spec\": {\"model\": null}}").message())
                .contains("spec.model: Required");
        assertThat(api.patch(path + "/status", Api.MERGE, "{\"status\": {\"replicas\": \"x\"}}").code()).isEqualTo(422);
        assertThat(api.patch(path, Api.STRATEGIC, "{}").code()).isEqualTo(415);
        assertThat(api.put(path, Api.model("checked", "")).message()).contains("must be specified for an update");
    }

    @Test
    void specAndStatusAreWrittenSeparatelyAndOnlyTheSpecCounts() {
        String path = Api.MODELS + "/apart";
        api.post(Api.MODELS, Api.model("apart", "").replace("\"spec\"", "\"status\": {\"rung\": \"Cold\"}, \"spec\""));
        assertThat(api.get(path).body().has("status")).as("not set at creation").isFalse();

        Answer status = api.patch(path + "/status", Api.MERGE,
                "{\"spec\": {\"replicas\": 5}, \"status\": {\"rung\": \"Volume\"}}");
        assertThat(status.at("/spec/replicas").asInt()).isZero();
        assertThat(status.at("/metadata/generation").asInt()).isEqualTo(1);
        Answer spec = api.patch(path, Api.MERGE, "{\"spec\": {\"replicas\": 5}, \"status\": {\"rung\": \"Cold\"}}");
        assertThat(spec.at("/status/rung").asText()).isEqualTo("Volume");
        assertThat(spec.at("/metadata/generation").asInt()).isEqualTo(2);
        Answer label = api.patch(path, Api.MERGE, "{\"metadata\": {\"labels\": {\"a\": \"b\"}, \"generation\": 77}}");
        assertThat(label.at("/metadata/generation").asInt()).isEqualTo(2);
    }

    @Test
    void scaleShowsAndSetsTheReplicas() {
        String path = Api.MODELS + "/scaled";
        api.post(Api.MODELS, Api.model("scaled", ""));
        api.patch(path + "/status", Api.MERGE,
                "{\"status\": {\"replicas\": 1, \"selector\": \"dormouse.dev/model=scaled\"}}");

        Answer scale = api.get(path + "/scale");
        assertThat(scale.at("/kind").asText()).isEqualTo("Scale");
        assertThat(scale.at("/status/replicas").asInt()).isEqualTo(1);
        assertThat(scale.at("/status/selector").asText()).isEqualTo("dormouse.dev/model=scaled");
        assertThat(api.patch(path + "/scale", Api.MERGE, "{\"spec\": {\"replicas\": 2}}").at("/spec/replicas").asInt())
                .isEqualTo(2);
        assertThat(
                api.put(path + "/scale", "{\"metadata\": {\"name\": \"scaled\"}, \"spec\": {\"replicas\": 3}}").code())
                .isEqualTo(200);
        assertThat(api.patch(path + "/scale", Api.MERGE, "{\"spec\": {\"replicas\": -2}}").code()).isEqualTo(422);
        Answer model = api.get(path);
        assertThat(model.at("/spec/replicas").asInt()).isEqualTo(3);
        assertThat(model.at("/metadata/generation").asInt()).isEqualTo(3);
        assertThat(api.get(Api.PODS + "/scaled/scale").code()).isEqualTo(404);
    }

    @Test
    void columnsAreThoseOfTheDefinition() {
        api.post(Api.MODELS, Api.model("shown", ""));
        api.patch(Api.MODELS + "/shown/status", Api.MERGE,
                """
                {"status": {"rung": "Cold", "conditions": [{"type": "Serving", "status": "False", "reason": "No"},
                  {"type": "Ready", "status": "True", "reason": "ScaledToZero"}]}}""");

        Answer table = api.getAccepting(Api.MODELS + "?fieldSelector=metadata.name%3Dshown",
                "application/json;as=Table;v=v1;g=meta.k8s.io");

        List<String> names = table.at("/columnDefinitions").findValuesAsText("name");
        JsonNode cells = table.at("/rows/0/cells");
        assertThat(names).contains("Name", "Ready", "Reason", "Rung");
        assertThat(cells.get(names.indexOf("Ready")).asText()).isEqualTo("True");
        assertThat(cells.get(names.indexOf("Reason")).asText()).isEqualTo("ScaledToZero");
        assertThat(cells.get(names.indexOf("Last-Wake")).isNull()).isTrue();
    }

    @Test
    void rulesSeeTheOldValueAndWordTheirOwnMessage() {
        api.controlPlane()
                .apply(definition("Widget",
                        """
                        type: object
                        properties:
                          spec:
                            type: object
                            properties:
                              size: {type: integer}
                              names: {type: array, items: {type: string}, x-kubernetes-list-type: set}
                            x-kubernetes-validations:
                            - {rule: 'self.size >= oldSelf.size', message: size must not shrink}
                            - {rule: 'self.size < 100', messageExpression: '"size " + string(self.size) + " is too big"'}
                        """));
        String widgets = "/apis/test.dev/v1/namespaces/default/widgets";
        assertThat(api.post(widgets,
                "{\"apiVersion\": \"test.dev/v1\", \"kind\": \"Widget\", \"metadata\": {\"name\": \"w\"}, \"spec\": {\"size\": 5}}")
                .code())
                .isEqualTo(201);

        assertThat(api.patch(widgets + "/w", Api.MERGE, "{\"spec\": {\"size\": 4}}").message())
                .contains("spec: Invalid value: \"object\": size must not shrink");
        assertThat(api.patch(widgets + "/w", Api.MERGE, "{\"spec\": {\"size\": 400}}").message())
                .contains("size 400 is too big");
        assertThat(api.patch(widgets + "/w", Api.MERGE, "{\"spec\": {\"names\": [\"a\", \"a\"]}}").message())
                .contains("Duplicate value");
    }

    @Test
    void aRuleThatCannotBeEvaluatedRefusesTheWrite() {
        api.controlPlane().apply(definition("Riddle", """
                                                      type: object
                                                      x-kubernetes-validations:
                                                      - {rule: 'this is not CEL'}
                                                      """));

        Answer refused = api.post("/apis/test.dev/v1/namespaces/default/riddles",
                "{\"apiVersion\": \"test.dev/v1\", \"kind\": \"Riddle\", \"metadata\": {\"name\": \"r\"}}");

        assertThat(refused.code()).isEqualTo(422);
        assertThat(refused.message()).contains("this is not CEL");
    }

    @Test
    void definitionsThatCannotBeServedAreRefused() {
        String base = definition("Thing", "type: object");
        assertThat(create(base.replace("name: things.test.dev", "name: wrong")).message()).contains("metadata.name");
        assertThat(
                create(base.replace("  - name: v1\n", "  - {name: v0, served: true, storage: false}\n  - name: v1\n"))
                        .message())
                .contains("exactly one version");
        assertThat(create(base.replace("scope: Namespaced", "scope: Namespaced\n  conversion: {strategy: Webhook}"))
                .message()).contains("conversion");
        assertThat(create(base + "    additionalPrinterColumns: [{name: A, type: string, jsonPath: 'len(.x)'}]\n")
                .message())
                .contains("unsupported JSON path");
        assertThat(api.get("/apis/test.dev/v1/namespaces/default/things").code()).isEqualTo(404);
    }

    private static Answer create(String yaml) {
        return api.send("POST", CRDS, "application/yaml", yaml);
    }

    private static String definition(String kind, String schema) {
        String plural = kind.toLowerCase(java.util.Locale.ROOT) + "s";
        return """
               apiVersion: apiextensions.k8s.io/v1
               kind: CustomResourceDefinition
               metadata:
                 name: %s.test.dev
               spec:
                 group: test.dev
                 names: {kind: %s, plural: %s}
                 scope: Namespaced
                 versions:
                 - name: v1
                   served: true
                   storage: true
                   schema:
                     openAPIV3Schema:
               %s""".formatted(plural, kind, plural, schema.indent(12));
    }
}

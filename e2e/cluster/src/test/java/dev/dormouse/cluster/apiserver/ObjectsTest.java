package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Api.Answer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Creating, reading, replacing and patching objects. */
class ObjectsTest {
    @TempDir
    private static Path folder;
    private static Api api;

    @BeforeAll
    static void start() {
        api = new Api(folder);
    }

    @AfterAll
    static void stop() {
        api.close();
    }

    @Test
    void aNewObjectGetsItsIdentity() {
        Answer created = api.post(Api.CONFIG_MAPS, Api.configMap("identity", "\"a\": \"1\""));

        assertThat(created.code()).isEqualTo(201);
        assertThat(created.at("/metadata/uid").asText()).hasSize(36);
        assertThat(created.at("/metadata/namespace").asText()).isEqualTo("default");
        assertThat(created.at("/metadata/creationTimestamp").asText()).endsWith("Z");
        assertThat(created.version()).matches("\\d+");
        assertThat(api.get(Api.CONFIG_MAPS + "/identity").body()).isEqualTo(created.body());
    }

    @Test
    void aTakenNameIsRefusedAndAPrefixIsCompleted() {
        api.post(Api.CONFIG_MAPS, Api.configMap("taken", ""));

        Answer again = api.post(Api.CONFIG_MAPS, Api.configMap("taken", ""));
        Answer generated = api.post(Api.CONFIG_MAPS, "{\"metadata\": {\"generateName\": \"made-\"}}");

        assertThat(again.code()).isEqualTo(409);
        assertThat(again.reason()).isEqualTo("AlreadyExists");
        assertThat(generated.at("/metadata/name").asText()).matches("made-[a-z0-9]{5}");
    }

    @Test
    void whatDoesNotFitTheUrlIsRefused() {
        String inOther = "{\"metadata\": {\"name\": \"x\", \"namespace\": \"kube-system\"}}";
        assertThat(api.post(Api.CONFIG_MAPS, inOther).message()).contains("namespace");
        assertThat(api.post(Api.CONFIG_MAPS, Api.pod("x", "")).message()).contains("Kind=Pod");
        assertThat(api.put(Api.CONFIG_MAPS + "/y", Api.configMap("x", "")).message()).contains("name");
        assertThat(api.post(Api.CONFIG_MAPS, "{\"metadata\": {\"name\": \"x\", \"resourceVersion\": \"1\"}}").code())
                .isEqualTo(400);
    }

    @Test
    void aMissingNamespaceIsNotMadeUp() {
        Answer answer = api.post("/api/v1/namespaces/nowhere/configmaps", Api.configMap("x", ""));

        assertThat(answer.code()).isEqualTo(404);
        assertThat(answer.message()).isEqualTo("namespaces \"nowhere\" not found");
    }

    @Test
    void namesAndLabelsAreChecked() {
        assertThat(api.post(Api.CONFIG_MAPS, Api.configMap("Not_Valid", "")).at("/details/causes/0/field").asText())
                .isEqualTo("metadata.name");
        assertThat(api.post(Api.CONFIG_MAPS, "{}").message()).contains("name or generateName is required");
        assertThat(api.post(Api.CONFIG_MAPS, "{\"metadata\": {\"name\": \"a\", \"labels\": {\"k\": \"not valid\"}}}")
                .message())
                .contains("metadata.labels");
    }

    @Test
    void aStaleWriteIsAConflictAndAFreshOneIsNot() {
        Answer first = api.post(Api.CONFIG_MAPS, Api.configMap("stale", "\"a\": \"1\""));
        ObjectNode mine = first.body().deepCopy();
        mine.putObject("data").put("a", "2");

        assertThat(api.put(Api.CONFIG_MAPS + "/stale", mine.toString()).code()).isEqualTo(200);
        Answer conflict = api.put(Api.CONFIG_MAPS + "/stale", mine.put("x", 1).toString());

        assertThat(conflict.code()).isEqualTo(409);
        assertThat(conflict.reason()).isEqualTo("Conflict");
        assertThat(conflict.message()).contains("the object has been modified");
        assertThat(api.patch(Api.CONFIG_MAPS + "/stale", Api.MERGE,
                "{\"metadata\": {\"resourceVersion\": \"1\"}, \"data\": {\"a\": \"3\"}}").code()).isEqualTo(409);
        assertThat(api.patch(Api.CONFIG_MAPS + "/stale", Api.MERGE, "{\"metadata\": {\"uid\": \"other\"}}").code())
                .isEqualTo(422);
    }

    @Test
    void noConcurrentPatchIsLost() throws Exception {
        api.post(Api.CONFIG_MAPS, Api.configMap("busy", ""));
        List<Callable<Answer>> writes = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            String patch = "{\"data\": {\"k%d\": \"v\"}}".formatted(i);
            writes.add(() -> api.patch(Api.CONFIG_MAPS + "/busy", Api.MERGE, patch));
        }
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (var write : threads.invokeAll(writes)) {
                assertThat(write.get().code()).isEqualTo(200);
            }
        }
        assertThat(api.get(Api.CONFIG_MAPS + "/busy").at("/data").size()).isEqualTo(40);
    }

    @Test
    void aWriteThatChangesNothingIsNotAWrite() {
        Answer created = api.post(Api.CONFIG_MAPS, Api.configMap("calm", "\"a\": \"1\""));

        Answer patched = api.patch(Api.CONFIG_MAPS + "/calm", Api.MERGE, "{\"data\": {\"a\": \"1\"}}");
        Answer replaced = api.put(Api.CONFIG_MAPS + "/calm", created.body().toString());

        assertThat(List.of(patched.version(), replaced.version())).containsOnly(created.version());
    }

    @Test
    void aDryRunAnswersLikeTheWriteAndWritesNothing() {
        Answer dry = api.post(Api.CONFIG_MAPS + "?dryRun=All", Api.configMap("dry", ""));
        assertThat(dry.code()).isEqualTo(201);
        assertThat(api.get(Api.CONFIG_MAPS + "/dry").code()).isEqualTo(404);

        Answer created = api.post(Api.CONFIG_MAPS, Api.configMap("dry", ""));
        assertThat(api.post(Api.CONFIG_MAPS + "?dryRun=All", Api.configMap("dry", "")).code()).isEqualTo(409);
        Answer patched = api.patch(Api.CONFIG_MAPS + "/dry?dryRun=All", Api.MERGE, "{\"data\": {\"a\": \"1\"}}");
        assertThat(patched.at("/data/a").asText()).isEqualTo("1");
        assertThat(api.delete(Api.CONFIG_MAPS + "/dry?dryRun=All").code()).isEqualTo(200);
        assertThat(api.get(Api.CONFIG_MAPS + "/dry").version()).isEqualTo(created.version());
        assertThat(api.post(Api.CONFIG_MAPS + "?dryRun=Some", Api.configMap("dry", "")).code()).isEqualTo(422);
    }

    @Test
    void patchesOfAllKinds() {
        api.post(Api.PODS, Api.pod("patched", ", \"nodeSelector\": {\"a\": \"1\"}"));
        String pod = Api.PODS + "/patched";

        assertThat(api.patch(pod, Api.MERGE, "{\"metadata\": {\"labels\": {\"m\": \"1\", \"n\": \"1\"}}}").code())
                .isEqualTo(200);
        assertThat(api.patch(pod, Api.JSON_PATCH, "[{\"op\": \"remove\", \"path\": \"/metadata/labels/n\"}]").code())
                .isEqualTo(200);
        Answer strategic = api.patch(pod, Api.STRATEGIC,
                "{\"spec\": {\"containers\": [{\"name\": \"main\", \"image\": \"main:2\"}]}}");

        assertThat(strategic.at("/metadata/labels")).hasToString("{\"m\":\"1\"}");
        assertThat(strategic.at("/spec/containers")).hasSize(1);
        assertThat(strategic.at("/spec/containers/0/image").asText()).isEqualTo("main:2");
    }

    @Test
    void patchesThatDoNotApplyAreRefused() {
        api.post(Api.CONFIG_MAPS, Api.configMap("firm", "\"a\": \"1\""));
        String path = Api.CONFIG_MAPS + "/firm";

        assertThat(
                api.patch(path, Api.JSON_PATCH, "[{\"op\": \"test\", \"path\": \"/data/a\", \"value\": \"2\"}]").code())
                .isEqualTo(422);
        assertThat(api.patch(path, Api.JSON_PATCH, "[{\"op\": \"remove\", \"path\": \"/data/b\"}]").code())
                .isEqualTo(422);
        assertThat(api.patch(path, Api.JSON_PATCH, "[{\"op\": \"fly\", \"path\": \"/data/b\"}]").code()).isIn(400, 422);
        assertThat(api.patch(path, Api.JSON_PATCH, "{}").code()).isEqualTo(400);
        assertThat(api.patch(path, Api.MERGE, "[]").code()).isEqualTo(422);
        assertThat(api.patch(path, Api.JSON, "{}").code()).isEqualTo(415);
        assertThat(api.patch(path + "?force=true", Api.MERGE, "{}").code()).isEqualTo(422);
        assertThat(api.patch(Api.CONFIG_MAPS + "/nobody", Api.MERGE, "{}").code()).isEqualTo(404);
        assertThat(api.patch(path, Api.MERGE, "{\"metadata\": {\"name\": \"renamed\"}}").message()).contains("renamed");
        assertThat(api.patch(path, Api.MERGE, "{\"kind\": \"Secret\"}").code()).isEqualTo(400);
        assertThat(api.get(path).at("/data/a").asText()).isEqualTo("1");
    }

    @Test
    void versionsThatAreNotKeptAreRefused() {
        assertThat(api.getAccepting(Api.CONFIG_MAPS + "?resourceVersionMatch=Exact&resourceVersion=1", Api.JSON).code())
                .isEqualTo(410);
        assertThat(api.getAccepting(Api.PODS + "?watch=true&resourceVersion=-1", Api.JSON).code()).isEqualTo(400);
    }

    @Test
    void nothingIsWrittenForAClientThatCouldNotReadTheAnswer() {
        assertThat(api.postAccepting(Api.CONFIG_MAPS, Api.configMap("unread", ""), "application/cbor").code())
                .isEqualTo(406);
        assertThat(api.get(Api.CONFIG_MAPS + "/unread").code()).isEqualTo(404);
    }

    @Test
    void fieldsThatABuiltInKindDoesNotHaveAreFound() {
        String typo = Api.pod("typo", ", \"restartPolcy\": \"Never\"");

        assertThat(api.post(Api.PODS + "?fieldValidation=Strict", typo).message())
                .contains("unknown field \"spec.restartPolcy\"");
        Answer warned = api.post(Api.PODS + "?fieldValidation=Warn&dryRun=All", typo);
        assertThat(warned.code()).isEqualTo(201);
        assertThat(warned.warnings()).containsExactly("299 - \"unknown field \\\"spec.restartPolcy\\\"\"");
        assertThat(api.post(Api.PODS + "?fieldValidation=Ignore&dryRun=All", typo).warnings()).isEmpty();
        assertThat(api.post(Api.PODS, Api.pod("types", ", \"hostNetwork\": \"yes\"")).code()).isEqualTo(400);
    }

    @Test
    void aPodIsCheckedAndKeepsWhatItRuns() {
        Answer pod = api.post(Api.PODS, Api.pod("fixed", ""));
        assertThat(pod.at("/status/phase").asText()).isEqualTo("Pending");
        assertThat(pod.at("/spec/restartPolicy").asText()).isEqualTo("Always");

        Answer changed = api.patch(Api.PODS + "/fixed", Api.MERGE, "{\"spec\": {\"nodeName\": \"n\"}}");

        assertThat(changed.code()).isEqualTo(422);
        assertThat(changed.message()).contains("binding subresource");
        assertThat(api.post(Api.PODS, "{\"metadata\": {\"name\": \"e\"}, \"spec\": {\"containers\": []}}").message())
                .contains("spec.containers: Required value");
    }

    @Test
    void aPodIsBoundOnce() {
        Answer pod = api.post(Api.PODS, Api.pod("bound", ""));
        String binding = "{\"metadata\": {\"uid\": \"%s\"}, \"target\": {\"kind\": \"Node\", \"name\": \"%s\"}}";
        String path = Api.PODS + "/bound/binding";

        assertThat(api.post(path, binding.formatted("other", "a")).code()).isEqualTo(409);
        assertThat(api.post(path, binding.formatted(pod.at("/metadata/uid").asText(), "a")).code()).isEqualTo(201);
        assertThat(api.post(path, binding.formatted("", "b")).code()).isEqualTo(409);

        Answer bound = api.get(Api.PODS + "/bound");
        assertThat(bound.at("/spec/nodeName").asText()).isEqualTo("a");
        assertThat(bound.at("/status/conditions/0/type").asText()).isEqualTo("PodScheduled");
    }

    @Test
    void theStatusOfAPodIsWrittenOnlyThroughItsSubresource() {
        Answer pod = api.post(Api.PODS, Api.pod("states", ""));
        String uid = pod.at("/metadata/uid").asText();

        api.patch(Api.PODS + "/states", Api.MERGE, "{\"status\": {\"phase\": \"Running\"}}");
        assertThat(api.get(Api.PODS + "/states").at("/status/phase").asText()).isEqualTo("Pending");
        Answer status = api.patch(Api.PODS + "/states/status", Api.MERGE,
                "{\"metadata\": {\"uid\": \"%s\", \"labels\": {\"x\": \"y\"}}, \"status\": {\"phase\": \"Running\", \"podIP\": \"127.0.0.9\"}}"
                        .formatted(uid));

        assertThat(status.at("/status/phase").asText()).isEqualTo("Running");
        assertThat(status.at("/metadata/labels").isMissingNode()).isTrue();
        assertThat(api.patch(Api.PODS + "/states/status", Api.MERGE, "{\"metadata\": {\"uid\": \"x\"}, \"status\": {}}")
                .code()).isEqualTo(422);
    }

    @Test
    void secretsAreStoredEncoded() {
        Answer secret = api.post("/api/v1/namespaces/default/secrets",
                "{\"metadata\": {\"name\": \"s\"}, \"stringData\": {\"user\": \"me\"}}");

        assertThat(secret.at("/data/user").asText()).isEqualTo("bWU=");
        assertThat(secret.body().has("stringData")).isFalse();
        assertThat(secret.at("/type").asText()).isEqualTo("Opaque");
    }

    @Test
    void listsSelectAndPage() {
        String namespace = "/api/v1/namespaces/kube-system/configmaps";
        for (String name : List.of("a", "b", "c", "d")) {
            api.post(namespace,
                    "{\"metadata\": {\"name\": \"%s\", \"labels\": {\"is\": \"%s\"}}}".formatted(name, name));
        }

        assertThat(names(api.get(namespace + "?labelSelector=is%20in%20(a,d)"))).containsExactly("a", "d");
        assertThat(names(api.get(namespace + "?labelSelector=is!%3Da,is"))).containsExactly("b", "c", "d");
        assertThat(names(api.get(namespace + "?labelSelector=!is&" + Api.OURS))).isEmpty();
        assertThat(names(api.get(namespace + "?fieldSelector=metadata.name%3Dc"))).containsExactly("c");
        Answer page = api.get(namespace + "?limit=3&" + Api.OURS);
        assertThat(names(page)).containsExactly("a", "b", "c");
        assertThat(page.at("/metadata").has("remainingItemCount")).as("not counted behind a selector").isFalse();
        assertThat(names(
                api.get(namespace + "?limit=3&" + Api.OURS + "&continue=" + page.at("/metadata/continue").asText())))
                .containsExactly("d");
        assertThat(api.get("/api/v1/configmaps?labelSelector=is").at("/items")).hasSize(4);
    }

    @Test
    void podsAreSelectedByNodeAndPhase() {
        api.post(Api.PODS, Api.pod("here", ", \"nodeName\": \"one\""));
        api.post(Api.PODS, Api.pod("there", ", \"nodeName\": \"two\""));

        assertThat(names(api.get("/api/v1/pods?fieldSelector=spec.nodeName%3Done,status.phase!%3DRunning")))
                .containsExactly("here");
    }

    private static List<String> names(Answer list) {
        return list.at("/items").valueStream().map(item -> item.at("/metadata/name")).map(JsonNode::asText).toList();
    }
}

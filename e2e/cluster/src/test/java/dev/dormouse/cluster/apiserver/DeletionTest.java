package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.cluster.apiserver.Api.Answer;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How objects end: at once, after their finalizers, with their owner, their namespace or their type. */
class DeletionTest {
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
    void whatNothingHoldsIsGoneAtOnce() {
        Answer created = api.post(Api.CONFIG_MAPS, Api.configMap("gone", ""));

        Answer deleted = api.delete(Api.CONFIG_MAPS + "/gone");

        assertThat(deleted.at("/status").asText()).isEqualTo("Success");
        assertThat(deleted.at("/details/uid")).isEqualTo(created.at("/metadata/uid"));
        assertThat(api.delete(Api.CONFIG_MAPS + "/gone").code()).isEqualTo(404);
    }

    @Test
    void preconditionsProtectANamesake() {
        Answer created = api.post(Api.CONFIG_MAPS, Api.configMap("guarded", ""));
        String path = Api.CONFIG_MAPS + "/guarded";

        assertThat(api.delete(path, "{\"preconditions\": {\"uid\": \"other\"}}").code()).isEqualTo(409);
        assertThat(api.delete(path, "{\"preconditions\": {\"resourceVersion\": \"1\"}}").code()).isEqualTo(409);
        assertThat(api.delete(path, "{\"propagationPolicy\": \"Sideways\"}").code()).isEqualTo(422);
        assertThat(api.delete(path, "{\"preconditions\": {\"uid\": %s}}".formatted(created.at("/metadata/uid"))).code())
                .isEqualTo(200);
    }

    @Test
    void finalizersHoldAnObjectUntilTheLastIsRemoved() {
        api.post(Api.MODELS, Api.model("held", "").replace("\"name\"", "\"finalizers\": [\"a/b\"], \"name\""));
        String path = Api.MODELS + "/held";

        Answer marked = api.delete(path);
        assertThat(marked.at("/metadata/deletionTimestamp").asText()).endsWith("Z");
        assertThat(marked.at("/metadata/generation").asInt()).isEqualTo(2);
        assertThat(api.delete(path).version()).as("deleting again changes nothing").isEqualTo(marked.version());
        assertThat(api.patch(path, Api.MERGE, "{\"metadata\": {\"finalizers\": [\"a/b\", \"c/d\"]}}").message())
                .contains("no new finalizers can be added");
        api.patch(path, Api.MERGE, "{\"metadata\": {\"deletionTimestamp\": null}}");
        assertThat(api.get(path).at("/metadata").has("deletionTimestamp")).as("there is no way back").isTrue();

        assertThat(api.patch(path, Api.MERGE, "{\"metadata\": {\"finalizers\": null}}").code()).isEqualTo(200);
        assertThat(api.get(path).code()).isEqualTo(404);
    }

    @Test
    void aRunningPodIsGoneWhenItsKubeletSaysSo() {
        api.post(Api.PODS, Api.pod("graceful", ", \"nodeName\": \"n\", \"terminationGracePeriodSeconds\": 7"));
        String path = Api.PODS + "/graceful";

        Answer marked = api.delete(path);
        assertThat(marked.at("/metadata/deletionGracePeriodSeconds").asInt()).isEqualTo(7);
        assertThat(api.delete(path, "{\"gracePeriodSeconds\": 2}").at("/metadata/deletionGracePeriodSeconds").asInt())
                .isEqualTo(2);
        assertThat(api.delete(path, "{\"gracePeriodSeconds\": 60}").at("/metadata/deletionGracePeriodSeconds").asInt())
                .as("a grace period is never extended")
                .isEqualTo(2);
        assertThat(api.get(path).code()).isEqualTo(200);

        assertThat(api.delete(path, "{\"gracePeriodSeconds\": 0}").at("/kind").asText()).isEqualTo("Pod");
        assertThat(api.get(path).code()).isEqualTo(404);
    }

    @Test
    void podsThatRunNowhereAreGoneAtOnce() {
        api.post(Api.PODS, Api.pod("unbound", ""));
        api.post(Api.PODS, Api.pod("finished", ", \"nodeName\": \"n\""));
        api.patch(Api.PODS + "/finished/status", Api.MERGE, "{\"status\": {\"phase\": \"Succeeded\"}}");

        api.delete(Api.PODS + "/unbound");
        api.delete(Api.PODS + "/finished");

        assertThat(api.get(Api.PODS + "/unbound").code()).isEqualTo(404);
        assertThat(api.get(Api.PODS + "/finished").code()).isEqualTo(404);
    }

    @Test
    void anEvictionIsAGracefulDeletion() {
        api.post(Api.PODS, Api.pod("evicted", ", \"nodeName\": \"n\""));

        assertThat(api.post(Api.PODS + "/evicted/eviction", "{\"metadata\": {\"name\": \"evicted\"}}").code())
                .isEqualTo(201);

        assertThat(api.get(Api.PODS + "/evicted").at("/metadata/deletionGracePeriodSeconds").asInt()).isEqualTo(30);
    }

    @Test
    void dependentsGoWithTheirLastOwner() {
        Answer a = api.post(Api.CONFIG_MAPS, Api.configMap("owner-a", ""));
        Answer b = api.post(Api.CONFIG_MAPS, Api.configMap("owner-b", ""));
        api.post(Api.CONFIG_MAPS, owned("of-a", a));
        api.post(Api.CONFIG_MAPS, owned("of-both", a, b));

        api.delete(Api.CONFIG_MAPS + "/owner-a");
        await().until(() -> api.get(Api.CONFIG_MAPS + "/of-a").code() == 404);
        await().until(() -> api.get(Api.CONFIG_MAPS + "/of-both").at("/metadata/ownerReferences").size() == 1);

        api.delete(Api.CONFIG_MAPS + "/owner-b");
        await().until(() -> api.get(Api.CONFIG_MAPS + "/of-both").code() == 404);
    }

    @Test
    void anObjectThatNamesADeadOwnerIsCollected() {
        Answer owner = api.post(Api.CONFIG_MAPS, Api.configMap("dead", ""));
        api.delete(Api.CONFIG_MAPS + "/dead");

        api.post(Api.CONFIG_MAPS, owned("late", owner));

        await().until(() -> api.get(Api.CONFIG_MAPS + "/late").code() == 404);
    }

    @Test
    void foregroundDeletionWaitsForTheDependents() {
        Answer owner = api.post(Api.CONFIG_MAPS, Api.configMap("front", ""));
        api.post(Api.CONFIG_MAPS, owned("behind", owner).replace("\"name\": \"behind\"",
                "\"name\": \"behind\", \"finalizers\": [\"x/y\"]"));

        Answer marked = api.delete(Api.CONFIG_MAPS + "/front?propagationPolicy=Foreground");
        assertThat(marked.at("/metadata/finalizers/0").asText()).isEqualTo("foregroundDeletion");
        await().until(() -> api.get(Api.CONFIG_MAPS + "/behind").at("/metadata").has("deletionTimestamp"));
        assertThat(api.get(Api.CONFIG_MAPS + "/front").code()).isEqualTo(200);

        api.patch(Api.CONFIG_MAPS + "/behind", Api.MERGE, "{\"metadata\": {\"finalizers\": null}}");
        await().until(() -> api.get(Api.CONFIG_MAPS + "/front").code() == 404);
    }

    @Test
    void orphansStayWithoutTheirOwner() {
        Answer owner = api.post(Api.CONFIG_MAPS, Api.configMap("parent", ""));
        api.post(Api.CONFIG_MAPS, owned("orphan", owner));

        api.delete(Api.CONFIG_MAPS + "/parent", "{\"propagationPolicy\": \"Orphan\"}");

        await().until(() -> api.get(Api.CONFIG_MAPS + "/parent").code() == 404);
        assertThat(api.get(Api.CONFIG_MAPS + "/orphan").at("/metadata/ownerReferences")).isEmpty();
    }

    @Test
    void aNamespaceGoesAfterEverythingInIt() {
        String inside = "/api/v1/namespaces/short-lived";
        api.post("/api/v1/namespaces", "{\"metadata\": {\"name\": \"short-lived\"}}");
        api.post(inside + "/configmaps", Api.configMap("plain", ""));
        api.post(inside + "/configmaps",
                Api.configMap("held", "").replace("\"name\"", "\"finalizers\": [\"a/b\"], \"name\""));
        api.post("/apis/dormouse.dev/v1alpha1/namespaces/short-lived/inferencemodels", Api.model("m", ""));

        Answer marked = api.delete("/api/v1/namespaces/short-lived");
        assertThat(marked.at("/status/phase").asText()).isEqualTo("Terminating");
        await().until(() -> api.get(inside + "/configmaps").at("/items").size() == 1);
        Answer late = api.post(inside + "/configmaps", Api.configMap("late", ""));
        assertThat(late.code()).isEqualTo(403);
        assertThat(late.message()).contains("because it is being terminated");

        api.patch(inside + "/configmaps/held", Api.MERGE, "{\"metadata\": {\"finalizers\": null}}");
        await().until(() -> api.get("/api/v1/namespaces/short-lived").code() == 404);
        assertThat(api.delete("/api/v1/namespaces/default").code()).isEqualTo(403);
    }

    @Test
    void aTypeGoesAfterItsObjects(@TempDir Path state) {
        try (Api own = Api.withModels(state)) {
            own.post(Api.MODELS, Api.model("m", ""));

            own.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferencemodels.dormouse.dev");

            await().until(() -> own.get(Api.MODELS).code() == 404);
            own.controlPlane().apply(Api.crd());
            assertThat(own.get(Api.MODELS).at("/items")).isEmpty();
        }
    }

    @Test
    void aCollectionIsDeletedBySelector() {
        String maps = "/api/v1/namespaces/kube-system/configmaps";
        api.post(maps, "{\"metadata\": {\"name\": \"x\", \"labels\": {\"sweep\": \"yes\"}}}");
        api.post(maps, "{\"metadata\": {\"name\": \"y\"}}");

        assertThat(api.delete(maps + "?labelSelector=sweep%3Dyes").code()).isEqualTo(200);

        assertThat(api.get(maps + "?" + Api.OURS).at("/items").findValuesAsText("name")).containsExactly("y");
    }

    private static String owned(String name, Answer... owners) {
        StringBuilder references = new StringBuilder();
        for (Answer owner : owners) {
            references.append(references.isEmpty() ? "" : ",")
                    .append("""
                            {"apiVersion": "v1", "kind": "ConfigMap", "name": %s, "uid": %s, "blockOwnerDeletion": true}"""
                            .formatted(owner.at("/metadata/name"), owner.at("/metadata/uid")));
        }
        return "{\"metadata\": {\"name\": \"%s\", \"ownerReferences\": [%s]}}".formatted(name, references);
    }
}

package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.apiserver.Api.Answer;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How clients find out what is served, and what kubectl needs before it sends anything. */
class DiscoveryTest {
    private static final String AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
            + "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
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
    void aggregatedDiscoveryAnswersInTheFormItWasAskedFor() {
        Answer core = api.getAccepting("/api", AGGREGATED);
        Answer groups = api.getAccepting("/apis", AGGREGATED);

        assertThat(core.contentType())
                .isEqualTo("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
        assertThat(core.at("/items/0/versions/0/resources").findValuesAsText("resource")).contains("pods",
                "namespaces");
        JsonNode dormouse = groups.at("/items")
                .valueStream()
                .filter(group -> group.at("/metadata/name").asText().equals("dormouse.dev"))
                .findFirst()
                .orElseThrow();
        JsonNode models = dormouse.at("/versions/0/resources/0");
        assertThat(models.at("/shortNames/0").asText()).isEqualTo("im");
        assertThat(models.at("/categories").toString()).contains("all", "dormouse");
        assertThat(models.at("/subresources").findValuesAsText("subresource")).containsExactly("status", "scale");
    }

    @Test
    void legacyDiscoveryGoesGroupByGroup() {
        assertThat(api.get("/api").at("/versions/0").asText()).isEqualTo("v1");
        assertThat(api.get("/apis").at("/groups").findValuesAsText("name"))
                .contains("dormouse.dev", "coordination.k8s.io",
                        "apiextensions.k8s.io", "rbac.authorization.k8s.io")
                .doesNotContain("admissionregistration.k8s.io");
        assertThat(api.get("/apis/dormouse.dev").at("/preferredVersion/version").asText()).isEqualTo("v1alpha1");
        assertThat(api.get("/apis/dormouse.dev/v1alpha1").at("/resources").findValuesAsText("name"))
                .containsExactly("inferencemodels", "inferencemodels/status", "inferencemodels/scale");
        assertThat(api.get("/api/v1").at("/resources").findValuesAsText("name")).contains("pods/log", "pods/eviction");
        assertThat(api.get("/apis/dormouse.dev/v9").code()).isEqualTo(404);
    }

    @Test
    void openApiSaysThatWritesCheckFields() {
        String url = api.get("/openapi/v3")
                .at("/paths")
                .path("apis/dormouse.dev/v1alpha1")
                .path("serverRelativeURL")
                .asText();
        JsonNode document = api.get(url).body();

        JsonNode patch = document.path("paths")
                .path("/apis/dormouse.dev/v1alpha1/namespaces/{namespace}/inferencemodels/{name}")
                .path("patch");
        assertThat(patch.path("parameters").findValuesAsText("name")).contains("fieldValidation");
        assertThat(patch.path("x-kubernetes-group-version-kind").path("kind").asText()).isEqualTo("InferenceModel");
        JsonNode schema = document.at("/components/schemas").path("dormouse.dev.v1alpha1.InferenceModel");
        assertThat(schema.at("/properties/spec/properties/replicas/default").asInt()).isZero();
    }

    @Test
    void builtInKindsHaveSchemasToo() {
        JsonNode schemas = api.get("/openapi/v3/api/v1").at("/components/schemas");

        JsonNode container = schemas.path("io.k8s.api.core.v1.Pod").at("/properties/spec/properties/containers");
        assertThat(container.at("/x-kubernetes-list-map-keys/0").asText()).isEqualTo("name");
        assertThat(container.at("/items/properties/ports/items/properties/containerPort/type").asText())
                .isEqualTo("integer");
    }

    @Test
    void podsShowWhatMattersAboutThem() {
        api.post(Api.PODS,
                Api.pod("table", ", \"nodeName\": \"n\", \"initContainers\": [{\"name\": \"side\", \"image\": \"s\","
                        + " \"restartPolicy\": \"Always\"}]"));
        assertThat(row()).isEqualTo("table 0/2 Pending 0");

        status("{\"phase\": \"Pending\", \"initContainerStatuses\": [{\"name\": \"side\", \"started\": false, \"state\": {\"running\": {}}}],"
                + "\"containerStatuses\": [{\"name\": \"main\", \"state\": {\"waiting\": {\"reason\": \"PodInitializing\"}}}]}");
        assertThat(row()).isEqualTo("table 0/2 Init:0/1 0");

        status("{\"phase\": \"Running\", \"initContainerStatuses\": [{\"name\": \"side\", \"started\": true, \"ready\": true}],"
                + "\"containerStatuses\": [{\"name\": \"main\", \"restartCount\": 3,"
                + " \"state\": {\"waiting\": {\"reason\": \"CrashLoopBackOff\"}}}]}");
        assertThat(row()).isEqualTo("table 1/2 CrashLoopBackOff 3");

        api.delete(Api.PODS + "/table");
        assertThat(row()).isEqualTo("table 1/2 Terminating 3");
    }

    private static void status(String status) {
        api.patch(Api.PODS + "/table/status", Api.MERGE, "{\"status\": %s}".formatted(status));
    }

    private static String row() {
        JsonNode cells = api.getAccepting(Api.PODS + "/table", "application/json;as=Table;v=v1;g=meta.k8s.io")
                .at("/rows/0/cells");
        return String.join(" ", cells.valueStream().limit(4).map(JsonNode::asText).toList());
    }
}

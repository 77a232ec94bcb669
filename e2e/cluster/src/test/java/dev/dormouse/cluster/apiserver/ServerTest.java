package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.cluster.EmbeddedControlPlane;
import dev.dormouse.cluster.apiserver.Api.Answer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may ask, what the server says of itself, and how it refuses what it cannot read. */
class ServerTest {
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
    void onlyTheHolderOfTheTokenGetsAnAnswer() {
        assertThat(api.getAs("/api", "wrong").code()).isEqualTo(401);
        assertThat(api.getAs("/version", "").reason()).isEqualTo("Unauthorized");
        assertThat(api.get("/api").code()).isEqualTo(200);
    }

    @Test
    void theKubeconfigIsForItsOwnerOnlyAndGoesWithTheServer(@TempDir Path state) throws IOException {
        Path kubeconfig;
        try (EmbeddedControlPlane controlPlane = EmbeddedControlPlane.start(state.resolve("new"))) {
            kubeconfig = controlPlane.kubeconfig();
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(kubeconfig))).isEqualTo("rw-------");
            assertThat(controlPlane.apiUrl().getHost()).isEqualTo("127.0.0.1");
        }
        assertThat(kubeconfig).doesNotExist();
    }

    @Test
    void aTakenPortIsNamed(@TempDir Path state) {
        int port = api.controlPlane().apiUrl().getPort();
        assertThatThrownBy(() -> EmbeddedControlPlane.start(state, port)).isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("127.0.0.1:" + port);
    }

    @Test
    void saysThatItIsNotKubernetes() {
        assertThat(api.get("/version").at("/gitVersion").asText()).startsWith("v1.34.").endsWith("+embedded");
        assertThat(api.controlPlane().description()).contains("not Kubernetes");
    }

    @Test
    void beginsWithItsNamespaces() {
        assertThat(api.get("/api/v1/namespaces").at("/items").findValuesAsText("name")).contains("default",
                "kube-system", "dormouse-system");
    }

    @Test
    void applyNamesTheObjectThatIsRefused() {
        assertThatThrownBy(() -> api.controlPlane().apply("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {}}"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("spec.containers");
        assertThatThrownBy(() -> api.controlPlane().apply("{apiVersion: apps/v2, kind: Deployment}"))
                .hasMessageContaining("apps/v2 Deployment");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "/nope", "/api/v2", "/apis/apps/v2/namespaces/default/deployments", "/openapi/v2",
            "/api/v1/namespaces/default/pods/p/nothing/more", "/apis/nope", "/api/v1/namespaces/default/nodes/n"})
    void whatIsNotServedIsNotFound(String path) {
        assertThat(api.get(path).code()).isEqualTo(404);
        assertThat(api.get(path).at("/kind").asText()).isEqualTo("Status");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"{ | application/json | 400", "[] | application/json | 400",
            "'' | application/json | 400", "a: [ | application/yaml | 400", "x | text/plain | 415",
            "k8s | application/vnd.kubernetes.protobuf | 400", "\"text\" | application/json | 400",
            "{\"kind\": 7} | application/json | 400"})
    void bodiesThatCannotBeReadAreRefusedWithTheReason(String body, String type, int code) {
        Answer answer = api.send("POST", Api.CONFIG_MAPS, type, body);

        assertThat(answer.code()).isEqualTo(code);
        assertThat(answer.message()).isNotBlank().doesNotContain("Exception");
    }

    @Test
    void deepAndHugeBodiesAreRefused() {
        String deep = "[".repeat(100_000);
        assertThat(api.post(Api.CONFIG_MAPS, "{\"data\":" + deep).code()).isEqualTo(400);
        assertThat(api.send("POST", Api.CONFIG_MAPS, "application/yaml", "data: " + deep).code()).isEqualTo(400);
        assertThat(api.post(Api.CONFIG_MAPS, "x".repeat(4 * 1024 * 1024)).code()).isEqualTo(413);
    }

    @ParameterizedTest
    @ValueSource(strings = {"?limit=x", "?watch=1&resourceVersion=x", "?labelSelector=a%20b%20c",
            "?labelSelector=a%3D%3D%3D",
            "?fieldSelector=spec.nope%3D1", "?fieldSelector=metadata.name", "?continue=nope"})
    void parametersThatCannotBeUnderstoodAreRefused(String query) {
        assertThat(api.get(Api.PODS + query).code()).isEqualTo(400);
    }

    @Test
    void methodsThatMakeNoSenseAreRefused() {
        assertThat(api.put(Api.PODS, "{}").code()).isEqualTo(405);
        assertThat(api.post("/api/v1/pods", Api.pod("p", "")).code()).isEqualTo(405);
        assertThat(api.post("/apis", "{}").code()).isEqualTo(405);
    }

    @Test
    void onlyJsonAndTablesCanBeAskedFor() {
        assertThat(api.getAccepting(Api.PODS, "application/vnd.kubernetes.protobuf").code()).isEqualTo(406);
        assertThat(api.getAccepting(Api.PODS, "application/vnd.kubernetes.protobuf,application/json").code())
                .isEqualTo(200);
    }

    @Test
    void logsComeFromWhoeverRegistered() {
        AtomicReference<PodLogs.Request> asked = new AtomicReference<>();
        api.post(Api.PODS, Api.pod("talker", ""));
        assertThat(api.get(Api.PODS + "/talker/log").message()).contains("no kubelet");
        api.controlPlane().registerPodLogs(request -> {
            asked.set(request);
            if (request.previous()) {
                throw new IOException("previous terminated container not found");
            }
            return new ByteArrayInputStream("one\ntwo\n".getBytes(StandardCharsets.UTF_8));
        });

        assertThat(api.get(Api.PODS + "/talker/log?tailLines=7&follow=true").body().asText()).isEqualTo("one\ntwo\n");
        assertThat(asked.get().container()).isEqualTo("main");
        assertThat(asked.get().tailLines()).hasValue(7);
        assertThat(asked.get().follow()).isTrue();
        assertThat(api.get(Api.PODS + "/talker/log?previous=true").message()).contains("previous terminated");
        assertThat(api.get(Api.PODS + "/talker/log?container=nope").code()).isEqualTo(400);
        assertThat(api.get(Api.PODS + "/talker/log?timestamps=true").message()).contains("timestamps");
        assertThat(api.get(Api.PODS + "/nobody/log").code()).isEqualTo(404);
        assertThat(api.post(Api.PODS + "/talker/exec", "").code()).isEqualTo(501);
    }
}

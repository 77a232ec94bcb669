package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.cli.local.LocalOptions;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What hurts: every fault leaves the request answered or clearly refused, and nothing lost. */
class FaultsIT extends Story {
    private static final String QUICK = "  scaling: {idleSeconds: 1}\n";

    @Override
    LocalOptions options(LocalOptions options) {
        return options.withOperatorSetting("DORMOUSE_LEADER_ELECTION", "true")
                .withOperatorSetting("DORMOUSE_LEASE_SECONDS", "6")
                .withOperatorSetting("DORMOUSE_LEASE_RENEW_SECONDS", "4")
                .withOperatorSetting("DORMOUSE_LEASE_RETRY_SECONDS", "1");
    }

    @Test
    @DisplayName("L60: a model deleted while it wakes answers its waiters 404 and leaves no pod")
    void modelDeletedWhileWaking() {
        apply("doomed", "  scaling: {initialStart: Never}\n");
        CompletableFuture<HttpResponse<String>> waiting = askLater("doomed");
        await().atMost(PATIENCE).until(() -> !pods("doomed").isEmpty());

        model("doomed").delete();

        assertThat(waiting.join().statusCode()).isIn(404, 503);
        await().atMost(PATIENCE).until(() -> !exists("doomed") && pods("doomed").isEmpty());
    }

    @Test
    @DisplayName("H70: the operator is killed in the middle of a wake and restarted: one pod, the request is answered")
    void operatorKilledMidWake() throws Exception {
        apply("survivor", "  scaling: {initialStart: Never}\n");
        CompletableFuture<HttpResponse<String>> waiting = askLater("survivor");
        await().atMost(PATIENCE).until(() -> !pods("survivor").isEmpty());
        String uid = pods("survivor").getFirst().getMetadata().getUid();

        cluster().operatorProcess().kill();
        cluster().restartOperator();

        assertThat(waiting.join().statusCode()).isEqualTo(200);
        assertThat(pods("survivor")).extracting(pod -> pod.getMetadata().getUid()).containsExactly(uid);
    }

    @Test
    @DisplayName("A model with deletionPolicy Delete takes its claim along; the operator may do that and is not refused")
    void modelDeletedWithItsSnapshots() {
        apply("tidy", QUICK + "  snapshot: {deletionPolicy: Delete}\n");
        await().atMost(PATIENCE).until(() -> claims().stream().anyMatch(name -> name.contains("tidy")));

        model("tidy").delete();

        await().atMost(PATIENCE).until(() -> model("tidy").get() == null);
        await().atMost(PATIENCE).until(() -> claims().stream().noneMatch(name -> name.contains("tidy")));
    }

    @Test
    @DisplayName("S38: a snapshot deleted while its model sleeps: a store pod frees the bytes, then the resource goes")
    void snapshotDeletedByHand() throws Exception {
        apply("pruned", QUICK);
        awaitAsleepWithSnapshot("pruned");
        await().atMost(PATIENCE).until(() -> snapshots("pruned").size() == 1);
        assertThat(packs("pruned")).isNotEmpty();

        cluster().client().resource(snapshots("pruned").getFirst()).delete();

        await().atMost(PATIENCE).until(() -> snapshots("pruned").isEmpty());
        assertThat(packs("pruned")).isEmpty();
        assertThat(ask("pruned", 90).statusCode()).as("from source").isEqualTo(200);
    }

    private List<ModelSnapshot> snapshots(String model) {
        return cluster().client()
                .resources(ModelSnapshot.class)
                .inNamespace("default")
                .withLabel(PodConventions.LABEL_MODEL, model)
                .list()
                .getItems();
    }

    private List<String> claims() {
        return cluster().client()
                .persistentVolumeClaims()
                .inNamespace("default")
                .list()
                .getItems()
                .stream()
                .map(claim -> claim.getMetadata().getName())
                .toList();
    }

    @Test
    @DisplayName("S32, S49, S50: one flipped byte in a pack is caught, quarantined, served from source; the request is not lost")
    void flippedByteInAPack() throws Exception {
        apply("flipped", QUICK);
        String before = ask("flipped", 90).body();
        awaitAsleepWithSnapshot("flipped");
        Path pack = packs("flipped").getFirst();
        try (RandomAccessFile file = new RandomAccessFile(pack.toFile(), "rw")) {
            long middle = file.length() / 2;
            file.seek(middle);
            int value = file.read();
            file.seek(middle);
            file.write(value ^ 0x10);
        }

        HttpResponse<String> answer = ask("flipped", 90);

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo(before);
        await().atMost(PATIENCE)
                .until(() -> cluster().client()
                        .v1()
                        .events()
                        .inNamespace("default")
                        .list()
                        .getItems()
                        .stream()
                        .anyMatch(event -> "SnapshotQuarantined".equals(event.getReason())
                                && event.getInvolvedObject().getName().equals("flipped")));
    }

    @Test
    @DisplayName("A sidecar killed in the middle of a restore: the pod recovers and the request is answered")
    void sidecarKilledMidRestore() throws Exception {
        apply("orphan", QUICK);
        awaitAsleepWithSnapshot("orphan");
        CompletableFuture<HttpResponse<String>> waiting = askLater("orphan");
        await().atMost(PATIENCE).until(() -> !containers(SIDECAR).isEmpty());

        containers(SIDECAR).forEach(ProcessHandle::destroyForcibly);

        assertThat(waiting.join().statusCode()).isEqualTo(200);
    }

    @Test
    @DisplayName("L23: a gateway told to end answers the requests it holds before it goes")
    void gatewayTerminatedWithRequestsHeld() throws Exception {
        apply("held", QUICK);
        awaitAsleepWithSnapshot("held");
        CompletableFuture<HttpResponse<String>> waiting = askLater("held");
        await().atMost(PATIENCE).until(() -> demand().contains("default/held"));

        cluster().restartGateway();

        assertThat(waiting.join().statusCode()).isEqualTo(200);
    }

    private String demand() throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            URI url = cluster().gatewayInternal().resolve("/internal/demand");
            return http.send(HttpRequest.newBuilder(url).build(), HttpResponse.BodyHandlers.ofString()).body();
        }
    }

    @Test
    @DisplayName("A bad image is never Ready and says why")
    void badImage() {
        apply("misspelt", "");
        applyYaml(yaml("misspelt", "").replace("engine-onnx", "engine-onx"));

        InferenceModel stuck = awaitModel("misspelt", model -> "False".equals(ready(model).getStatus())
                && ready(model).getMessage().contains("engine-onx"));

        assertThat(ready(stuck).getReason()).contains("Image");
        assertThat(stuck.getStatus().readyReplicas).isZero();
    }

    @Test
    @DisplayName("L7: an unknown model is 404, malformed JSON is 400, both in OpenAI's envelope")
    void unknownModelAndMalformedJson() throws Exception {
        HttpResponse<String> unknown = ask("nobody", 10);
        assertThat(unknown.statusCode()).isEqualTo(404);
        assertThat(unknown.body()).contains("\"error\"").contains("nobody");

        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpRequest broken = HttpRequest.newBuilder(cluster().gateway().resolve("/v1/embeddings"))
                    .header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString("{\"input\": \"x\", \"model\": "))
                    .build();
            HttpResponse<String> refused = http.send(broken, HttpResponse.BodyHandlers.ofString());
            assertThat(refused.statusCode()).isEqualTo(400);
            assertThat(refused.body()).contains("\"error\"");
        }
    }

    @Test
    @DisplayName("A pod deleted by hand under a running model is replaced for the next request")
    void podDeletedByHand() throws Exception {
        apply("kicked", QUICK);
        assertThat(ask("kicked", 90).statusCode()).isEqualTo(200);
        pods("kicked").stream()
                .map(Pod::getMetadata)
                .forEach(pod -> cluster().client().pods().inNamespace("default").withName(pod.getName()).delete());

        assertThat(ask("kicked", 90).statusCode()).isEqualTo(200);
        assertThat(pods("kicked")).allSatisfy(pod -> assertThat(pod.getMetadata().getLabels())
                .containsEntry(PodConventions.LABEL_MODEL, "kicked"));
    }
}

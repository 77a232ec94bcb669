package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.client.EngineClient;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.store.GatedVolume;
import dev.dormouse.sidecar.store.SampleModel;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code /v1} of a whole sidecar over a real volume. */
class SnapshotApiTest {
    private static final String UNKNOWN = "20200101t000000000z-0000000000000000";
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;
    private final HostDevice device = new HostDevice(1L << 30);
    private final HttpClient http = HttpClient.newHttpClient();
    private FakeEngine engine;
    private Sidecars pod;
    private Agent agent;

    @BeforeEach
    void start() throws IOException {
        engine = new FakeEngine("127.0.0.1");
        pod = Sidecars.in(folder, engine);
        Files.createDirectories(pod.volume());
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());
    }

    @AfterEach
    void stop() throws IOException {
        agent.close();
        engine.close();
        http.close();
    }

    private void restart(SnapshotStore store) throws IOException {
        agent.close();
        agent = Agent.start(pod.config(), store, device, Clock.systemUTC());
    }

    @Test
    @DisplayName("S24, S37, S56: what was saved is listed, newest first, and described")
    void list() throws Exception {
        String id = coldStart();

        assertThat(get("/v1/snapshots").at("/snapshots/0/id").asText()).isEqualTo(id);
        JsonNode one = get("/v1/snapshots/" + id);
        assertThat(one.get("rawBytes").asLong()).isGreaterThanOrEqualTo(Sidecars.WEIGHTS);
        assertThat(one.get("weightsDigest").asText()).startsWith("blake3:");
        assertThat(one.get("buffers").asInt()).isEqualTo(2);
    }

    @Test
    @DisplayName("S26: saving twice is one snapshot; without committed memory there is nothing to save")
    void saveIsIdempotent() throws Exception {
        assertThat(problem("POST", "/v1/snapshots", "", 409)).isEqualTo("NothingToSave");
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);

            String first = JSON.readTree(send("POST", "/v1/snapshots", "").body()).get("id").asText();
            String second = JSON.readTree(send("POST", "/v1/snapshots", "").body()).get("id").asText();

            assertThat(second).isEqualTo(first);
            assertThat(get("/v1/snapshots").get("snapshots")).hasSize(1);
        }
    }

    @Test
    @DisplayName("S38: deleting an unknown id is fine, S54: one that is a path is refused")
    void delete() throws Exception {
        String id = coldStart();

        assertThat(send("DELETE", "/v1/snapshots/" + id, "").statusCode()).isEqualTo(204);
        assertThat(send("DELETE", "/v1/snapshots/" + id, "").statusCode()).isEqualTo(204);
        assertThat(send("DELETE", "/v1/snapshots/" + UNKNOWN, "").statusCode()).isEqualTo(204);
        assertThat(problem("DELETE", "/v1/snapshots/..%2F..%2Fetc", "", 400)).isEqualTo("InvalidId");
        assertThat(problem("GET", "/v1/snapshots/" + id, "", 404)).isEqualTo("SnapshotNotFound");
    }

    @Test
    @DisplayName("S5, S39, S62: pruning deletes superseded snapshots and frees their bytes")
    void prune() throws Exception {
        coldStart();
        try (EngineClient client = pod.connect(Sidecars.hello("bf16"))) {
            pod.loadFromSource(client);
            send("POST", "/v1/snapshots", "");
        }
        assertThat(get("/v1/snapshots").get("snapshots")).hasSize(2);

        JsonNode report = JSON
                .readTree(send("POST", "/v1/snapshots:prune", "{\"maxSnapshots\": 1, \"collect\": true}").body());

        assertThat(report.at("/pruned/deleted/0/rule").asText()).isEqualTo("maxSnapshots");
        assertThat(report.at("/collected/waitingFor")).isEmpty();
        assertThat(get("/v1/snapshots").get("snapshots")).hasSize(1);
        assertThat(problem("POST", "/v1/snapshots:prune", "{\"maxSnapshots\": -1}", 400)).isEqualTo("InvalidPolicy");
        assertThat(problem("POST", "/v1/snapshots:prune", "{\"maxsnapshots\": 1}", 400)).isEqualTo("InvalidBody");
    }

    @Test
    @DisplayName("S23, S32: verifying reads everything; damage is reported and puts the snapshot into quarantine")
    void verify() throws Exception {
        String id = coldStart();
        assertThat(JSON.readTree(send("POST", "/v1/snapshots/" + id + ":verify", "").body()).get("problems")).isEmpty();
        Path pack;
        try (var packs = Files.list(pod.volume().resolve("packs"))) {
            pack = packs.findFirst().orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(pack);
        bytes[bytes.length / 2] ^= 1;
        Files.write(pack, bytes);

        JsonNode report = JSON.readTree(send("POST", "/v1/snapshots/" + id + ":verify", "").body());

        assertThat(report.at("/problems/0/reason").asText()).isEqualTo("ChecksumMismatch");
        assertThat(problem("GET", "/v1/snapshots/" + id, "", 410)).isEqualTo("ChecksumMismatch");
        assertThat(problem("POST", "/v1/snapshots/" + UNKNOWN + ":verify", "", 404)).isEqualTo("SnapshotNotFound");
    }

    @Test
    void aPinIsShownAndTakenBack() throws Exception {
        String id = coldStart();

        assertThat(JSON.readTree(send("POST", "/v1/snapshots/" + id + ":pin", "").body()).get("pinned").asBoolean())
                .isTrue();
        assertThat(JSON.readTree(send("POST", "/v1/snapshots/" + id + ":unpin", "").body()).get("pinned").asBoolean())
                .isFalse();
    }

    @Test
    @DisplayName("S31, S61: a restore is begun once, followed as a stream, and cancelled")
    void restore() throws Exception {
        String id = coldStart();
        var reading = new CountDownLatch(1);
        restart(GatedVolume.readingAfter(reading, pod.volume()));

        JsonNode begun = JSON.readTree(send("POST", "/v1/restores", "{\"snapshot\": \"" + id + "\"}").body());
        JsonNode again = JSON.readTree(send("POST", "/v1/restores", "").body());
        String path = "/v1/restores/" + begun.get("id").asText();

        assertThat(again.get("id")).isEqualTo(begun.get("id"));
        assertThat(get(path).get("state").asText()).isEqualTo("Restoring");
        var stream = http.sendAsync(request(path + "?watch=true").build(), BodyHandlers.ofLines());
        reading.countDown();
        List<String> lines = stream.get().body().toList();
        assertThat(JSON.readTree(lines.getLast()).get("state").asText()).isEqualTo("Restored");
        assertThat(JSON.readTree(lines.getLast()).get("percent").asInt()).isEqualTo(100);
        assertThat(send("DELETE", path, "").statusCode()).as("it has ended").isEqualTo(204);
        assertThat(get(path).get("state").asText()).isEqualTo("Restored");
        assertThat(problem("POST", "/v1/restores", "{\"snapshot\": \"" + UNKNOWN + "\"}", 409))
                .isEqualTo("MemoryInUse");
        assertThat(problem("GET", "/v1/restores/none", "", 404)).isEqualTo("RestoreNotFound");
    }

    @Test
    @DisplayName("S21: only the buffer types that are asked for are restored; names that are no types are refused")
    void restoreOfSomeTypes() throws Exception {
        agent.close();
        String id;
        try (SampleModel model = new SampleModel(folder, 1)) {
            model.buffer("w", BufferType.Weights, model.random(200_000));
            model.buffer("kv", BufferType.KvCache, model.random(50_000));
            id = pod.store()
                    .save(model.request(Instant.parse("2026-01-01T00:00:00Z")), model.device(),
                            new SaveOptions(Compression.None, 3, Set.of(BufferType.Weights, BufferType.KvCache),
                                    1 << 20, 1, true),
                            ProgressListener.NONE)
                    .id();
        }
        agent = Agent.start(pod.config(), pod.store(), device, Clock.systemUTC());

        JsonNode begun = JSON.readTree(send("POST", "/v1/restores",
                "{\"snapshot\": \"" + id + "\", \"types\": [\"KvCache\"]}").body());

        await().until(() -> get("/v1/restores/" + begun.get("id").asText()).get("state").asText().equals("Restored"));
        assertThat(begun.get("totalBytes").asLong()).as("the weights stay where they are").isEqualTo(50_000);
        assertThat(problem("POST", "/v1/restores", "{\"snapshot\": \"" + id + "\"}", 409)).isEqualTo("MemoryInUse");
        for (String wrong : List.of("[]", "[\"Caches\"]", "[\"weights\", \"Weights\"]")) {
            assertThat(problem("POST", "/v1/restores", "{\"types\": " + wrong + "}", 400)).isEqualTo("InvalidTypes");
        }
    }

    @Test
    void aRestoreThatIsCancelledSaysSo() throws Exception {
        coldStart();
        var reading = new CountDownLatch(1);
        restart(GatedVolume.readingAfter(reading, pod.volume()));
        String path = "/v1/restores/" + JSON.readTree(send("POST", "/v1/restores", "").body()).get("id").asText();

        assertThat(send("DELETE", path, "").statusCode()).isEqualTo(204);
        reading.countDown();

        await().until(() -> get(path).get("state").asText().equals("Failed"));
        assertThat(get(path).get("reason").asText()).isEqualTo("Cancelled");
        assertThat(get("/v1/stats").at("/failures/Cancelled").asInt()).isEqualTo(1);
    }

    @Test
    @DisplayName("S25, S29, S30, S40, S63: saves, restores and failures are counted, with their averages")
    void stats() throws Exception {
        coldStart();
        JsonNode saved = get("/v1/stats");
        assertThat(saved.get("created").asInt()).isEqualTo(1);
        assertThat(saved.get("bytesSaved").asLong()).isGreaterThanOrEqualTo(Sidecars.WEIGHTS);
        assertThat(saved.get("averageSaveMillis").asDouble()).isPositive();
        assertThat(saved.get("averageRestoreMillis").asDouble()).isZero();
        restart(pod.store());
        await().until(() -> get("/v1/stats").get("restored").asInt() == 1);

        assertThat(http.send(request("/metrics").build(), BodyHandlers.ofString()).body())
                .contains("dormouse_sidecar_snapshots_restored 1\n");
    }

    @Test
    void withoutAVolumeEveryRequestSaysSo() throws Exception {
        agent.close();
        agent = Agent.start(pod.configWithoutSnapshots(), null, device, Clock.systemUTC());

        assertThat(problem("GET", "/v1/snapshots", "", 409)).isEqualTo("SnapshotsOff");
        assertThat(problem("POST", "/v1/snapshots", "", 409)).isEqualTo("SnapshotsOff");
        assertThat(problem("POST", "/v1/restores", "", 409)).isEqualTo("SnapshotsOff");
        assertThat(problem("GET", "/v1/nothing", "", 404)).isEqualTo("UnknownPath");
        assertThat(problem("PUT", "/v1/snapshots/" + UNKNOWN, "", 405)).isEqualTo("MethodNotAllowed");
        assertThat(problem("POST", "/v1/restores", "x".repeat(70_000), 413)).isEqualTo("BodyTooLarge");
    }

    @Test
    void whereATokenIsConfiguredChangesNeedIt() throws Exception {
        agent.close();
        AgentConfig open = pod.config();
        agent = Agent.start(new AgentConfig(open.socket(), open.podIp(), open.httpPort(), open.enginePort(),
                open.podUid(), open.model(), open.activation(), open.snapshots(), open.warmup(), null, "secret",
                open.device(), open.fitness(), null),
                pod.store(), device, Clock.systemUTC());

        assertThat(problem("DELETE", "/v1/snapshots/" + UNKNOWN, "", 401)).isEqualTo("NotAuthorized");
        assertThat(get("/v1/snapshots").get("snapshots")).isEmpty();
        assertThat(http.send(request("/v1/snapshots/" + UNKNOWN).DELETE()
                .header("Authorization", "Bearer secret")
                .build(), BodyHandlers.discarding()).statusCode()).isEqualTo(204);
    }

    @Test
    @DisplayName("S50: a snapshot that is not trusted is named with its reason, not restored, and not put into quarantine")
    void untrusted() throws Exception {
        String id = coldStart();
        var keys = new KeyFolder(folder.resolve("secrets")).signer("k").wrapping("w", 1);

        restart(store(keys.trust("ns", "k", false)));

        assertThat(agent.status().phase()).isEqualTo(ReplicaPhase.Starting);
        assertThat(get("/v1/snapshots").at("/refused/0/reason").asText()).isEqualTo("SignatureMissing");
        assertThat(problem("GET", "/v1/snapshots/" + id, "", 410)).isEqualTo("SignatureMissing");
        assertThat(problem("POST", "/v1/restores", "{\"snapshot\":\"" + id + "\"}", 410)).isEqualTo("SignatureMissing");
        assertThat(JSON.readTree(send("POST", "/v1/snapshots/" + id + ":verify", "").body())
                .at("/problems/0/reason")
                .asText()).isEqualTo("SignatureMissing");

        restart(store(keys.trust("ns", null, true)));
        assertThat(problem("POST", "/v1/restores", "{\"snapshot\":\"" + id + "\"}", 410)).isEqualTo("NotEncrypted");

        restart(pod.store());
        await().until(() -> agent.status().snapshot().state() == SnapshotReport.State.Restored);
    }

    @Test
    @DisplayName("S50, S63: a protected cold start is restored by who has the keys; others say which key is missing, and count it")
    void protectedColdStart() throws Exception {
        var keys = new KeyFolder(folder.resolve("secrets")).signer("k").wrapping("w", 1);
        restart(store(keys.trust("ns", "k", true)));
        String id = coldStart();
        restart(store(keys.trust("ns", "k", true)));
        await().until(() -> agent.status().snapshot().state() == SnapshotReport.State.Restored);

        restart(pod.store());

        assertThat(agent.status().previousSnapshot()).extracting(SnapshotReport::id, SnapshotReport::reason)
                .containsExactly(id, "KeyMissing");
        assertThat(problem("POST", "/v1/restores", "", 409)).isEqualTo("KeyMissing");
        assertThat(get("/v1/stats").at("/failures/KeyMissing").asLong()).isEqualTo(2);
        restart(store(keys.trust("other", "k", true)));
        assertThat(get("/v1/snapshots").at("/refused/0/reason").asText()).isEqualTo("SignatureInvalid");
        assertThat(agent.status().previousSnapshot()).isNotNull()
                .extracting(SnapshotReport::reason)
                .isEqualTo("SignatureInvalid");
        restart(store(keys.trust("other", null, true)));
        assertThat(agent.status().previousSnapshot()).isNotNull()
                .extracting(SnapshotReport::reason)
                .isEqualTo("WrongKey");
    }

    private SnapshotStore store(Trust trust) throws IOException {
        return SnapshotStore.open(pod.volume(), Writer.inPod("uid-1"), Clock.systemUTC(), trust);
    }

    private String coldStart() throws Exception {
        try (EngineClient client = pod.connect()) {
            pod.loadFromSource(client);
            client.ready(Sidecars.ready());
            await().until(() -> agent.status().phase() == ReplicaPhase.Ready);
        }
        return String.valueOf(agent.status().snapshot().id());
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + agent.httpPort() + path));
    }

    private JsonNode get(String path) throws IOException, InterruptedException {
        HttpResponse<String> answer = http.send(request(path).build(), BodyHandlers.ofString());
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return JSON.readTree(answer.body());
    }

    private HttpResponse<String> send(String method, String path, String body)
            throws IOException, InterruptedException {
        return http.send(request(path).method(method, BodyPublishers.ofString(body)).build(),
                BodyHandlers.ofString());
    }

    /** The code of a refusal. */
    private String problem(String method, String path, String body, int status)
            throws IOException, InterruptedException {
        HttpResponse<String> answer = send(method, path, body);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(status);
        assertThat(answer.headers().firstValue("content-type")).contains("application/problem+json");
        return JSON.readTree(answer.body()).get("code").asText();
    }
}

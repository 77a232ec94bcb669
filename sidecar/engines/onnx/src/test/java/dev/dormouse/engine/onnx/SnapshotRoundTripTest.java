package dev.dormouse.engine.onnx;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.agent.AgentMain;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Engine and sidecar as the processes that they are, over a real socket and a real volume. */
class SnapshotRoundTripTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    /** A loopback address of its own, as every pod has one. */
    private static final String POD_IP = "127.0.83.7";
    private static final int ENGINE_PORT = 8083;
    private static final int SIDECAR_PORT = 9483;
    private static final String QUESTION = "{\"model\": \"minilm\", \"input\": [\"hello world\", \"a dormouse wakes\"]}";

    @TempDir
    Path folder;

    private final HttpClient client = HttpClient.newHttpClient();
    private final ObjectMapper json = new ObjectMapper();
    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void nothingStaysBehind() {
        processes.forEach(Process::destroyForcibly);
        client.close();
    }

    @Test
    @DisplayName("H37, H40: a wake from a snapshot answers as the cold start did, and as an engine without a sidecar does")
    void allThreeWaysGiveTheSameAnswer() throws Exception {
        Process alone = engine(Map.of());
        await().atMost(PATIENCE).until(this::answers);
        JsonNode plain = ask();
        stop(alone);

        Process sidecar = sidecar();
        Process engine = engine(withSidecar());
        await().atMost(PATIENCE).until(() -> phase("Ready"));
        assertThat(status().path("rung").asText()).isEqualTo("Cold");
        assertThat(status().at("/snapshot/state").asText()).isEqualTo("Saved");
        assertThat(ask()).isEqualTo(plain);
        stop(engine);
        stop(sidecar);

        sidecar();
        engine(withSidecar());
        await().atMost(PATIENCE).until(() -> phase("Ready"));
        assertThat(status().path("rung").asText()).isEqualTo("Volume");
        assertThat(status().path("restoredBytes").asLong()).isGreaterThan(80_000_000);
        assertThat(ask()).isEqualTo(plain);
    }

    @Test
    @DisplayName("A damaged snapshot costs the engine its speed, never the right answer (S32)")
    void aRefusedSnapshotLeadsBackToTheSource() throws Exception {
        Process sidecar = sidecar();
        Process engine = engine(withSidecar());
        await().atMost(PATIENCE).until(() -> phase("Ready"));
        JsonNode cold = ask();
        stop(engine);
        stop(sidecar);
        flipOneBit();

        sidecar();
        engine(withSidecar());

        await().atMost(PATIENCE).until(() -> phase("Ready"));
        assertThat(status().path("rung").asText()).isEqualTo("Cold");
        assertThat(status().at("/previousSnapshot/state").asText()).isEqualTo("Quarantined");
        assertThat(ask()).isEqualTo(cold);
    }

    @Test
    void aSidecarThatIsKilledCostsNoRequestAndFindsTheEngineAgain() throws Exception {
        Process sidecar = sidecar();
        engine(withSidecar());
        await().atMost(PATIENCE).until(() -> phase("Ready"));
        JsonNode before = ask();

        sidecar.destroyForcibly().waitFor();
        assertThat(ask()).isEqualTo(before);
        sidecar();

        await().atMost(PATIENCE).until(() -> phase("Ready"));
        assertThat(ask()).isEqualTo(before);
    }

    @Test
    void aSidecarThatComesBackWithoutASnapshotIsGivenTheWeightsAgain() throws Exception {
        Process sidecar = sidecar();
        engine(withSidecar());
        await().atMost(PATIENCE).until(() -> phase("Ready"));
        JsonNode before = ask();

        sidecar.destroyForcibly().waitFor();
        Files.move(folder.resolve("volume"), folder.resolve("lost"));
        sidecar();

        await().atMost(PATIENCE).until(() -> phase("Ready"));
        assertThat(status().at("/snapshot/state").asText()).isEqualTo("Saved");
        assertThat(ask()).isEqualTo(before);
    }

    @Test
    void aModelThatIsNotThereEndsTheEngineWithItsPath() throws Exception {
        Process engine = engine(Map.of("DORMOUSE_MODEL_PATH", folder.resolve("nothing").toString()));

        assertThat(engine.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(engine.exitValue()).isEqualTo(1);
        assertThat(Files.readString(folder.resolve("engine.log"))).contains(folder.resolve("nothing").toString());
    }

    private Process sidecar() throws IOException {
        return start("sidecar.log", AgentMain.class, Map.of("DORMOUSE_SOCKET", socket(), "POD_IP", POD_IP, "POD_UID",
                "uid", "DORMOUSE_MODEL", "demo/minilm", "DORMOUSE_HTTP_PORT", Integer.toString(SIDECAR_PORT),
                "DORMOUSE_ENGINE_PORT", Integer.toString(ENGINE_PORT), "DORMOUSE_VOLUME",
                folder.resolve("volume").toString(), "DORMOUSE_SNAPSHOT_KEY", "0".repeat(64)));
    }

    private Process engine(Map<String, String> more) throws IOException {
        Map<String, String> environment = new HashMap<>(Map.of("POD_IP", POD_IP, "DORMOUSE_ENGINE_PORT",
                Integer.toString(ENGINE_PORT), "DORMOUSE_MODEL_NAME", "minilm", "DORMOUSE_MODEL_PATH",
                TestModel.folder().toString()));
        environment.putAll(more);
        return start("engine.log", OnnxEngineMain.class, environment);
    }

    private Map<String, String> withSidecar() {
        return Map.of("DORMOUSE_SOCKET", socket());
    }

    private String socket() {
        return folder.resolve("engine.sock").toString();
    }

    private Process start(String log, Class<?> main, Map<String, String> environment) throws IOException {
        Files.createDirectories(folder.resolve("volume"));
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
                "-Ddormouse.native=" + System.getProperty("dormouse.native"), "-Djava.io.tmpdir=" + folder, "-cp",
                System.getProperty("java.class.path"), main.getName());
        builder.environment().keySet().removeIf(key -> key.startsWith("DORMOUSE_"));
        builder.environment().putAll(environment);
        builder.redirectErrorStream(true).redirectOutput(folder.resolve(log).toFile());
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    private static void stop(Process process) throws InterruptedException {
        process.destroy();
        assertThat(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as("exit status after SIGTERM").isZero();
    }

    private void flipOneBit() throws IOException {
        Path largest;
        try (Stream<Path> files = Files.walk(folder.resolve("volume"))) {
            largest = files.filter(Files::isRegularFile)
                    .max(Comparator.comparingLong(SnapshotRoundTripTest::size))
                    .orElseThrow();
        }
        try (RandomAccessFile pack = new RandomAccessFile(largest.toFile(), "rw")) {
            pack.seek(pack.length() / 2);
            int value = pack.read();
            pack.seek(pack.length() / 2);
            pack.write(value ^ 1);
        }
    }

    private static long size(Path file) {
        try {
            return Files.size(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private boolean answers() {
        try {
            return get("http://" + POD_IP + ":" + ENGINE_PORT + "/health").contains("ok");
        } catch (IOException e) {
            return false;
        }
    }

    private boolean phase(String wanted) {
        try {
            return status().path("phase").asText().equals(wanted);
        } catch (IOException e) {
            return false;
        }
    }

    private JsonNode status() throws IOException {
        return json.readTree(get("http://" + POD_IP + ":" + SIDECAR_PORT + "/status"));
    }

    private String get(String uri) throws IOException {
        return send(HttpRequest.newBuilder(URI.create(uri)).build());
    }

    private JsonNode ask() throws IOException {
        JsonNode answer = json.readTree(send(HttpRequest.newBuilder(
                URI.create("http://" + POD_IP + ":" + ENGINE_PORT + "/v1/embeddings"))
                .POST(BodyPublishers.ofString(QUESTION, UTF_8))
                .build()));
        assertThat(answer.at("/data/1/embedding")).hasSize(384);
        return answer;
    }

    private String send(HttpRequest request) throws IOException {
        try {
            return client.send(request, BodyHandlers.ofString()).body();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }
}

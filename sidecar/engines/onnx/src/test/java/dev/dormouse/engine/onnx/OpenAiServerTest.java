package dev.dormouse.engine.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Clock;
import java.util.Base64;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OpenAiServerTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    private static OpenAiServer server;
    private static String base;

    @BeforeAll
    static void start() throws IOException {
        NativeLibraries.use();
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        EmbeddingModel model = new EmbeddingModel(new Tokenizer(Files.readAllBytes(ModelFiles.TOKENIZER)),
                EmbeddingSession.plain(ModelFiles.ONNX));
        server = OpenAiServer.start(new InetSocketAddress("127.0.0.1", port), model, "minilm", Clock.systemUTC());
        base = "http://127.0.0.1:" + port;
    }

    @AfterAll
    static void stop() throws IOException {
        server.close();
    }

    private static HttpResponse<String> post(String body) throws IOException, InterruptedException {
        return HTTP.send(HttpRequest.newBuilder(URI.create(base + "/v1/embeddings"))
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build(), HttpResponse.BodyHandlers.ofString());
    }

    private static HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return HTTP.send(HttpRequest.newBuilder(URI.create(base + path)).build(), HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void embeddingsComeInOrderAsFloatsOrBase64() throws Exception {
        JsonNode floats = JSON.readTree(post("{\"model\":\"minilm\",\"input\":[\"a\",\"b\"]}").body());
        JsonNode base64 = JSON.readTree(
                post("{\"model\":\"minilm\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}").body());

        assertThat(floats.at("/data").size()).isEqualTo(2);
        assertThat(floats.at("/data/1/index").asInt()).isEqualTo(1);
        assertThat(floats.at("/usage/prompt_tokens").asInt()).isEqualTo(6);
        ByteBuffer bytes = ByteBuffer.wrap(Base64.getDecoder().decode(base64.at("/data/1/embedding").asText()))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertThat(bytes.getFloat()).isEqualTo((float) floats.at("/data/1/embedding/0").asDouble());
    }

    @Test
    void tokenIdsAreTakenAsTheyAre() throws Exception {
        JsonNode text = JSON.readTree(post("{\"model\":\"minilm\",\"input\":\"hello world\"}").body());
        JsonNode ids = JSON.readTree(post("{\"model\":\"minilm\",\"input\":[101,7592,2088,102]}").body());

        assertThat(ids.at("/data/0/embedding")).isEqualTo(text.at("/data/0/embedding"));
    }

    @Test
    void modelsAndHealthAnswer() throws Exception {
        assertThat(get("/v1/models").body()).contains("\"minilm\"");
        assertThat(get("/health").statusCode()).isEqualTo(200);
        assertThat(get("/v1/nothing").statusCode()).isEqualTo(404);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', value = {"{\"model\":\"minilm\",|400|JSON", "[]|400|object",
            "{\"input\":\"x\"}|400|model must be a string", "{\"model\":\"other\",\"input\":\"x\"}|404|other",
            "{\"model\":\"minilm\"}|400|input must be", "{\"model\":\"minilm\",\"input\":[]}|400|input must be",
            "{\"model\":\"minilm\",\"input\":\"\"}|400|empty", "{\"model\":\"minilm\",\"input\":[\"a\",[1]]}|400|mixes",
            "{\"model\":\"minilm\",\"input\":[[]]}|400|token ids",
            "{\"model\":\"minilm\",\"input\":\"x\",\"dimensions\":7}|400|dimensions",
            "{\"model\":\"minilm\",\"input\":\"x\",\"encoding_format\":\"hex\"}|400|encoding_format"})
    void badInputIsNamed(String body, int status, String message) throws Exception {
        HttpResponse<String> answer = post(body);

        assertThat(answer.statusCode()).isEqualTo(status);
        assertThat(JSON.readTree(answer.body()).at("/error/message").asText()).contains(message);
    }

    @Test
    void tooManyInputsAreRefused() {
        String body = "{\"model\":\"minilm\",\"input\":[" + "\"a\",".repeat(EmbeddingRequest.MOST_INPUTS) + "\"a\"]}";

        assertThatThrownBy(() -> EmbeddingRequest.parse(body.getBytes(StandardCharsets.UTF_8), "minilm"))
                .hasMessageContaining("more than 2048");
    }
}

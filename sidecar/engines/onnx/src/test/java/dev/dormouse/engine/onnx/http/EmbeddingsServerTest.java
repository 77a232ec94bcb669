package dev.dormouse.engine.onnx.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.onnxruntime.OrtException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.engine.onnx.TestModel;
import dev.dormouse.engine.onnx.model.EmbeddingModel;
import dev.dormouse.engine.onnx.model.EmbeddingSession;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EmbeddingsServerTest {
    private final ObjectMapper json = new ObjectMapper();
    private final HttpClient client = HttpClient.newHttpClient();
    private EmbeddingModel model;
    private EmbeddingsServer server;

    @BeforeAll
    void serve() throws IOException, OrtException {
        TestModel files = TestModel.load();
        model = new EmbeddingModel(files.settings(), files.tokenizer(),
                EmbeddingSession.overFile(files.environment(), files.files().onnx(), files.settings()));
        server = listen();
        server.serve(model);
    }

    private static EmbeddingsServer listen() throws IOException {
        return EmbeddingsServer.listen(new InetSocketAddress("127.0.0.1", 0), "minilm", Set.of("demo/minilm"));
    }

    @AfterAll
    void stop() throws InterruptedException {
        server.withdraw(Duration.ofSeconds(10));
        server.stop(Duration.ZERO);
        client.close();
    }

    @Test
    void textsAreAnsweredInOrderWithTheirUsage() throws Exception {
        JsonNode answer = ask(
                """
                {"model": "minilm", "input": ["hello world", "a dormouse"], "user": "x", "unknown": 1}""");

        assertThat(answer.path("object").asText()).isEqualTo("list");
        assertThat(answer.path("model").asText()).isEqualTo("minilm");
        assertThat(answer.at("/data/0/index").asInt()).isZero();
        assertThat(answer.at("/data/1/index").asInt()).isEqualTo(1);
        assertThat(answer.at("/data/1/embedding")).hasSize(384);
        assertThat(answer.at("/usage/prompt_tokens").asInt()).isEqualTo(9);
        assertThat(answer.at("/usage/total_tokens").asInt()).isEqualTo(9);
    }

    @Test
    void oneTextAndItsTokenIdsHaveTheSameVector() throws Exception {
        JsonNode text = ask("{\"model\": \"demo/minilm\", \"input\": \"hello world\"}").at("/data/0/embedding");

        assertThat(ask("{\"model\": \"minilm\", \"input\": [101, 7592, 2088, 102]}").at("/data/0/embedding"))
                .isEqualTo(text);
        assertThat(ask("{\"model\": \"minilm\", \"input\": [[101, 7592, 2088, 102], [101, 102]]}").at("/data"))
                .hasSize(2);
    }

    @Test
    void base64IsTheSameVectorAsLittleEndianFloats() throws Exception {
        JsonNode floats = ask("{\"model\": \"minilm\", \"input\": \"hello\"}").at("/data/0/embedding");

        byte[] bytes = Base64.getDecoder()
                .decode(
                        ask("{\"model\": \"minilm\", \"input\": \"hello\", \"encoding_format\": \"base64\"}")
                                .at("/data/0/embedding")
                                .asText());

        ByteBuffer vector = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (JsonNode value : floats) {
            assertThat(vector.getFloat()).isEqualTo((float) value.asDouble());
        }
        assertThat(vector.hasRemaining()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                                            {"model": "minilm", "input":                                      | 400 |                 | not valid JSON
                                            {"model": "minilm", "input": "a"} trailing                        | 400 |                 | not valid JSON
                                            ["minilm"]                                                        | 400 |                 | JSON object
                                            {"input": "a"}                                                    | 400 | model           | required
                                            {"model": 7, "input": "a"}                                        | 400 | model           | required
                                            {"model": "gpt-5", "input": "a"}                                  | 404 |                 | gpt-5
                                            {"model": "minilm"}                                               | 400 | input           | required
                                            {"model": "minilm", "input": null}                                | 400 | input           | required
                                            {"model": "minilm", "input": []}                                  | 400 | input           | required
                                            {"model": "minilm", "input": ""}                                  | 400 | input           | empty
                                            {"model": "minilm", "input": ["a", ""]}                           | 400 | input           | empty
                                            {"model": "minilm", "input": ["a", 1]}                            | 400 | input           | one kind
                                            {"model": "minilm", "input": [1, "a"]}                            | 400 | input           | one kind
                                            {"model": "minilm", "input": [1.5]}                               | 400 | input           | one kind
                                            {"model": "minilm", "input": [[1], []]}                           | 400 | input           | not empty
                                            {"model": "minilm", "input": [30522]}                             | 400 | input           | 30522
                                            {"model": "minilm", "input": [-1]}                                | 400 | input           | -1
                                            {"model": "minilm", "input": [99999999999999999999]}              | 400 | input           | token ids
                                            {"model": "minilm", "input": {"text": "a"}}                       | 400 | input           | required
                                            {"model": "minilm", "input": "a", "dimensions": 128}              | 400 | dimensions      | not supported
                                            {"model": "minilm", "input": "a", "encoding_format": "int8"}      | 400 | encoding_format | base64
                                            """)
    void aBadRequestIsAnsweredInOpenAisEnvelope(String body, int status, String parameter, String says)
            throws Exception {
        HttpResponse<String> response = post(server, body);

        JsonNode error = json.readTree(response.body()).path("error");
        assertThat(response.statusCode()).isEqualTo(status);
        assertThat(error.path("type").asText()).isEqualTo("invalid_request_error");
        assertThat(error.path("message").asText()).contains(says);
        assertThat(error.path("param").textValue()).isEqualTo(parameter);
    }

    @Test
    void aRequestThatIsTooLargeIsRefusedByItsSize() throws Exception {
        String many = "{\"model\": \"minilm\", \"input\": [" + "\"a\",".repeat(2048) + "\"a\"]}";
        String huge = "{\"model\": \"minilm\", \"input\": \"" + "a".repeat(17 << 20) + "\"}";
        String tokens = "{\"model\": \"minilm\", \"input\": ["
                + String.join(",", Collections.nCopies(600, "[" + "1,".repeat(511) + "1]")) + "]}";

        assertThat(post(server, many).body()).contains("2049 items");
        assertThat(post(server, huge).statusCode()).isEqualTo(413);
        assertThat(post(server, tokens)).satisfies(response -> {
            assertThat(response.statusCode()).isEqualTo(400);
            assertThat(response.body()).contains("300000");
        });
    }

    @Test
    void unknownPathsAndMethodsAreNamed() throws Exception {
        assertThat(get(server, "/v1/embeddings").statusCode()).isEqualTo(405);
        assertThat(get(server, "/v1/embeddings").headers().firstValue("Allow")).contains("POST");
        assertThat(get(server, "/v1/chat/completions")).satisfies(response -> {
            assertThat(response.statusCode()).isEqualTo(404);
            assertThat(response.body()).contains("/v1/embeddings");
        });
    }

    @Test
    void theModelIsListed() throws Exception {
        assertThat(json.readTree(get(server, "/v1/models").body()).at("/data/0/id").asText()).isEqualTo("minilm");
        assertThat(get(server, "/health").statusCode()).isEqualTo(200);
    }

    @Test
    void beforeThereIsAModelItAsksForPatience() throws Exception {
        EmbeddingsServer loading = listen();
        try {
            HttpResponse<String> response = post(loading, "{\"model\": \"minilm\", \"input\": \"a\"}");

            assertThat(response.statusCode()).isEqualTo(503);
            assertThat(response.headers().firstValue("Retry-After")).isPresent();
            assertThat(get(loading, "/health").statusCode()).isEqualTo(503);
        } finally {
            loading.stop(Duration.ZERO);
        }
    }

    @Test
    void manyClientsAtOnceAllGetTheirOwnAnswer() throws Exception {
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            answers.add(client.sendAsync(request(server, "{\"model\": \"minilm\", \"input\": \"number " + i + "\"}"),
                    BodyHandlers.ofString()));
        }
        for (int i = 0; i < answers.size(); i++) {
            JsonNode vector = json.readTree(answers.get(i).get().body()).at("/data/0/embedding");
            assertThat(vector).isEqualTo(
                    ask("{\"model\": \"minilm\", \"input\": \"number " + i + "\"}").at("/data/0/embedding"));
        }
    }

    @Test
    void aPortThatIsTakenIsNamed() {
        assertThatThrownBy(() -> EmbeddingsServer.listen(server.address(), "minilm", Set.of()))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(String.valueOf(server.address().getPort()));
    }

    private JsonNode ask(String body) throws IOException, InterruptedException {
        HttpResponse<String> response = post(server, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return json.readTree(response.body());
    }

    private HttpResponse<String> post(EmbeddingsServer to, String body) throws IOException, InterruptedException {
        return client.send(request(to, body), BodyHandlers.ofString());
    }

    private static HttpRequest request(EmbeddingsServer to, String body) {
        return HttpRequest.newBuilder(uri(to, "/v1/embeddings")).POST(BodyPublishers.ofString(body)).build();
    }

    private HttpResponse<String> get(EmbeddingsServer from, String path) throws IOException, InterruptedException {
        return client.send(HttpRequest.newBuilder(uri(from, path)).build(), BodyHandlers.ofString());
    }

    private static URI uri(EmbeddingsServer server, String path) {
        return URI.create("http://127.0.0.1:" + server.address().getPort() + path);
    }
}

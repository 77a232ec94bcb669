package dev.dormouse.cli.demo;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** A client of {@code /v1/embeddings}, as any user's would be. */
public final class EmbeddingClient implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final URI gateway;

    public EmbeddingClient(URI gateway) {
        this.gateway = gateway;
    }

    /**
     * @return the embedding of {@code input}
     * @throws IOException when the answer is not 200; the message carries status and body
     */
    public List<Double> embed(String model, String input, Duration timeout) throws IOException, InterruptedException {
        HttpResponse<String> response = post(model, input, timeout);
        if (response.statusCode() != 200) {
            throw new IOException("the gateway answered " + response.statusCode() + ": " + response.body());
        }
        JsonNode vector = JSON.readTree(response.body()).at("/data/0/embedding");
        return vector.valueStream().map(JsonNode::asDouble).toList();
    }

    /** The raw answer, whatever its status. */
    public HttpResponse<String> post(String model, String input, Duration timeout)
            throws IOException, InterruptedException {
        byte[] body = JSON.writeValueAsBytes(Map.of("model", model, "input", input));
        HttpRequest request = HttpRequest.newBuilder(gateway.resolve("/v1/embeddings"))
                .timeout(timeout)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                .build();
        return http.send(request, HttpResponse.BodyHandlers.ofString());
    }

    /** The names that {@code GET /v1/models} lists. */
    public List<String> models() throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(gateway.resolve("/v1/models"))
                .timeout(Duration.ofSeconds(5))
                .build();
        HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
        return JSON.readTree(response.body())
                .path("data")
                .valueStream()
                .map(model -> model.path("id").asText())
                .toList();
    }

    @Override
    public void close() {
        http.close();
    }
}

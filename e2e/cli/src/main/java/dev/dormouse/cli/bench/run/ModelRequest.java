package dev.dormouse.cli.bench.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

/** The request that every start answers; the model's name is put into it. */
public final class ModelRequest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String path;
    private final ObjectNode body;

    /** @throws IllegalArgumentException when {@code body} is not a JSON object; the message says where */
    public ModelRequest(String path, String body) {
        this.path = path;
        try {
            JsonNode tree = JSON.readTree(body);
            if (!(tree instanceof ObjectNode object)) {
                throw new IllegalArgumentException("the body must be a JSON object: " + body);
            }
            this.body = object;
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("the body is not JSON: " + e.getOriginalMessage(), e);
        }
    }

    /** @throws IOException when the answer is not 200 or comes too late: a start that failed is no sample (BR1) */
    void send(HttpClient http, URI base, String model, Duration timeout)
            throws IOException, InterruptedException {
        byte[] bytes = JSON.writeValueAsBytes(body.deepCopy().put("model", model));
        HttpResponse<String> answer = http.send(HttpRequest.newBuilder(base.resolve(path))
                .timeout(timeout)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(bytes))
                .build(), HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IOException(model + " answered " + answer.statusCode() + ": " + answer.body());
        }
    }
}

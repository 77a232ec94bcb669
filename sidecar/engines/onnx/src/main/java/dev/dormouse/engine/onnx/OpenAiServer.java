package dev.dormouse.engine.onnx;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code /v1/embeddings}, {@code /v1/models}, {@code /health}; errors in OpenAI's envelope. */
final class OpenAiServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(OpenAiServer.class);
    private static final int LARGEST_BODY = 16 << 20;
    private static final int DRAIN_SECONDS = 10;
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpServer server;
    private final ExecutorService threads;
    private final EmbeddingModel model;
    private final String name;
    private final long created;

    private OpenAiServer(HttpServer server, ExecutorService threads, EmbeddingModel model, String name, Clock clock) {
        this.server = server;
        this.threads = threads;
        this.model = model;
        this.name = name;
        this.created = clock.instant().getEpochSecond();
    }

    static OpenAiServer start(InetSocketAddress address, EmbeddingModel model, String name, Clock clock)
            throws IOException {
        HttpServer server = HttpServer.create(address, 1024);
        ExecutorService threads = Executors
                .newFixedThreadPool(Math.max(4, 2 * Runtime.getRuntime().availableProcessors()));
        OpenAiServer ours = new OpenAiServer(server, threads, model, name, clock);
        server.setExecutor(threads);
        server.createContext("/", ours::answer);
        server.start();
        return ours;
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            try {
                send(exchange, 200, route(exchange));
            } catch (ApiException e) {
                send(exchange, e.status(), error(e));
            } catch (IOException | RuntimeException e) {
                LOG.atError()
                        .setMessage("request failed")
                        .addKeyValue("path", exchange.getRequestURI().getPath())
                        .addKeyValue("cause", e.toString())
                        .log();
                send(exchange, 500, Map.of("error",
                        Map.of("message", String.valueOf(e.getMessage()), "type", "server_error", "code",
                                "internal_error")));
            }
        }
    }

    private Object route(HttpExchange exchange) throws ApiException, IOException {
        String route = exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath();
        return switch (route) {
            case "POST /v1/embeddings" -> embeddings(body(exchange));
            case "GET /v1/models" -> Map.of("object", "list", "data",
                    List.of(Map.of("id", name, "object", "model", "created", created, "owned_by", "dormouse")));
            case "GET /health" -> Map.of("status", "ok");
            default -> throw new ApiException(404, "not_found", "", route + " is not served here");
        };
    }

    private static byte[] body(HttpExchange exchange) throws ApiException, IOException {
        try (InputStream in = exchange.getRequestBody()) {
            byte[] body = in.readNBytes(LARGEST_BODY + 1);
            if (body.length > LARGEST_BODY) {
                throw new ApiException(413, "too_large", "", "the body has more than " + LARGEST_BODY + " bytes");
            }
            return body;
        }
    }

    private Object embeddings(byte[] requestBody) throws ApiException, IOException {
        EmbeddingRequest request = EmbeddingRequest.parse(requestBody, name);
        EmbeddingModel.Answer answer = model.embed(request);
        List<Object> data = new ArrayList<>();
        for (float[] vector : answer.vectors()) {
            Map<String, Object> item = new LinkedHashMap<>();
            item.put("object", "embedding");
            item.put("index", data.size());
            item.put("embedding", request.base64() ? base64(vector) : vector);
            data.add(item);
        }
        // In a defined order: equal answers are equal bytes.
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("object", "list");
        body.put("data", data);
        body.put("model", name);
        body.put("usage", new Usage(answer.tokens(), answer.tokens()));
        return body;
    }

    private record Usage(@JsonProperty("prompt_tokens") int promptTokens,
            @JsonProperty("total_tokens") int totalTokens) {}

    private static String base64(float[] vector) {
        ByteBuffer bytes = ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(vector);
        return Base64.getEncoder().encodeToString(bytes.array());
    }

    private static Object error(ApiException e) {
        return Map.of("error",
                Map.of("message", String.valueOf(e.getMessage()), "type", "invalid_request_error", "code",
                        e.code(), "param", e.parameter()));
    }

    private static void send(HttpExchange exchange, int status, Object body) throws IOException {
        byte[] bytes = JSON.writeValueAsBytes(body);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    /** Refuses new connections and lets running requests finish. */
    @Override
    public void close() throws IOException {
        server.stop(DRAIN_SECONDS);
        threads.shutdown();
        try {
            if (!threads.awaitTermination(DRAIN_SECONDS, TimeUnit.SECONDS)) {
                threads.shutdownNow();
            }
        } catch (InterruptedException e) {
            threads.shutdownNow();
            Thread.currentThread().interrupt();
        }
        model.close();
    }
}

package dev.dormouse.engine.onnx.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import ai.onnxruntime.OrtException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.engine.onnx.model.EmbeddingModel;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code POST /v1/embeddings}, {@code GET /v1/models} and {@code GET /health}. It listens before there is a model, so
 * that a port that is taken is known at once, and answers 503 until {@link #serve}.
 *
 * <p>INVARIANT: at most {@link #MAX_REQUESTS} embeddings requests are in here at a time; a further one is refused at
 * once, on one of the threads that are kept free for that and for the health check.
 */
public final class EmbeddingsServer {
    private static final Logger LOG = LoggerFactory.getLogger(EmbeddingsServer.class);
    private static final int MAX_REQUESTS = 128;
    private static final int SPARE_THREADS = 8;
    /** Further runs would only share the same cores, and each has activations in memory. */
    private static final int RUNS = Runtime.getRuntime().availableProcessors();
    private static final int MAX_CONNECTIONS_WAITING = 1024;
    /** Room for the most tokens that are allowed, as text or as ids; all requests at once fit into the heap. */
    private static final int MAX_BODY = 4 << 20;
    /** OpenAI's own bound on all inputs of a request. */
    private static final int MAX_TOKENS = 300_000;

    static {
        // Without it an answer on a kept-alive connection may wait 40 ms for the acknowledgement of the one before.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        // Seconds: a client that never finishes its request would hold its thread for ever.
        System.setProperty("sun.net.httpserver.maxReqTime", "30");
        // Seconds, longer than the gateway keeps its connections: it must not meet one that is just closing.
        System.setProperty("sun.net.httpserver.idleInterval", "120");
    }

    private final ObjectMapper json = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private final Semaphore admitted = new Semaphore(MAX_REQUESTS);
    private final Semaphore running = new Semaphore(RUNS, true);
    private final HttpServer server;
    private final String modelName;
    private final Set<String> names;
    private volatile @Nullable EmbeddingModel model;

    private EmbeddingsServer(HttpServer server, String modelName, Set<String> names) {
        this.server = server;
        this.modelName = modelName;
        this.names = names;
    }

    /**
     * Starts to listen.
     *
     * @param modelName the name that answers carry
     * @param alsoKnownAs further names under which requests may ask for the model
     * @throws IOException naming the address when it cannot be had
     */
    public static EmbeddingsServer listen(InetSocketAddress address, String modelName, Set<String> alsoKnownAs)
            throws IOException {
        HttpServer http;
        try {
            http = HttpServer.create(address, 0);
        } catch (IOException e) {
            throw new IOException("Cannot listen on " + address + ": " + e.getMessage(), e);
        }
        EmbeddingsServer server = new EmbeddingsServer(http, modelName, Set.copyOf(alsoKnownAs));
        int threads = MAX_REQUESTS + SPARE_THREADS;
        ThreadPoolExecutor pool = new ThreadPoolExecutor(threads, threads, 30, TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(MAX_CONNECTIONS_WAITING),
                Thread.ofPlatform().daemon().name("http-", 0).factory());
        pool.allowCoreThreadTimeOut(true);
        http.setExecutor(pool);
        http.createContext("/", server::handle);
        http.start();
        return server;
    }

    public InetSocketAddress address() {
        return server.getAddress();
    }

    /** From here on requests are answered. */
    public void serve(EmbeddingModel ready) {
        model = ready;
    }

    /**
     * Takes the model back and closes it, once nobody uses it any more.
     *
     * @return false when there is none, or when somebody still uses it after {@code patience}: then it stays open
     */
    public boolean withdraw(Duration patience) throws InterruptedException {
        EmbeddingModel gone = model;
        model = null;
        if (gone == null || !running.tryAcquire(RUNS, patience.toMillis(), TimeUnit.MILLISECONDS)) {
            return false;
        }
        gone.close();
        running.release(RUNS);
        return true;
    }

    /** Ends: requests in flight may finish within {@code grace}. */
    public void stop(Duration grace) {
        server.stop(Math.toIntExact(grace.toSeconds()));
    }

    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            try {
                answer(exchange, route(exchange));
            } catch (ApiException e) {
                if (e.status() == 429 || e.status() == 503) {
                    exchange.getResponseHeaders().set("Retry-After", "1");
                }
                answer(exchange, e.status(), error(e));
            } catch (OrtException | RuntimeException e) {
                LOG.error("a request failed", e);
                answer(exchange, 500, error(ApiException.unavailable(500, "internal_error",
                        "The model could not be run; the engine's log says why")));
            }
        }
    }

    private byte[] route(HttpExchange exchange) throws ApiException, IOException, OrtException {
        return switch (exchange.getRequestURI().getPath()) {
            case "/v1/embeddings" -> {
                method(exchange, "POST");
                yield embeddings(exchange);
            }
            case "/v1/models" -> {
                method(exchange, "GET");
                yield models();
            }
            case "/health" -> {
                method(exchange, "GET");
                loaded();
                yield "{\"status\":\"ok\"}".getBytes(UTF_8);
            }
            default ->
                throw ApiException.refused(404, "unknown_url", "Unknown path " + exchange.getRequestURI().getPath()
                        + "; this engine has /v1/embeddings, /v1/models and /health");
        };
    }

    private static void method(HttpExchange exchange, String wanted) throws ApiException {
        if (!exchange.getRequestMethod().equals(wanted)) {
            exchange.getResponseHeaders().set("Allow", wanted);
            throw ApiException.refused(405, "method_not_allowed", "Use " + wanted + " for this path");
        }
    }

    private EmbeddingModel loaded() throws ApiException {
        EmbeddingModel present = model;
        if (present == null) {
            throw ApiException.unavailable(503, "model_loading", "The model is being loaded; try again in a moment");
        }
        return present;
    }

    private byte[] embeddings(HttpExchange exchange) throws ApiException, IOException, OrtException {
        loaded();
        if (!admitted.tryAcquire()) {
            throw ApiException.unavailable(429, "overloaded",
                    MAX_REQUESTS + " requests are being answered already; try again in a moment");
        }
        try {
            EmbeddingsRequest request = EmbeddingsRequest.parse(json, body(exchange));
            if (!request.model().equals(modelName) && !names.contains(request.model())) {
                throw ApiException.refused(404, "model_not_found",
                        "The model " + request.model() + " does not exist here; this engine serves " + modelName);
            }
            return run(request);
        } finally {
            admitted.release();
        }
    }

    private static byte[] body(HttpExchange exchange) throws ApiException, IOException {
        try (InputStream in = exchange.getRequestBody()) {
            byte[] body = in.readNBytes(MAX_BODY + 1);
            if (body.length > MAX_BODY) {
                // To its end (maxReqTime bounds it), or the client is still writing when the connection closes.
                in.transferTo(OutputStream.nullOutputStream());
                throw ApiException.refused(413, "body_too_large", "The body has more than " + MAX_BODY + " bytes");
            }
            return body;
        }
    }

    private static List<long[]> tokens(EmbeddingModel model, EmbeddingsRequest.Input input) throws ApiException {
        List<long[]> tokens = switch (input) {
            case EmbeddingsRequest.Input.Texts texts -> model.tokenizer().encode(texts.texts());
            case EmbeddingsRequest.Input.Tokens ids -> checked(ids.ids(), model.settings().vocabulary(),
                    model.settings().maxTokens());
        };
        long all = tokens.stream().mapToLong(ids -> ids.length).sum();
        if (all > MAX_TOKENS) {
            throw ApiException.badRequest("input",
                    "input has " + all + " tokens; at most " + MAX_TOKENS + " are allowed: send several requests");
        }
        return tokens;
    }

    /** Ids outside of the vocabulary would only fail deep in the graph; sequences too long are cut as texts are. */
    private static List<long[]> checked(List<long[]> inputs, int vocabulary, int maxTokens) throws ApiException {
        List<long[]> checked = new ArrayList<>(inputs.size());
        for (long[] ids : inputs) {
            for (long id : ids) {
                if (id < 0 || id >= vocabulary) {
                    throw ApiException.badRequest("input",
                            "Token id " + id + " is not in this model's vocabulary of " + vocabulary);
                }
            }
            checked.add(ids.length <= maxTokens ? ids : Arrays.copyOf(ids, maxTokens));
        }
        return checked;
    }

    private byte[] run(EmbeddingsRequest request) throws ApiException, IOException, OrtException {
        List<long[]> tokens;
        List<float[]> vectors;
        running.acquireUninterruptibly();
        try {
            // Asked for here, not earlier: withdraw() closes a model that no holder of a permit can see.
            EmbeddingModel present = loaded();
            tokens = tokens(present, request.input());
            vectors = present.session().embed(tokens);
        } finally {
            running.release();
        }
        return result(request, tokens, vectors);
    }

    private byte[] result(EmbeddingsRequest request, List<long[]> tokens, List<float[]> vectors) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 14);
        try (JsonGenerator out = json.createGenerator(bytes)) {
            out.writeStartObject();
            out.writeStringField("object", "list");
            out.writeArrayFieldStart("data");
            for (int i = 0; i < vectors.size(); i++) {
                out.writeStartObject();
                out.writeStringField("object", "embedding");
                out.writeNumberField("index", i);
                out.writeFieldName("embedding");
                vector(out, vectors.get(i), request.base64());
                out.writeEndObject();
            }
            out.writeEndArray();
            out.writeStringField("model", modelName);
            long used = tokens.stream().mapToLong(ids -> ids.length).sum();
            out.writeObjectFieldStart("usage");
            out.writeNumberField("prompt_tokens", used);
            out.writeNumberField("total_tokens", used);
            out.writeEndObject();
            out.writeEndObject();
        }
        return bytes.toByteArray();
    }

    private static void vector(JsonGenerator out, float[] vector, boolean base64) throws IOException {
        if (base64) {
            ByteBuffer bytes = ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(vector);
            out.writeString(Base64.getEncoder().encodeToString(bytes.array()));
            return;
        }
        out.writeStartArray();
        for (float value : vector) {
            out.writeNumber(value);
        }
        out.writeEndArray();
    }

    private byte[] models() throws IOException {
        var entry = json.createObjectNode()
                .put("id", modelName)
                .put("object", "model")
                .put("created", 0)
                .put("owned_by",
                        "dormouse");
        var list = json.createObjectNode().put("object", "list");
        list.putArray("data").add(entry);
        return json.writeValueAsBytes(list);
    }

    private byte[] error(ApiException e) throws IOException {
        var error = json.createObjectNode()
                .put("message", e.getMessage())
                .put("type", e.type())
                .put("param", e.parameter())
                .put("code", e.code());
        return json.writeValueAsBytes(json.createObjectNode().set("error", error));
    }

    private static void answer(HttpExchange exchange, byte[] body) throws IOException {
        answer(exchange, 200, body);
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }
}

package dev.dormouse.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The engine: {@code /v1/chat/completions} and {@code /v1/completions}, streamed or not, {@code /v1/models} and
 * {@code /health}. One virtual thread per request.
 */
public final class ChatEngine implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] WORDS = {"the ", "dormouse ", "sleeps ", "for ", "seven ", "months "};
    private static final Duration LATE = Duration.ofSeconds(1);
    private static final int BACKLOG = 10_000;

    private final ChatSettings settings;
    private final Clock clock;
    private final Instant readyAt;
    private final HttpServer server;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final CountDownLatch closed = new CountDownLatch(1);
    private final AtomicInteger active = new AtomicInteger();

    /** One request for words. */
    private record Ask(boolean chat, boolean stream, boolean withUsage, int tokens, int promptTokens, Fault fault) {}

    /** @param port 0 takes a free one */
    public ChatEngine(ChatSettings settings, String bind, int port, Clock clock) throws IOException {
        this.settings = settings;
        this.clock = clock;
        this.readyAt = clock.instant().plus(settings.loading());
        this.server = HttpServer.create(new InetSocketAddress(InetAddress.getByName(bind), port), BACKLOG);
        server.setExecutor(threads);
        server.createContext("/", this::serve);
        server.start();
    }

    public int port() {
        return server.getAddress().getPort();
    }

    /** Requests that are being answered. */
    public int active() {
        return active.get();
    }

    private void serve(HttpExchange exchange) throws IOException {
        active.incrementAndGet();
        try {
            byte[] body = exchange.getRequestBody().readAllBytes();
            switch (exchange.getRequestURI().getPath()) {
                case "/health" -> send(exchange, ready() ? 200 : 503, JSON.createObjectNode().put("ready", ready()));
                case "/v1/models" -> models(exchange);
                case "/v1/chat/completions" -> complete(exchange, body, true);
                case "/v1/completions" -> complete(exchange, body, false);
                default -> fail(exchange, 404, "there is nothing at " + exchange.getRequestURI().getPath());
            }
            // Not after a failure: closing would end a broken stream as if it were whole.
            exchange.close();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            active.decrementAndGet();
        }
    }

    private boolean ready() {
        return !clock.instant().isBefore(readyAt);
    }

    private void models(HttpExchange exchange) throws IOException {
        ObjectNode list = JSON.createObjectNode().put("object", "list");
        list.putArray("data").addObject().put("id", settings.model()).put("object", "model");
        send(exchange, 200, list);
    }

    private void complete(HttpExchange exchange, byte[] body, boolean chat) throws IOException, InterruptedException {
        JsonNode request;
        Fault fault;
        try {
            request = JSON.readTree(body);
            String asked = exchange.getRequestHeaders().getFirst("X-Fault");
            fault = asked == null ? settings.fault() : Fault.named(asked);
        } catch (IOException | IllegalArgumentException e) {
            fail(exchange, 400, "the request cannot be understood: " + e.getMessage());
            return;
        }
        if (!ready()) {
            fail(exchange, 503, "the model is still being loaded");
        } else if (!request.path("model").asText().equals(settings.model())) {
            fail(exchange, 404, "this engine serves " + settings.model());
        } else if (fault == Fault.ServerError) {
            fail(exchange, 500, "the engine failed because it was asked to");
        } else {
            answer(exchange, new Ask(chat, request.path("stream").asBoolean(),
                    request.path("stream_options").path("include_usage").asBoolean(),
                    Math.max(1, request.path("max_tokens").asInt(settings.tokens())), words(request), fault));
        }
    }

    private static int words(JsonNode request) {
        return request.findValuesAsText("content").stream().mapToInt(text -> text.split("\\s+").length).sum()
                + request.path("prompt").asText().split("\\s+").length;
    }

    private void answer(HttpExchange exchange, Ask ask) throws IOException, InterruptedException {
        if (ask.fault() == Fault.SlowHeaders && pause(LATE)) {
            return;
        }
        if (ask.stream()) {
            exchange.getResponseHeaders().set("Content-Type", "text/event-stream");
            exchange.sendResponseHeaders(200, 0);
            stream(exchange.getResponseBody(), ask);
        } else {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < ask.tokens(); i++) {
                text.append(word(i));
            }
            if (!pause(pace().multipliedBy(ask.tokens()))) {
                send(exchange, 200, object(ask, text.toString(), true));
            }
        }
    }

    private void stream(OutputStream out, Ask ask) throws IOException, InterruptedException {
        for (int i = 0; i < ask.tokens(); i++) {
            boolean middle = i == ask.tokens() / 2;
            if (middle && ask.fault() == Fault.Reset) {
                // Without the last chunk: whoever reads it sees that it is not all.
                throw new IOException("broken off because it was asked for");
            }
            if (middle && ask.fault() == Fault.Stall) {
                closed.await();
            }
            if (middle && ask.fault() == Fault.BadEvent) {
                event(out, "{\"choices\":[");
            }
            event(out, JSON.writeValueAsString(object(ask, word(i), false)));
            if (pause(pace())) {
                return;
            }
        }
        if (ask.withUsage()) {
            ObjectNode last = object(ask, "", true);
            last.putArray("choices");
            event(out, JSON.writeValueAsString(last));
        }
        event(out, "[DONE]");
        out.close();
    }

    private static void event(OutputStream out, String data) throws IOException {
        out.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }

    private Duration pace() {
        return settings.tokensPerSecond() == 0
                ? Duration.ZERO
                : Duration.ofSeconds(1).dividedBy(settings.tokensPerSecond());
    }

    /** Waits as long as a device would compute; answers whether the engine was closed meanwhile. */
    private boolean pause(Duration time) throws InterruptedException {
        return time.isPositive() && closed.await(time.toNanos(), java.util.concurrent.TimeUnit.NANOSECONDS);
    }

    private static String word(int index) {
        return WORDS[index % WORDS.length];
    }

    private ObjectNode object(Ask ask, String text, boolean whole) {
        String kind = ask.chat()
                ? whole && !ask.stream() ? "chat.completion" : "chat.completion.chunk"
                : "text_completion";
        ObjectNode object = JSON.createObjectNode()
                .put("id", "chat-1")
                .put("object", kind)
                .put("created", clock.instant().getEpochSecond())
                .put("model", settings.model());
        ObjectNode choice = object.putArray("choices").addObject().put("index", 0);
        if (!ask.chat()) {
            choice.put("text", text);
        } else {
            choice.putObject(ask.stream() ? "delta" : "message").put("role", "assistant").put("content", text);
        }
        if (whole) {
            choice.put("finish_reason", "stop");
            object.putObject("usage")
                    .put("prompt_tokens", ask.promptTokens())
                    .put("completion_tokens", ask.tokens())
                    .put("total_tokens", ask.promptTokens() + ask.tokens());
        } else {
            choice.putNull("finish_reason");
        }
        return object;
    }

    private static void fail(HttpExchange exchange, int status, String message) throws IOException {
        ObjectNode error = JSON.createObjectNode();
        error.putObject("error")
                .put("message", message)
                .put("type", status < 500 ? "invalid_request_error" : "server_error");
        send(exchange, status, error);
    }

    private static void send(HttpExchange exchange, int status, JsonNode body) throws IOException {
        byte[] bytes = JSON.writeValueAsBytes(body);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    @Override
    public void close() {
        closed.countDown();
        server.stop(0);
        threads.shutdownNow();
    }
}

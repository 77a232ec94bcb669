package dev.dormouse.gateway.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.ModelRoute.SleepOrder;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.trace.Tracing;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;

/** A gateway on loopback whose cluster is this object: it says what exists and remembers what was demanded. */
final class FakeCluster implements AutoCloseable {
    static final ModelKey MODEL = new ModelKey("default", "minilm");
    static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final ObjectMapper JSON = new ObjectMapper();

    static final ModelRoute.State FROM_VOLUME = new ModelRoute.State(Optional.empty(), false, Optional.empty(),
            Optional.empty(), Optional.of(new ModelRoute.LastWake("Volume", Duration.ofSeconds(3))));

    final GatewayServer gateway;
    final List<ModelKey> demands = new CopyOnWriteArrayList<>();
    /** That came with demands. */
    final List<String> traces = new CopyOnWriteArrayList<>();
    final List<SleepOrder> sleepOrders = new CopyOnWriteArrayList<>();
    final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    FakeCluster(int sidecarPort) {
        this(sidecarPort, Duration.ofSeconds(20), 1 << 20);
    }

    FakeCluster(int sidecarPort, Duration drain, int peekBytes) {
        this(sidecarPort, Duration.ZERO, drain, peekBytes, Timeouts.DEFAULT);
    }

    FakeCluster(int sidecarPort, Timeouts timeouts) {
        this(sidecarPort, Duration.ZERO, Duration.ofSeconds(20), 1 << 20, timeouts);
    }

    FakeCluster(int sidecarPort, Duration drainDelay, Duration drain, int peekBytes, Timeouts timeouts) {
        this(sidecarPort, drainDelay, drain, peekBytes, timeouts, false, Set.of());
    }

    /** Where only those are served who have a key. */
    static FakeCluster withApiKeys() {
        return new FakeCluster(1, Duration.ZERO, Duration.ofSeconds(20), 1 << 20, Timeouts.DEFAULT, true,
                Set.of());
    }

    /** Whose gateway may be used by pages of these origins. */
    static FakeCluster forPagesOf(String... origins) {
        return new FakeCluster(1, Duration.ZERO, Duration.ofSeconds(20), 1 << 20, Timeouts.DEFAULT, false,
                Set.of(origins));
    }

    private FakeCluster(int sidecarPort, Duration drainDelay, Duration drain, int peekBytes, Timeouts timeouts,
            boolean apiKeys, Set<String> corsOrigins) {
        ServerSettings settings = new ServerSettings("127.0.0.1", 0, 0, "gw-0", HoldLimits.ofRequests(1000, 5000), 1,
                new ServerSettings.Peek(peekBytes, 1 << 20, 64 << 20), drainDelay, drain, sidecarPort, timeouts,
                true, true,
                Optional.of(new ServerSettings.Admin("127.0.0.1", 0)), apiKeys, 1 << 20, 1000,
                Optional.empty(), corsOrigins);
        gateway = GatewayServer.start(settings, (model, at, trace) -> {
            demands.add(model);
            trace.ifPresent(traces::add);
            return CompletableFuture.completedFuture(null);
        }, (model, at, grace) -> {
            sleepOrders.add(new SleepOrder(at, grace));
            return CompletableFuture.completedFuture(null);
        }, Tracing.OFF, Clock.systemUTC());
        gateway.cluster().synced();
    }

    static ModelRoute route(ModelKey key, int limit, Duration timeout) {
        return route(key, limit, timeout, ModelRoute.ColdStart.Hold, FROM_VOLUME);
    }

    static ModelRoute route(ModelKey key, int limit, Duration timeout, ModelRoute.ColdStart coldStart,
            ModelRoute.State state) {
        return new ModelRoute(key, key.name(), List.of(), Instant.EPOCH,
                new ModelRoute.Admission(ModelLimits.ofConcurrency(limit), timeout, 0, coldStart),
                ModelRoute.Traffic.DEFAULT, state);
    }

    void model(int limit) {
        model(limit, Duration.ofMinutes(1));
    }

    void model(int limit, Duration timeout) {
        gateway.cluster().modelSeen(route(MODEL, limit, timeout));
    }

    void model(ModelRoute.State state, ModelRoute.ColdStart coldStart) {
        gateway.cluster().modelSeen(route(MODEL, 10, Duration.ofMinutes(1), coldStart, state));
    }

    void pod(String uid, int enginePort, boolean ready) {
        gateway.cluster().podSeen(new PodRoute(uid, MODEL, Optional.of("127.0.0.1"), enginePort, ready, false, false));
    }

    void draining(String uid, int enginePort) {
        gateway.cluster().podSeen(new PodRoute(uid, MODEL, Optional.of("127.0.0.1"), enginePort, true, true, false));
    }

    HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + gateway.port() + path));
    }

    HttpRequest post(String json) {
        return request("/v1/embeddings").header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json))
                .build();
    }

    CompletableFuture<HttpResponse<String>> askLater() {
        return askLater("{\"model\":\"minilm\",\"input\":\"hello\"}");
    }

    CompletableFuture<HttpResponse<String>> askLater(String json) {
        return http.sendAsync(post(json), HttpResponse.BodyHandlers.ofString());
    }

    CompletableFuture<HttpResponse<String>> askWith(String... header) {
        return http.sendAsync(request("/v1/embeddings").headers(header)
                .POST(HttpRequest.BodyPublishers.ofString("{\"model\":\"minilm\"}"))
                .build(), HttpResponse.BodyHandlers.ofString());
    }

    HttpResponse<String> ask(String json) {
        return askLater(json).join();
    }

    HttpResponse<String> get(String path) {
        return http.sendAsync(request(path).build(), HttpResponse.BodyHandlers.ofString()).join();
    }

    HttpResponse<String> admin(String method, String path) {
        return adminLater(method, path).join();
    }

    CompletableFuture<HttpResponse<String>> adminLater(String method, String path) {
        URI uri = URI.create("http://127.0.0.1:" + gateway.adminPort().orElseThrow() + path);
        HttpRequest request = HttpRequest.newBuilder(uri).method(method, HttpRequest.BodyPublishers.noBody()).build();
        return http.sendAsync(request, HttpResponse.BodyHandlers.ofString());
    }

    HttpResponse<String> internal(String path) {
        URI uri = URI.create("http://127.0.0.1:" + gateway.internalPort() + path);
        return http.sendAsync(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString()).join();
    }

    /** The report on the one model, or an empty object while there is nothing to report. */
    JsonNode load() {
        return json(internal("/internal/demand").body()).path("models").path(0);
    }

    int queued() {
        return load().path("queued").asInt();
    }

    int inFlight() {
        return load().path("inFlight").asInt();
    }

    static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new AssertionError("not JSON: " + text, e);
        }
    }

    static JsonNode error(HttpResponse<String> response) {
        return json(response.body()).path("error");
    }

    @Override
    public void close() {
        http.shutdownNow();
        gateway.close();
    }
}

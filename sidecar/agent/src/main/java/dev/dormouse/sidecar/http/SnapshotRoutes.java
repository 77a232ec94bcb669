package dev.dormouse.sidecar.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.SnapshotId;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code /v1}: snapshots and restores for operator and command line. Every request may be sent twice. Requests that
 * change something need the token, or come from this pod itself when none is configured. Errors are
 * {@code application/problem+json} with a stable {@code code}.
 */
public final class SnapshotRoutes {
    /** Made for the first request: a start that waits for it listens later. */
    private static final class Json {
        static final JsonMapper MAPPER = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .build();
    }

    private static final Logger LOG = LoggerFactory.getLogger(SnapshotRoutes.class);
    private static final int MAX_BODY = 64 << 10;
    /** Watchers hear of a restore at least this often. */
    private static final long WATCH_MILLIS = 50;
    private static final String SNAPSHOTS = "/v1/snapshots";
    private static final String RESTORES = "/v1/restores";

    private final VolumeSnapshots volume;
    private final ReplicaSnapshots replica;
    private final @Nullable String token;

    /** @param types of the buffers to restore; absent: all */
    record RestoreRequest(@Nullable @JsonProperty("snapshot") String snapshot,
            @Nullable @JsonProperty("types") Set<String> types) {}

    record Problem(String type, String title, int status, String code, String detail) {}

    /**
     * @param store absent when snapshots are off
     * @param token what changing requests must bear; absent: they must come from a loopback address
     */
    public SnapshotRoutes(@Nullable SnapshotStore store, ReplicaSnapshots replica, @Nullable String token) {
        this.volume = new VolumeSnapshots(store);
        this.replica = replica;
        this.token = token;
    }

    /** Answers; the exchange is the caller's to close. */
    void handle(HttpExchange exchange) throws IOException {
        try {
            route(exchange);
        } catch (ApiException e) {
            problem(exchange, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            problem(exchange, new ApiException(503, "Stopping", "the sidecar stops"));
        } catch (RuntimeException e) {
            LOG.error("{} {} failed for a reason of our own", exchange.getRequestMethod(), exchange.getRequestURI(), e);
            problem(exchange, new ApiException(500, "InternalError", "see the sidecar's log"));
        }
    }

    private void route(HttpExchange exchange) throws IOException, ApiException, InterruptedException {
        String method = exchange.getRequestMethod();
        String path = exchange.getRequestURI().getPath();
        if (!method.equals("GET")) {
            authorize(exchange);
        }
        switch (method + " " + path) {
            case "GET " + SNAPSHOTS -> answer(exchange, 200, volume.list());
            case "POST " + SNAPSHOTS -> answer(exchange, 200, replica.save());
            case "POST " + SNAPSHOTS + ":prune" ->
                answer(exchange, 200, volume.prune(body(exchange, VolumeSnapshots.PruneRequest.class)));
            case "POST " + RESTORES -> {
                RestoreRequest request = body(exchange, RestoreRequest.class);
                answer(exchange, 202, replica.restore(request.snapshot() == null ? null : id(request.snapshot()),
                        types(request.types())));
            }
            case "GET /v1/stats" -> answer(exchange, 200, replica.stats());
            default -> routeById(exchange, method, path);
        }
    }

    private void routeById(HttpExchange exchange, String method, String path)
            throws IOException, ApiException, InterruptedException {
        if (path.startsWith(RESTORES + "/")) {
            restore(exchange, method, path.substring(RESTORES.length() + 1));
            return;
        }
        if (!path.startsWith(SNAPSHOTS + "/")) {
            throw new ApiException(404, "UnknownPath", path + " is no path of this API");
        }
        String rest = path.substring(SNAPSHOTS.length() + 1);
        int colon = rest.indexOf(':');
        String id = id(colon < 0 ? rest : rest.substring(0, colon));
        String verb = colon < 0 ? "" : rest.substring(colon);
        switch (method + verb) {
            case "GET" -> answer(exchange, 200, volume.snapshot(id));
            case "DELETE" -> {
                volume.delete(id);
                exchange.sendResponseHeaders(204, -1);
            }
            case "POST:verify" -> answer(exchange, 200, volume.verify(id));
            case "POST:pin" -> answer(exchange, 200, volume.pin(id, true));
            case "POST:unpin" -> answer(exchange, 200, volume.pin(id, false));
            default -> throw new ApiException(405, "MethodNotAllowed", method + " is not for " + path);
        }
    }

    private void restore(HttpExchange exchange, String method, String id)
            throws IOException, ApiException, InterruptedException {
        switch (method) {
            case "GET" -> {
                String query = exchange.getRequestURI().getQuery();
                if (query != null && query.contains("watch=true")) {
                    watch(exchange, id);
                } else {
                    answer(exchange, 200, view(id));
                }
            }
            case "DELETE" -> {
                replica.cancelRestore(id);
                exchange.sendResponseHeaders(204, -1);
            }
            default -> throw new ApiException(405, "MethodNotAllowed", "restores are read and deleted");
        }
    }

    private RestoreView view(String id) throws ApiException {
        return replica.restoreById(id)
                .orElseThrow(() -> new ApiException(404, "RestoreNotFound", "there is no restore " + id));
    }

    /** A line now, one whenever something has changed, the last one when the restore has ended. */
    private void watch(HttpExchange exchange, String id) throws IOException, ApiException, InterruptedException {
        RestoreView shown = view(id);
        exchange.getResponseHeaders().set("Content-Type", "application/x-ndjson");
        exchange.sendResponseHeaders(200, 0);
        try (OutputStream lines = exchange.getResponseBody()) {
            write(lines, shown);
            while (shown.state() == RestoreView.State.Restoring) {
                TimeUnit.MILLISECONDS.sleep(WATCH_MILLIS);
                RestoreView next = view(id);
                if (!next.equals(shown)) {
                    write(lines, next);
                    shown = next;
                }
            }
        }
    }

    private void write(OutputStream lines, RestoreView view) throws IOException {
        lines.write((Json.MAPPER.writeValueAsString(view) + "\n").getBytes(UTF_8));
        lines.flush();
    }

    private static Set<BufferType> types(@Nullable Set<String> names) throws ApiException {
        Set<BufferType> types = EnumSet.noneOf(BufferType.class);
        for (BufferType type : BufferType.values()) {
            if (names == null || names.contains(type.name())) {
                types.add(type);
            }
        }
        if (names != null && (names.isEmpty() || types.size() != names.size())) {
            throw new ApiException(400, "InvalidTypes",
                    "types: " + names + " must be one or more of " + List.of(BufferType.values()));
        }
        return types;
    }

    private static String id(String text) throws ApiException {
        if (!SnapshotId.valid(text)) {
            throw new ApiException(400, "InvalidId", "'" + text + "' is no snapshot id");
        }
        return text;
    }

    private void authorize(HttpExchange exchange) throws ApiException {
        if (token == null) {
            if (!exchange.getRemoteAddress().getAddress().isLoopbackAddress()) {
                throw new ApiException(403, "NotAuthorized",
                        "without a token only this pod itself may change anything");
            }
            return;
        }
        String given = exchange.getRequestHeaders().getFirst("Authorization");
        if (given == null || !MessageDigest.isEqual(given.getBytes(UTF_8), ("Bearer " + token).getBytes(UTF_8))) {
            exchange.getResponseHeaders().set("WWW-Authenticate", "Bearer");
            throw new ApiException(401, "NotAuthorized", "the request does not bear the sidecar's token");
        }
    }

    /** An empty body means that all is as by default. */
    private <T> T body(HttpExchange exchange, Class<T> type) throws IOException, ApiException {
        byte[] bytes = exchange.getRequestBody().readNBytes(MAX_BODY + 1);
        if (bytes.length > MAX_BODY) {
            throw new ApiException(413, "BodyTooLarge", "the body has more than " + MAX_BODY + " bytes");
        }
        try {
            T body = Json.MAPPER.readValue(bytes.length == 0 ? "{}".getBytes(UTF_8) : bytes, type);
            if (body == null) {
                throw new ApiException(400, "InvalidBody", "the body is null");
            }
            return body;
        } catch (JsonProcessingException e) {
            throw new ApiException(400, "InvalidBody", e.getOriginalMessage());
        }
    }

    private void answer(HttpExchange exchange, int status, Object body) throws IOException {
        send(exchange, status, "application/json", Json.MAPPER.writeValueAsBytes(body));
    }

    private void problem(HttpExchange exchange, ApiException e) throws IOException {
        var problem = new Problem("about:blank", e.code(), e.status(), e.code(), String.valueOf(e.getMessage()));
        send(exchange, e.status(), "application/problem+json", Json.MAPPER.writeValueAsBytes(problem));
    }

    private static void send(HttpExchange exchange, int status, String type, byte[] body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }
}

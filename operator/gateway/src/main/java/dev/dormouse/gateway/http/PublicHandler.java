package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.traffic.CanarySplit;
import dev.dormouse.gateway.load.GatewayMetrics;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.Selection;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where clients come: finds out which model a request means, and begins its {@link Exchange}. */
final class PublicHandler implements Handler<HttpServerRequest> {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String MODELS = "/v1/models";
    private static final String MODEL_HEADER = "X-Dormouse-Model";
    private static final Pattern BY_PATH = Pattern.compile("/models/([^/?]+)/([^/?]+)(/.*)?");
    private static final List<HttpMethod> WITH_BODY = List.of(HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH);

    private final Dispatcher dispatcher;
    private final Connections connections;
    private final Exchange.Surroundings surroundings;
    private final GatewayMetrics metrics;
    private final int peekBytes;
    private final int formPeekBytes;
    private final QuietRequests quiet = new QuietRequests();
    private long turn;
    private boolean leaving;
    private boolean closed;

    PublicHandler(Exchange.Surroundings surroundings, Connections connections, int peekBytes, int formPeekBytes) {
        this.surroundings = surroundings;
        this.connections = connections;
        this.dispatcher = surroundings.dispatcher();
        this.metrics = surroundings.metrics();
        this.peekBytes = peekBytes;
        this.formPeekBytes = formPeekBytes;
    }

    /** Clients are asked to come back on another connection, and so to another gateway. */
    void leave() {
        leaving = true;
    }

    /** New requests are refused from here on. */
    void close() {
        closed = true;
    }

    @Override
    public void handle(HttpServerRequest request) {
        HttpConnection connection = request.connection();
        if (!isClearlyFramed(request)) {
            request.response()
                    .putHeader("Connection", "close")
                    .endHandler(sent -> connection.close());
            refuse(request, RequestBody.unread(request), OpenAiError.invalid("invalid_framing",
                    "The only Transfer-Encoding that is understood is a single \"chunked\".", null));
            return;
        }
        // Vert.x 5.1.6 overlooks "close" in a list, and its sender would wait for ever.
        boolean last = HopByHop.saysClose(request.headers()) || leaving && request.version() != HttpVersion.HTTP_2;
        if (leaving && last) {
            request.response().putHeader("Connection", "close");
        }
        request.response().endHandler(sent -> {
            connections.ended(connection, dispatcher.now());
            if (last) {
                connection.close();
            }
        });
        connections.heard(connection, dispatcher.now());
        RequestBody.peek(request, peekBytes(request), () -> connections.heard(connection, dispatcher.now()), body -> {
            connections.begun(connection);
            route(request, body);
        });
    }

    /** What is framed in a way that an engine may read differently ends elsewhere for it (RFC 9112, 6.1). */
    private static boolean isClearlyFramed(HttpServerRequest request) {
        List<String> encodings = request.headers().getAll("Transfer-Encoding");
        return encodings.isEmpty() || encodings.size() == 1 && encodings.getFirst().strip().equalsIgnoreCase("chunked");
    }

    /** Files come before the model in the forms of some clients: they are looked into further than JSON. */
    private int peekBytes(HttpServerRequest request) {
        String type = request.getHeader("Content-Type");
        return type != null && type.startsWith("multipart/") && request.getHeader(MODEL_HEADER) == null
                ? Math.max(peekBytes, formPeekBytes)
                : peekBytes;
    }

    private void route(HttpServerRequest request, RequestBody body) {
        String path = request.path() == null ? "" : request.path();
        Matcher byPath = BY_PATH.matcher(path);
        if (closed) {
            refuse(request, body, OpenAiError.shuttingDown());
        } else if (!dispatcher.knowsTheCluster()) {
            refuse(request, body, OpenAiError.notSynced());
        } else if (request.method() == HttpMethod.GET && path.equals(MODELS)) {
            list(request);
        } else if (request.method() == HttpMethod.GET && path.startsWith(MODELS + "/")) {
            show(request, body, decoded(path.substring(MODELS.length() + 1)));
        } else if (byPath.matches()) {
            ModelKey key = new ModelKey(decoded(byPath.group(1)), decoded(byPath.group(2)));
            String rest = Optional.ofNullable(byPath.group(3)).orElse("/");
            String query = request.query() == null ? "" : "?" + request.query();
            select(request, body, dispatcher.routes().select(key), key.toString(), rest + query);
        } else if (request.getHeader(MODEL_HEADER) != null) {
            byName(request, body, request.getHeader(MODEL_HEADER));
        } else if (WITH_BODY.contains(request.method())) {
            byBody(request, body);
        } else if (request.getParam("model") != null) {
            byName(request, body, request.getParam("model"));
        } else {
            refuse(request, body, OpenAiError.unknownPath(path));
        }
    }

    private void byName(HttpServerRequest request, RequestBody body, String name) {
        select(request, body, dispatcher.routes().select(name), name, originForm(request));
    }

    /** Path and query: a proxy must understand a whole URI, and its engine need not (RFC 9112, 3.2.2). */
    private static String originForm(HttpServerRequest request) {
        return request.uri().startsWith("/")
                ? request.uri()
                : request.path() + (request.query() == null ? "" : "?" + request.query());
    }

    private void byBody(HttpServerRequest request, RequestBody body) {
        String encoding = request.getHeader("Content-Encoding");
        if (encoding != null && !encoding.equalsIgnoreCase("identity")) {
            refuse(request, body, OpenAiError.invalid("unreadable_body", "A body with Content-Encoding " + encoding
                    + " cannot be searched for its model: use the path /models/<namespace>/<name>/...", null));
            return;
        }
        String type = Objects.requireNonNullElse(request.getHeader("Content-Type"), "");
        String inQuery = request.getParam("model");
        switch (ModelField.in(type, body.beginning(), body.complete())) {
            case ModelField.Named(String name) -> byBody(request, body, name);
            case ModelField.Missing() when inQuery != null -> byName(request, body, inQuery);
            case ModelField.Missing() -> refuse(request, body, OpenAiError.missingModel());
            case ModelField.NotYet() -> refuse(request, body, OpenAiError.tooLarge(peekBytes(request)));
            case ModelField.Malformed(String problem) -> refuse(request, body,
                    OpenAiError.invalid("invalid_json", "The request cannot be routed: " + problem + ".", null));
        }
    }

    /** An engine knows its model by one name, and refuses others: an alias, a full name, the one a canary stands in for. */
    private void byBody(HttpServerRequest request, RequestBody body, String name) {
        if (dispatcher.routes().select(name) instanceof Selection.Found(ModelRoute model)) {
            ModelRoute serving = canary(request, body, model);
            if (!serving.clientName().equals(name) && isJson(request)) {
                body.replace(JsonBody.renamed(body.beginning(), serving.clientName()));
            }
            begin(request, body, serving, originForm(request));
        } else {
            byName(request, body, name);
        }
    }

    private static boolean isJson(HttpServerRequest request) {
        String type = request.getHeader("Content-Type");
        return type == null || !type.startsWith("multipart/") && !type.startsWith("application/x-www-form-urlencoded");
    }

    private void select(HttpServerRequest request, RequestBody body, Selection selection, String name, String uri) {
        switch (selection) {
            case Selection.Found(ModelRoute model) -> begin(request, body, canary(request, body, model), uri);
            case Selection.Unknown() -> refuse(request, body, OpenAiError.unknownModel(name));
            case Selection.Ambiguous(List<ModelKey> candidates) -> refuse(request, body,
                    OpenAiError.ambiguousModel(name, candidates));
        }
    }

    /** The model itself, or the one that answers for it. */
    private ModelRoute canary(HttpServerRequest request, RequestBody body, ModelRoute model) {
        Optional<ModelRoute.Canary> canary = model.traffic().canary();
        Optional<ModelRoute> other = canary.flatMap(each -> dispatcher.routes().model(each.model()));
        if (canary.isEmpty() || other.isEmpty()) {
            return model;
        }
        CanarySplit split = canary.get().split();
        Optional<String> identity = canary.get()
                .stickyHeader()
                .map(request::getHeader)
                .or(() -> JsonBody.scalar("user", body.beginning()));
        turn++;
        return split.takes(split.header().map(rule -> request.getHeader(rule.name())), identity, turn)
                ? other.get()
                : model;
    }

    private static long affinity(HttpServerRequest request, RequestBody body, ModelRoute model) {
        if (!(model.traffic().strategy() instanceof Strategy.PrefixHash)) {
            return 0;
        }
        String session = request.getHeader("X-Session-Id");
        String alike = session == null
                ? JsonBody.promptBeginning(body.beginning(), model.traffic().prefixChars())
                : session;
        return alike.isEmpty() ? 0 : alike.hashCode() * 0x9e3779b97f4a7c15L | 1;
    }

    private void begin(HttpServerRequest request, RequestBody body, ModelRoute model, String uri) {
        Wishes wishes;
        try {
            wishes = Wishes.of(request.headers());
        } catch (Wishes.Unreadable e) {
            refuse(request, body, OpenAiError.invalid("invalid_header", e.problem, null));
            return;
        }
        boolean heartbeat = model.admission().coldStart() == ModelRoute.ColdStart.Heartbeat
                && JsonBody.scalar("stream", body.beginning()).filter("true"::equals).isPresent();
        Arrival arrival = new Arrival(model, wishes, body.bytes(), quiet.matches(request, uri), heartbeat,
                affinity(request, body, model));
        new Exchange(request, arrival, uri, body, surroundings).begin();
    }

    private void refuse(HttpServerRequest request, RequestBody body, OpenAiError error) {
        metrics.answered(error.status());
        body.discard();
        error.send(request.response());
    }

    private void list(HttpServerRequest request) {
        ArrayNode data = JSON.createArrayNode();
        dispatcher.routes().listing().forEach(entry -> data.add(entry(entry)));
        ObjectNode list = JSON.createObjectNode().put("object", "list");
        list.set("data", data);
        answer(request, list);
    }

    private void show(HttpServerRequest request, RequestBody body, String name) {
        Optional<Map.Entry<String, ModelRoute>> found = dispatcher.routes()
                .listing()
                .filter(entry -> entry.getKey().equals(name) || entry.getValue().key().toString().equals(name)
                        || entry.getValue().aliases().contains(name))
                .findFirst();
        if (found.isPresent()) {
            answer(request, entry(found.get()));
        } else {
            refuse(request, body, OpenAiError.unknownModel(name));
        }
    }

    private ObjectNode entry(Map.Entry<String, ModelRoute> model) {
        ObjectNode entry = JSON.createObjectNode()
                .put("id", model.getKey())
                .put("object", "model")
                .put("created", model.getValue().createdAt().getEpochSecond())
                .put("owned_by", model.getValue().key().namespace())
                .put("status", dispatcher.awake(model.getValue().key()) ? "loaded" : "unloaded");
        model.getValue().aliases().forEach(entry.withArray("aliases")::add);
        return entry;
    }

    private void answer(HttpServerRequest request, ObjectNode json) {
        metrics.answered(200);
        try {
            request.response().putHeader("Content-Type", "application/json").end(JSON.writeValueAsString(json));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of strings could not be written", e);
        }
    }

    /** A part of a path; one that is wrongly encoded names nothing, and is looked up as it is. */
    private static String decoded(String part) {
        try {
            return URLDecoder.decode(part.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            return part;
        }
    }
}

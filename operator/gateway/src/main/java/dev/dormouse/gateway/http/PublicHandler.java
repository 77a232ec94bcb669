package dev.dormouse.gateway.http;

import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.pattern.RequestSample.Traits;
import dev.dormouse.domain.traffic.CanarySplit;
import dev.dormouse.gateway.route.ApiKey;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.Selection;
import dev.dormouse.gateway.wire.RequestGuard;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.net.impl.ConnectionBase;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where clients come: finds out which model a request means, and begins its {@link Exchange}. */
final class PublicHandler implements Handler<HttpServerRequest> {
    private static final String MODELS = "/v1/models";
    private static final String MODEL_HEADER = "X-Dormouse-Model";
    private static final Pattern BY_PATH = Pattern.compile("/models/([^/?]+)/([^/?]+)(/.*)?");
    private static final List<HttpMethod> WITH_BODY = List.of(HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH);

    private final Dispatcher dispatcher;
    private final Connections connections;
    private final Exchange.Surroundings surroundings;
    private final ApiKeys keys;
    private final ModelListing listing;
    private final ResultCache results;
    private final ServerSettings.Peek peek;
    private final PeekBudget budget;
    private final CrossOrigin crossOrigin;
    private final QuietRequests quiet = new QuietRequests();
    private long turn;
    private boolean leaving;
    private boolean closed;

    PublicHandler(Exchange.Surroundings surroundings, Connections connections, ApiKeys keys, ServerSettings.Peek peek,
            CrossOrigin crossOrigin) {
        this.surroundings = surroundings;
        this.connections = connections;
        this.results = surroundings.results();
        this.keys = keys;
        this.listing = new ModelListing(surroundings.dispatcher());
        this.dispatcher = surroundings.dispatcher();
        this.peek = peek;
        this.budget = new PeekBudget(peek.inAll());
        this.crossOrigin = crossOrigin;
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
        Optional<String> violation = malformed(connection);
        if (violation.isPresent()) {
            request.response().putHeader("Connection", "close").endHandler(sent -> connection.close());
            refuse(request, RequestBody.unread(request), OpenAiError.invalid("malformed_request",
                    "The request is malformed: " + violation.get() + ".", null));
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
        if (crossOrigin.answered(request)) {
            return;
        }
        RequestBody.peek(request, peekBytes(request), budget, new RequestBody.Reader() {
            @Override
            public void heard() {
                connections.heard(connection, dispatcher.now());
            }

            @Override
            public void peeked(RequestBody body) {
                connections.begun(connection);
                route(new Inbound(request, body, keys.wanted() ? keys.find(request.headers()) : Optional.empty()));
            }

            @Override
            public void tooMuch(RequestBody body) {
                connections.begun(connection);
                refuse(request, body, OpenAiError.overloaded());
            }
        });
    }

    /** What the connection's guard found; a request that was not begun before is not begun after it. */
    private static Optional<String> malformed(HttpConnection connection) {
        return connection instanceof ConnectionBase base ? RequestGuard.violation(base.channel()) : Optional.empty();
    }

    /** Files come before the model in the forms of some clients: they are looked into further than JSON. */
    private int peekBytes(HttpServerRequest request) {
        String type = request.getHeader("Content-Type");
        return type != null && type.startsWith("multipart/") && request.getHeader(MODEL_HEADER) == null
                ? Math.max(peek.json(), peek.form())
                : peek.json();
    }

    private void route(Inbound in) {
        String path = in.request().path() == null ? "" : in.request().path();
        Matcher byPath = BY_PATH.matcher(path);
        if (closed) {
            refuse(in, OpenAiError.shuttingDown());
        } else if (!dispatcher.knowsTheCluster()) {
            refuse(in, OpenAiError.notSynced());
        } else if (keys.wanted() && in.key().isEmpty()) {
            in.request().response().putHeader("WWW-Authenticate", "Bearer realm=\"dormouse\"");
            refuse(in, OpenAiError.unauthorized());
        } else if (in.request().method() == HttpMethod.GET && path.equals(MODELS)) {
            listing.all(in);
        } else if (in.request().method() == HttpMethod.GET && path.startsWith(MODELS + "/")) {
            show(in, decoded(path.substring(MODELS.length() + 1)));
        } else if (byPath.matches()) {
            ModelKey key = new ModelKey(decoded(byPath.group(1)), decoded(byPath.group(2)));
            String rest = Optional.ofNullable(byPath.group(3)).orElse("/");
            String query = in.request().query() == null ? "" : "?" + in.request().query();
            select(in, dispatcher.routes().select(key), key.toString(), rest + query);
        } else if (in.request().getHeader(MODEL_HEADER) != null) {
            byName(in, in.request().getHeader(MODEL_HEADER));
        } else if (WITH_BODY.contains(in.request().method())) {
            byBody(in);
        } else if (in.request().getParam("model") != null) {
            byName(in, in.request().getParam("model"));
        } else {
            refuse(in, OpenAiError.unknownPath(path));
        }
    }

    private void byName(Inbound in, String name) {
        select(in, dispatcher.routes().select(name), name, in.originForm());
    }

    private void byBody(Inbound in) {
        String encoding = in.request().getHeader("Content-Encoding");
        if (encoding != null && !encoding.equalsIgnoreCase("identity")) {
            refuse(in, OpenAiError.invalid("unreadable_body", "A body with Content-Encoding " + encoding
                    + " cannot be searched for its model: use the path /models/<namespace>/<name>/...", null));
            return;
        }
        String type = Objects.requireNonNullElse(in.request().getHeader("Content-Type"), "");
        String inQuery = in.request().getParam("model");
        switch (ModelField.in(type, in.body().beginning(), in.body().complete())) {
            case ModelField.Named(String name) -> byBody(in, name);
            case ModelField.Missing() when inQuery != null -> byName(in, inQuery);
            case ModelField.Missing() -> refuse(in, OpenAiError.missingModel());
            case ModelField.NotYet() -> refuse(in, OpenAiError.tooLarge(peekBytes(in.request())));
            case ModelField.Malformed(String problem) -> refuse(in,
                    OpenAiError.invalid("invalid_json", "The request cannot be routed: " + problem + ".", null));
        }
    }

    /** An engine knows its model by one name, and refuses others: an alias, a full name, the one a canary stands in for. */
    private void byBody(Inbound in, String name) {
        if (dispatcher.routes().select(name) instanceof Selection.Found(ModelRoute model)) {
            ModelRoute serving = canary(in, model);
            if (!serving.clientName().equals(name) && in.isJson()) {
                in.body().replace(JsonBody.renamed(in.body().beginning(), serving.clientName()));
            }
            begin(in, serving, in.originForm());
        } else {
            byName(in, name);
        }
    }

    private void select(Inbound in, Selection selection, String name, String uri) {
        switch (selection) {
            case Selection.Found(ModelRoute model) -> begin(in, canary(in, model), uri);
            case Selection.Unknown() -> refuse(in, OpenAiError.unknownModel(name));
            case Selection.Ambiguous(List<ModelKey> candidates) -> refuse(in,
                    OpenAiError.ambiguousModel(name, candidates));
        }
    }

    /** The model itself, or the one that answers for it. */
    private ModelRoute canary(Inbound in, ModelRoute model) {
        Optional<ModelRoute.Canary> canary = model.traffic().canary();
        Optional<ModelRoute> other = canary.flatMap(each -> dispatcher.routes().model(each.model()));
        if (canary.isEmpty() || other.isEmpty()) {
            return model;
        }
        CanarySplit split = canary.get().split();
        Optional<String> identity = canary.get()
                .stickyHeader()
                .map(in.request()::getHeader)
                .or(() -> JsonBody.scalar("user", in.body().beginning()));
        turn++;
        return split.takes(split.header().map(rule -> in.request().getHeader(rule.name())), identity, turn)
                ? other.get()
                : model;
    }

    private static long affinity(Inbound in, ModelRoute model) {
        if (!(model.traffic().strategy() instanceof Strategy.PrefixHash)) {
            return 0;
        }
        String session = in.request().getHeader("X-Session-Id");
        String alike = session == null
                ? JsonBody.promptBeginning(in.body().beginning(), model.traffic().prefixChars())
                : session;
        return alike.isEmpty() ? 0 : alike.hashCode() * 0x9e3779b97f4a7c15L | 1;
    }

    private void begin(Inbound in, ModelRoute model, String uri) {
        if (!in.maySee(model)) {
            refuse(in, OpenAiError.forbidden(model.clientName()));
            return;
        }
        Wishes wishes;
        try {
            wishes = Wishes.of(in.request().headers());
        } catch (Wishes.Unreadable e) {
            refuse(in, OpenAiError.invalid("invalid_header", e.problem, null));
            return;
        }
        Optional<ResultCache.Key> cacheKey = results.key(in, model, uri);
        ResultCache.Answer known = cacheKey.map(results::find).orElse(null);
        if (known != null) {
            dispatcher.cached(model.key(), true);
            in.request()
                    .response()
                    .putHeader("Content-Type", known.contentType())
                    .putHeader("X-Dormouse-Cache", "hit")
                    .end(Buffer.buffer(known.body()))
                    .onFailure(gone -> {
                        // The client left before it was told.
                    });
            return;
        }
        cacheKey.ifPresent(missed -> dispatcher.cached(model.key(), false));
        Traits traits = RequestTraits.of(in, uri, wishes.patience());
        boolean heartbeat = model.admission().coldStart() == ModelRoute.ColdStart.Heartbeat && traits.stream();
        Arrival arrival = new Arrival(model, wishes.raisedBy(in.key().map(ApiKey::priority).orElse(0)),
                in.body().bytes(), quiet.matches(in.request(), uri), heartbeat, affinity(in, model), traits);
        if (in.key().isPresent() && !keys.entered(in.key().get())) {
            refuse(in, OpenAiError.overKeyLimit(in.key().get().concurrencyLimit()));
            return;
        }
        new Exchange(in, arrival, uri, surroundings, cacheKey, () -> in.key().ifPresent(keys::left)).begin();
    }

    private void show(Inbound in, String name) {
        if (!listing.one(in, name)) {
            refuse(in, OpenAiError.unknownModel(name));
        }
    }

    private void refuse(Inbound in, OpenAiError error) {
        refuse(in.request(), in.body(), error);
    }

    private void refuse(HttpServerRequest request, RequestBody body, OpenAiError error) {
        dispatcher.refused(error.status());
        body.discard();
        error.send(request.response());
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

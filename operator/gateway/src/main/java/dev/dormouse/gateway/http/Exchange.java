package dev.dormouse.gateway.http;

import dev.dormouse.gateway.load.AccessLog;
import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.SocketAddress;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request on its way through the gateway: perhaps held, sent to one replica, its answer streamed back. Whatever
 * happens, it ends once and says so to the {@link Dispatcher}. Owned by the event loop.
 */
final class Exchange implements Ticket {
    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    /** Ours, or written anew for the next connection. */
    private static final Set<String> REQUEST_HEADERS_NOT_COPIED = Set.of("host", "content-length", "expect",
            "x-dormouse-model", "http2-settings");
    private static final Set<String> KEYED_REQUEST_HEADERS_NOT_COPIED = Set.of("host", "content-length", "expect",
            "x-dormouse-model", "http2-settings", "authorization", "x-api-key");
    private static final Set<String> RESPONSE_HEADERS_NOT_COPIED = Set.of("x-dormouse-wake");
    /** Longest error of an engine that is told inside a stream. */
    private static final int LONGEST_ERROR_BYTES = 64 << 10;
    private static final int NOT_IMPLEMENTED = 501;

    /** What every exchange of one gateway needs. */
    record Surroundings(Vertx vertx, Dispatcher dispatcher, HttpClient client, AccessLog accessLog, ResultCache results,
            Timeouts timeouts) {}

    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final ModelRoute model;
    private final Arrival arrival;
    private final String upstreamUri;
    private final RequestBody body;
    /** Its credentials are the gateway's, and none of the engine's business. */
    private final boolean keyed;
    private final Runnable ended;
    private final ResultCache results;
    private final Optional<ResultCache.Key> cacheKey;
    private final Dispatcher dispatcher;
    private final Vertx vertx;
    private final HttpClient client;
    private final AccessLog accessLog;
    private final Timeouts timeouts;
    private final WakeStream wakeStream;
    private final long id;
    private final RequestTrace trace;
    private long totalTimer = -1;
    private boolean over;
    private @Nullable HttpClientRequest upstream;

    /**
     * @param upstreamUri path and query as the engine shall see them
    * @param cacheKey under which the answer is to be remembered, if it is
     * @param ended run once, at the end
     */
    Exchange(Inbound in, Arrival arrival, String upstreamUri, Surroundings surroundings,
            Optional<ResultCache.Key> cacheKey, Runnable ended) {
        this.results = surroundings.results();
        this.cacheKey = cacheKey;
        this.request = in.request();
        this.keyed = in.key().isPresent();
        this.ended = ended;
        this.response = in.request().response();
        this.arrival = arrival;
        this.model = arrival.model();
        this.upstreamUri = upstreamUri;
        this.body = in.body();
        this.dispatcher = surroundings.dispatcher();
        this.vertx = surroundings.vertx();
        this.client = surroundings.client();
        this.accessLog = surroundings.accessLog();
        this.timeouts = surroundings.timeouts();
        this.wakeStream = new WakeStream(response, model.clientName(), upstreamUri.contains("/chat/completions"));
        this.id = dispatcher.nextId();
        this.trace = new RequestTrace(model.key(), request.method().name(), String.valueOf(request.path()),
                request.remoteAddress().hostAddress(), dispatcher.now(), arrival.traits());
    }

    void begin() {
        // First of all: a client may leave at any moment from here on.
        response.closeHandler(closed -> clientGone());
        response.exceptionHandler(broken -> clientGone());
        if (timeouts.total().isPositive()) {
            totalTimer = vertx.setTimer(timeouts.total().toMillis(), timer -> tooLong());
        }
        dispatcher.arrived(id, arrival, this);
        if (!over && trace.pod().isEmpty()) {
            trace.held();
        }
    }

    private void tooLong() {
        if (over) {
            return;
        }
        leave();
        if (upstream != null) {
            upstream.reset();
        }
        if (response.headWritten()) {
            tell(response.getStatusCode());
            breakOff();
        } else {
            answer(OpenAiError.totalTimeout(model.key(), timeouts.total().toSeconds()));
        }
    }

    private void clientGone() {
        if (!over) {
            dispatcher.metrics().disconnected(model.key());
            accessLog.write(trace, "gone", took());
            if (upstream != null) {
                upstream.reset();
            }
            leave();
        }
    }

    @Override
    public void waiting(Progress progress, int position) {
        if (!over && arrival.heartbeat() && trace.pod().isEmpty()) {
            wakeStream.tell(progress, position);
        }
    }

    @Override
    public void rejected(OpenAiError error) {
        if (!over) {
            leave();
            answer(error);
        }
    }

    @Override
    public void cancelled() {
        if (over) {
            return;
        }
        leave();
        if (upstream != null) {
            upstream.reset();
        }
        if (response.headWritten() && !wakeStream.begun()) {
            tell(response.getStatusCode());
            breakOff();
        } else {
            answer(OpenAiError.cancelled());
        }
    }

    @Override
    public RequestTrace trace() {
        return trace;
    }

    private Duration took() {
        return Duration.between(trace.arrivedAt(), dispatcher.now());
    }

    private void tell(int status) {
        Duration took = took();
        dispatcher.finished(trace, status, took);
        accessLog.write(trace, Integer.toString(status), took);
    }

    private void answer(OpenAiError error) {
        tell(error.status());
        body.discard();
        if (wakeStream.begun()) {
            wakeStream.fail(error.body()).onFailure(gone -> {
                // The client left before it was told.
            });
        } else {
            error.send(response);
        }
    }

    @Override
    public void granted(PodRoute pod) {
        trace.granted(pod.uid(), dispatcher.now());
        String ip = pod.ip().orElseThrow(() -> new IllegalStateException("pod " + pod.uid() + " has no address"));
        RequestOptions to = new RequestOptions().setServer(SocketAddress.inetSocketAddress(pod.enginePort(), ip))
                .setHost(ip)
                .setPort(pod.enginePort())
                .setMethod(request.method())
                .setURI(upstreamUri)
                .setIdleTimeout(timeouts.upstreamIdle().toMillis());
        client.request(to).onComplete(opened -> {
            if (opened.succeeded()) {
                connected(opened.result(), pod);
            } else if (!over) {
                LOG.debug("pod {} of {} cannot be reached: {}", pod.uid(), model.key(), opened.cause().getMessage());
                trace.returned();
                dispatcher.unreachable(id, pod);
            }
        });
    }

    private void connected(HttpClientRequest opened, PodRoute pod) {
        if (over) {
            opened.reset();
            return;
        }
        upstream = opened;
        opened.exceptionHandler(error -> {
            // The response fails with the same connection, and is where it is answered.
        });
        HopByHop.copy(request.headers(), opened.headers(),
                keyed ? KEYED_REQUEST_HEADERS_NOT_COPIED : REQUEST_HEADERS_NOT_COPIED);
        addForwarded(opened);
        opened.response().onSuccess(answer -> answered(answer, pod)).onFailure(error -> {
            if (!over) {
                LOG.info("pod {} of {} gave no answer: {}", pod.uid(), model.key(), error.getMessage());
                dispatcher.answered(pod, false);
                lost(error instanceof TimeoutException
                        ? "was silent for " + timeouts.upstreamIdle().toSeconds() + " s"
                        : "ended the connection before it answered");
            }
        });
        if (Tunnel.isWanted(request)) {
            opened.putHeader("Connection", "Upgrade").putHeader("Upgrade", request.getHeader("Upgrade"));
            opened.connect().onFailure(error -> LOG.debug("no tunnel to pod {}: {}", pod.uid(), error.getMessage()));
        } else {
            body.forward(opened);
        }
    }

    private void addForwarded(HttpClientRequest opened) {
        String from = request.remoteAddress().hostAddress();
        String before = request.getHeader("X-Forwarded-For");
        opened.putHeader("X-Forwarded-For", before == null ? from : before + ", " + from);
        if (request.getHeader("X-Forwarded-Proto") == null) {
            opened.putHeader("X-Forwarded-Proto", "http");
        }
        String host = request.authority() == null ? null : request.authority().toString();
        if (host != null && request.getHeader("X-Forwarded-Host") == null) {
            opened.putHeader("X-Forwarded-Host", host);
        }
    }

    /** The engine has not answered: the client is told. */
    private void lost(String what) {
        if (!over) {
            leave();
            answer(OpenAiError.upstreamFailed(model.key(), what));
        }
    }

    private void answered(HttpClientResponse answer, PodRoute pod) {
        answer.pause();
        dispatcher.answered(pod, answer.statusCode() < 500 || answer.statusCode() == NOT_IMPLEMENTED);
        if (over) {
            answer.request().reset();
        } else if (Tunnel.isGranted(answer)) {
            answer.resume();
            Tunnel.open(request, answer).onComplete(closed -> ended(answer.statusCode()));
        } else if (wakeStream.begun() && !isStream(answer)) {
            tellInStream(answer);
        } else {
            relay(answer, pod);
        }
    }

    private static boolean isStream(HttpClientResponse answer) {
        String type = answer.getHeader("Content-Type");
        return answer.statusCode() == 200 && type != null && type.startsWith(WakeStream.EVENTS);
    }

    /** The client was promised a stream, and the engine answers something else: most likely an error. */
    private void tellInStream(HttpClientResponse answer) {
        Buffer text = Buffer.buffer();
        answer.handler(piece -> {
            if (text.length() + piece.length() <= LONGEST_ERROR_BYTES) {
                text.appendBuffer(piece);
            }
        });
        answer.exceptionHandler(error -> lost("broke off its answer"));
        answer.endHandler(end -> {
            if (!over) {
                wakeStream.fail(text.toString()).onFailure(gone -> {
                    // The client left before it was told.
                });
                ended(answer.statusCode());
            }
        });
        answer.resume();
    }

    private void relay(HttpClientResponse answer, PodRoute pod) {
        if (!wakeStream.begun()) {
            response.setStatusCode(answer.statusCode()).setStatusMessage(answer.statusMessage());
            HopByHop.copy(answer.headers(), response.headers(), RESPONSE_HEADERS_NOT_COPIED);
            if (trace.wasHeld()) {
                response.putHeader("X-Dormouse-Wake", Progress.header(dispatcher.outlook().rung(pod).orElse("Unknown"),
                        trace.waited().orElse(Duration.ZERO)));
            }
            if (answer.getHeader("Content-Length") == null && mayHaveBody(answer)) {
                response.setChunked(true);
            }
        }
        Optional<ResultCache.Recording> recording = recording(answer);
        Transfer.start(answer, response, new Transfer.Observer() {
            @Override
            public void piece(Buffer piece) {
                byte[] bytes = piece.getBytes();
                trace.answering(bytes, dispatcher.now());
                recording.ifPresent(each -> each.add(bytes));
            }

            @Override
            public void whole() {
                recording.ifPresent(ResultCache.Recording::keep);
            }
        }, end -> {
            switch (end) {
                case Transfer.End.Whole() -> ended(answer.statusCode());
                case Transfer.End.BrokenOff(Throwable cause) -> cut(answer, pod, cause);
            }
        });
    }

    private Optional<ResultCache.Recording> recording(HttpClientResponse answer) {
        String type = Objects.requireNonNullElse(answer.getHeader("Content-Type"), "");
        boolean plain = answer.statusCode() == 200 && type.startsWith("application/json")
                && answer.getHeader("Content-Encoding") == null;
        return cacheKey.filter(key -> plain)
                .flatMap(key -> model.traffic()
                        .caching()
                        .map(caching -> results.new Recording(key, caching.ttl(), type)));
    }

    private void ended(int status) {
        if (!over) {
            tell(status);
            leave();
        }
    }

    /** The one way out. */
    private void leave() {
        over = true;
        if (totalTimer >= 0) {
            vertx.cancelTimer(totalTimer);
        }
        dispatcher.ended(id);
        ended.run();
    }

    private boolean mayHaveBody(HttpClientResponse answer) {
        return request.method() != HttpMethod.HEAD && answer.statusCode() != 204 && answer.statusCode() != 304;
    }

    /** The answer is broken off: a client that only sees an end would take it for all there is. */
    private void cut(HttpClientResponse answer, PodRoute pod, Throwable error) {
        if (over) {
            return;
        }
        LOG.info("pod {} of {} broke off its answer: {}", pod.uid(), model.key(), error.getMessage());
        dispatcher.answered(pod, false);
        ended(answer.statusCode());
        if (isStream(answer)) {
            // Behind whatever half an event there is, so that a client's parser sees it too.
            String event = "\n\ndata: " + OpenAiError.upstreamFailed(model.key(), "broke off its answer").body()
                    + "\n\n";
            response.write(event).onComplete(told -> breakOff());
        } else {
            breakOff();
        }
    }

    private void breakOff() {
        if (request.version() == HttpVersion.HTTP_2) {
            response.reset();
        } else {
            request.connection().close();
        }
    }
}

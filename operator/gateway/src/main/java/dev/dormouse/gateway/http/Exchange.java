package dev.dormouse.gateway.http;

import dev.dormouse.gateway.load.GatewayMetrics;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.SocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request on its way through the gateway: perhaps held, sent to one replica, its answer streamed back. Whatever
 * happens, it ends once and says so to the {@link Dispatcher}. Owned by the event loop.
 */
final class Exchange implements Dispatcher.Ticket {
    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    /** Ours, or written anew for the next connection. */
    private static final Set<String> REQUEST_HEADERS_NOT_COPIED = Set.of("host", "content-length", "expect");
    private static final Set<String> RESPONSE_HEADERS_NOT_COPIED = Set.of("x-dormouse-wake");

    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final ModelRoute model;
    private final Arrival arrival;
    private final String upstreamUri;
    private final RequestBody body;
    private final Dispatcher dispatcher;
    private final HttpClient client;
    private final GatewayMetrics metrics;
    private final long id;
    private final Instant arrivedAt;
    private boolean held;
    private @Nullable Instant grantedAt;
    private boolean over;
    private @Nullable HttpClientRequest upstream;

    /** @param upstreamUri path and query as the engine shall see them */
    Exchange(HttpServerRequest request, Arrival arrival, String upstreamUri, RequestBody body, Dispatcher dispatcher,
            HttpClient client, GatewayMetrics metrics) {
        this.request = request;
        this.response = request.response();
        this.arrival = arrival;
        this.model = arrival.model();
        this.upstreamUri = upstreamUri;
        this.body = body;
        this.dispatcher = dispatcher;
        this.client = client;
        this.metrics = metrics;
        this.id = dispatcher.nextId();
        this.arrivedAt = dispatcher.now();
    }

    void begin() {
        // First of all: a client may leave at any moment from here on.
        response.closeHandler(closed -> clientGone());
        response.exceptionHandler(broken -> clientGone());
        dispatcher.arrived(id, arrival, this);
        held |= !over && grantedAt == null;
    }

    private void clientGone() {
        if (!over) {
            over = true;
            metrics.disconnected();
            if (upstream != null) {
                upstream.reset();
            }
            dispatcher.ended(id);
        }
    }

    @Override
    public void rejected(OpenAiError error) {
        if (!over) {
            over = true;
            answer(error);
        }
    }

    private void answer(OpenAiError error) {
        metrics.answered(error.status());
        body.discard();
        error.send(response);
    }

    @Override
    public void granted(PodRoute pod) {
        grantedAt = dispatcher.now();
        String ip = pod.ip().orElseThrow(() -> new IllegalStateException("pod " + pod.uid() + " has no address"));
        RequestOptions to = new RequestOptions().setServer(SocketAddress.inetSocketAddress(pod.enginePort(), ip))
                .setHost(ip)
                .setPort(pod.enginePort())
                .setMethod(request.method())
                .setURI(upstreamUri);
        client.request(to).onComplete(opened -> {
            if (opened.succeeded()) {
                connected(opened.result(), pod);
            } else if (!over) {
                LOG.debug("pod {} of {} cannot be reached: {}", pod.uid(), model.key(), opened.cause().getMessage());
                held = true;
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
        HopByHop.copy(request.headers(), opened.headers(), REQUEST_HEADERS_NOT_COPIED);
        addForwarded(opened);
        opened.response().onSuccess(answer -> relay(answer, pod)).onFailure(error -> {
            if (!over) {
                LOG.info("pod {} of {} gave no answer: {}", pod.uid(), model.key(), error.getMessage());
                lost("ended the connection before it answered");
            }
        });
        body.forward(opened);
    }

    private void addForwarded(HttpClientRequest opened) {
        String from = request.remoteAddress().hostAddress();
        String before = request.getHeader("X-Forwarded-For");
        opened.putHeader("X-Forwarded-For", before == null ? from : before + ", " + from);
        if (request.getHeader("X-Forwarded-Proto") == null) {
            opened.putHeader("X-Forwarded-Proto", "http");
        }
        String host = request.getHeader("Host");
        if (host != null && request.getHeader("X-Forwarded-Host") == null) {
            opened.putHeader("X-Forwarded-Host", host);
        }
    }

    /** Nothing has been sent to the client: it is told. */
    private void lost(String what) {
        if (!over) {
            over = true;
            dispatcher.ended(id);
            answer(OpenAiError.upstreamFailed(model.key(), what));
        }
    }

    private void relay(HttpClientResponse answer, PodRoute pod) {
        if (over) {
            answer.request().reset();
            return;
        }
        response.setStatusCode(answer.statusCode()).setStatusMessage(answer.statusMessage());
        HopByHop.copy(answer.headers(), response.headers(), RESPONSE_HEADERS_NOT_COPIED);
        if (held && grantedAt != null) {
            Duration waited = Duration.between(arrivedAt, grantedAt);
            metrics.waited(waited);
            response.putHeader("X-Dormouse-Wake", wake(dispatcher.rung(pod).orElse("Unknown"), waited));
        }
        if (answer.getHeader("Content-Length") == null && mayHaveBody(answer)) {
            response.setChunked(true);
        }
        answer.pipe().endOnFailure(false).to(response).onComplete(done -> {
            if (done.succeeded()) {
                relayed(answer);
            } else if (answer.end().failed()) {
                cut(answer, pod, done.cause());
            } else {
                clientGone(); // Writing to it failed before its close was noticed.
            }
        });
    }

    private void relayed(HttpClientResponse answer) {
        if (!over) {
            over = true;
            metrics.answered(answer.statusCode());
            dispatcher.ended(id);
        }
    }

    private boolean mayHaveBody(HttpClientResponse answer) {
        return request.method() != HttpMethod.HEAD && answer.statusCode() != 204 && answer.statusCode() != 304;
    }

    /** The answer is broken off: a client that only sees an end would take it for all there is. */
    private void cut(HttpClientResponse answer, PodRoute pod, Throwable error) {
        if (!over) {
            LOG.info("pod {} of {} broke off its answer: {}", pod.uid(), model.key(), error.getMessage());
            relayed(answer);
            request.connection().close();
        }
    }

    static String wake(String rung, Duration waited) {
        return String.format(Locale.ROOT, "%s;waited=%d.%03d", rung, waited.toSeconds(), waited.toMillisPart());
    }
}

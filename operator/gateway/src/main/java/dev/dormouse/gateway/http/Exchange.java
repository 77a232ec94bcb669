package dev.dormouse.gateway.http;

import dev.dormouse.gateway.load.AccessLog;
import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.trace.Tracing;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.HttpVersion;
import java.util.Optional;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request on its way through the gateway: perhaps held, sent to one replica, its answer streamed back. Whatever
 * happens, it ends once and says so to the {@link Dispatcher}. Owned by the event loop.
 */
final class Exchange implements Ticket, AnswerRelay.Listener {
    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    private static final int NOT_IMPLEMENTED = 501;

    /** What every exchange of one gateway needs. */
    record Surroundings(Vertx vertx, Dispatcher dispatcher, Upstreams upstreams, AccessLog accessLog, Tracing tracing,
            ResultCache results, Timeouts timeouts) {}

    private final Surroundings around;
    private final Dispatcher dispatcher;
    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final ModelRoute model;
    private final Arrival arrival;
    private final String upstreamUri;
    private final RequestBody body;
    private final boolean keyed;
    private final Runnable ended;
    private final WakeStream wakeStream;
    private final RequestJournal journal;
    private final AnswerRelay relay;
    private final long id;
    private long totalTimer = -1;
    private boolean over;
    private @Nullable HttpClientRequest upstream;
    private @Nullable PodRoute at;

    /**
     * @param upstreamUri path and query as the engine shall see them
     * @param cacheKey under which the answer is to be remembered, if it is
     * @param ended run once, at the end
     */
    Exchange(Inbound in, Arrival arrival, String upstreamUri, Surroundings surroundings,
            Optional<ResultCache.Key> cacheKey, Runnable ended) {
        this.around = surroundings;
        this.dispatcher = surroundings.dispatcher();
        this.request = in.request();
        this.response = in.request().response();
        this.keyed = in.key().isPresent();
        this.ended = ended;
        this.arrival = arrival;
        this.model = arrival.model();
        this.upstreamUri = upstreamUri;
        this.body = in.body();
        this.wakeStream = new WakeStream(response, model.clientName(), upstreamUri.contains("/chat/completions"));
        this.id = dispatcher.nextId();
        this.journal = new RequestJournal(dispatcher, surroundings.accessLog(), surroundings.tracing(), request,
                arrival);
        this.relay = new AnswerRelay(request, model, wakeStream, journal, dispatcher.outlook(),
                surroundings.results(), cacheKey, task -> surroundings.vertx().runOnContext(now -> task.run()));
    }

    void begin() {
        // First of all: a client may leave at any moment from here on.
        response.closeHandler(closed -> clientGone());
        response.exceptionHandler(broken -> clientGone());
        if (around.timeouts().total().isPositive()) {
            totalTimer = around.vertx().setTimer(around.timeouts().total().toMillis(), timer -> tooLong());
        }
        dispatcher.arrived(id, arrival, this);
        if (!over && at == null) {
            journal.held();
        }
    }

    private void tooLong() {
        if (!over) {
            stop(OpenAiError.totalTimeout(model.key(), around.timeouts().total().toSeconds()), response.headWritten());
        }
    }

    @Override
    public void cancelled() {
        if (!over) {
            stop(OpenAiError.cancelled(), response.headWritten() && !wakeStream.begun());
        }
    }

    /** @param begun whether an answer has begun in which no error can be told */
    private void stop(OpenAiError why, boolean begun) {
        leave();
        if (upstream != null) {
            upstream.reset();
        }
        if (begun) {
            journal.finished(response.getStatusCode());
            breakOff();
        } else {
            answer(why);
        }
    }

    private void clientGone() {
        if (!over) {
            journal.gone();
            if (upstream != null) {
                upstream.reset();
            }
            leave();
        }
    }

    @Override
    public void waiting(Progress progress, int position) {
        if (!over && arrival.heartbeat() && at == null) {
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
    public RequestTrace trace() {
        return journal.trace();
    }

    @Override
    public Optional<String> traceparent() {
        return journal.traceparent();
    }

    private void answer(OpenAiError error) {
        journal.finished(error.status());
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
        at = pod;
        journal.granted(pod);
        around.upstreams()
                .to(pod, Tunnel.isWanted(request))
                .request(UpstreamHead.options(request, upstreamUri, pod, around.timeouts().upstreamIdle()))
                .onComplete(opened -> {
                    if (opened.succeeded()) {
                        connected(opened.result(), pod);
                    } else if (!over) {
                        LOG.debug("pod {} of {} cannot be reached: {}", pod.uid(), model.key(),
                                opened.cause().getMessage());
                        at = null;
                        journal.returned();
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
        UpstreamHead.write(request, keyed, opened);
        journal.pass(opened.headers());
        opened.response().onSuccess(answer -> answered(answer, pod)).onFailure(error -> {
            if (!over) {
                LOG.info("pod {} of {} gave no answer: {}", pod.uid(), model.key(), error.getMessage());
                dispatcher.answered(pod, false);
                lost(error instanceof TimeoutException
                        ? "was silent for " + around.timeouts().upstreamIdle().toSeconds() + " s"
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

    private void answered(HttpClientResponse answer, PodRoute pod) {
        answer.pause();
        dispatcher.answered(pod, answer.statusCode() < 500 || answer.statusCode() == NOT_IMPLEMENTED);
        if (over) {
            answer.request().reset();
        } else {
            relay.start(answer, pod, this);
        }
    }

    /** The engine has not answered: the client is told. */
    private void lost(String what) {
        if (!over) {
            leave();
            answer(OpenAiError.upstreamFailed(model.key(), what));
        }
    }

    @Override
    public void whole(int status) {
        if (!over) {
            journal.finished(status);
            leave();
        }
    }

    @Override
    public void failed() {
        lost("broke off its answer");
    }

    /** A client that only sees an end would take it for all there is. */
    @Override
    public void brokenOff(HttpClientResponse answer, Throwable cause) {
        if (over) {
            return;
        }
        if (at != null) {
            LOG.info("pod {} of {} broke off its answer: {}", at.uid(), model.key(), cause.getMessage());
            dispatcher.answered(at, false);
        }
        whole(answer.statusCode());
        if (AnswerRelay.isStream(answer)) {
            // Behind whatever half an event there is, so that a client's parser sees it too.
            String event = "\n\ndata: " + OpenAiError.upstreamFailed(model.key(), "broke off its answer").body()
                    + "\n\n";
            response.write(event).onComplete(told -> breakOff());
        } else {
            breakOff();
        }
    }

    /** The one way out. */
    private void leave() {
        over = true;
        if (totalTimer >= 0) {
            around.vertx().cancelTimer(totalTimer);
        }
        dispatcher.ended(id);
        ended.run();
    }

    private void breakOff() {
        if (request.version() == HttpVersion.HTTP_2) {
            response.reset();
        } else {
            request.connection().close();
        }
    }
}

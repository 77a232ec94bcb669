package dev.dormouse.gateway.http;

import dev.dormouse.gateway.load.AccessLog;
import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.load.UsageTail;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.trace.RequestSpans;
import dev.dormouse.gateway.trace.Tracing;
import io.vertx.core.MultiMap;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Notes what becomes of one request, for metrics, access log and trace. Decides nothing. Owned by the event loop. */
final class RequestJournal {
    private static final String TRACEPARENT = "traceparent";

    private final Dispatcher dispatcher;
    private final AccessLog accessLog;
    private final RequestTrace trace;
    private final RequestSpans spans;
    private final @Nullable String client;

    RequestJournal(Dispatcher dispatcher, AccessLog accessLog, Tracing tracing, HttpServerRequest request,
            Arrival arrival) {
        this.dispatcher = dispatcher;
        this.accessLog = accessLog;
        Instant now = dispatcher.now();
        this.trace = new RequestTrace(arrival.model().key(), request.method().name(), String.valueOf(request.path()),
                request.remoteAddress().hostAddress(), now, arrival.traits());
        this.client = request.getHeader(TRACEPARENT);
        this.spans = tracing.begin(trace.method(), trace.path(), trace.model(), request::getHeader, now);
    }

    RequestTrace trace() {
        return trace;
    }

    void held() {
        trace.held();
        spans.held(asleep(), dispatcher.now());
    }

    private boolean asleep() {
        return !dispatcher.awake(trace.model());
    }

    void granted(PodRoute pod) {
        Instant now = dispatcher.now();
        trace.granted(pod.uid(), now);
        if (trace.wasHeld() && spans != RequestSpans.NONE) {
            dispatcher.outlook().steps(pod).ifPresent(spans::woke);
        }
        spans.granted(pod.uid(), now);
    }

    /** It never reached that pod, and waits again. */
    void returned() {
        trace.returned();
        spans.returned(asleep(), dispatcher.now());
    }

    /** Lets the engine continue the trace. */
    void pass(MultiMap headers) {
        spans.pass(headers::set);
    }

    /** Ours, or the client's own while nobody collects traces. */
    Optional<String> traceparent() {
        Map<String, String> headers = new HashMap<>();
        spans.pass(headers::put);
        String ours = headers.get(TRACEPARENT);
        return Optional.ofNullable(ours == null ? client : ours).filter(RequestTraits::isTrace);
    }

    void answering(Buffer piece) {
        int length = piece.length();
        trace.answering(length, piece.getBytes(Math.max(0, length - UsageTail.LOOKED_AT), length), dispatcher.now());
    }

    void finished(int status) {
        Instant now = dispatcher.now();
        Duration took = Duration.between(trace.arrivedAt(), now);
        dispatcher.finished(trace, status, took);
        accessLog.write(trace, Integer.toString(status), took);
        spans.ended(status, now);
    }

    /** Its client left before it was told everything. */
    void gone() {
        Instant now = dispatcher.now();
        dispatcher.metrics().disconnected(trace.model());
        accessLog.write(trace, "gone", Duration.between(trace.arrivedAt(), now));
        spans.gone(now);
    }
}

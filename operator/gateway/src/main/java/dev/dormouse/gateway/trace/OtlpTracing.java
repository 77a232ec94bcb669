package dev.dormouse.gateway.trace;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.trace.OtlpExport;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.time.Instant;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Begins the traces that are sent to a collector. A client that sends {@code traceparent} (W3C) has its trace continued, and its word on
 * whether it is recorded; of the others a share is recorded.
 */
public final class OtlpTracing implements Tracing {
    private static final TextMapGetter<UnaryOperator<@Nullable String>> HEADERS = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(UnaryOperator<@Nullable String> header) {
            return List.of();
        }

        @Override
        public @Nullable String get(@Nullable UnaryOperator<@Nullable String> header, String key) {
            return header == null ? null : header.apply(key);
        }
    };

    private final OtlpExport export;
    private final Tracer tracer;

    public OtlpTracing(OtlpExport export) {
        this.export = export;
        this.tracer = export.tracer();
    }

    @Override
    public RequestSpans begin(String method, String path, ModelKey model, UnaryOperator<@Nullable String> header,
            Instant now) {
        Context caller = W3CTraceContextPropagator.getInstance().extract(Context.root(), header, HEADERS);
        Span request = tracer.spanBuilder(method + " " + model)
                .setParent(caller)
                .setSpanKind(SpanKind.SERVER)
                .setStartTimestamp(now)
                .setAttribute("http.request.method", method)
                .setAttribute("url.path", path)
                .setAttribute("dormouse.model", model.toString())
                .startSpan();
        return new Spans(tracer, request);
    }

    @Override
    public void close() {
        export.close();
    }

    private static final class Spans implements RequestSpans {
        private static final int SERVER_ERROR = 500;
        private static final double NANOS_PER_MILLI = 1e6;

        private final Tracer tracer;
        private final Span request;
        private @Nullable Span hold;
        private @Nullable Span wake;
        private @Nullable Span proxy;
        private boolean over;

        Spans(Tracer tracer, Span request) {
            this.tracer = tracer;
            this.request = request;
        }

        private SpanBuilder within(Span parent, String name, Instant now) {
            return tracer.spanBuilder(name).setParent(Context.root().with(parent)).setStartTimestamp(now);
        }

        @Override
        public void held(boolean asleep, Instant now) {
            Span waiting = within(request, "hold", now).startSpan();
            hold = waiting;
            if (asleep) {
                wake = within(waiting, "wake", now).startSpan();
            }
        }

        @Override
        public void woke(WakeSteps steps) {
            Span waited = wake;
            if (waited == null) {
                return;
            }
            steps.decidedAt().ifPresent(decided -> waited.addEvent("decided", decided));
            waited.addEvent("sidecar started", steps.sidecarAt()).addEvent("ready", steps.readyAt());
            waited.setAttribute("dormouse.rung", steps.rung());
            steps.phases()
                    .forEach((phase, took) -> waited.setAttribute("dormouse.phase." + phase + "_ms",
                            took.toNanos() / NANOS_PER_MILLI));
        }

        @Override
        public void granted(String pod, Instant now) {
            endWaiting(now);
            proxy = within(request, "proxy", now).setSpanKind(SpanKind.CLIENT)
                    .setAttribute("k8s.pod.uid", pod)
                    .startSpan();
        }

        @Override
        public void returned(boolean asleep, Instant now) {
            if (proxy != null) {
                proxy.setStatus(StatusCode.ERROR, "not reached").end(now);
                proxy = null;
            }
            held(asleep, now);
        }

        @Override
        public void pass(BiConsumer<String, String> header) {
            Span innermost = proxy != null ? proxy : wake != null ? wake : request;
            W3CTraceContextPropagator.getInstance()
                    .inject(Context.root().with(innermost), header, (into, name, value) -> {
                        if (into != null) {
                            into.accept(name, value);
                        }
                    });
        }

        @Override
        public void ended(int status, Instant now) {
            if (over) {
                return;
            }
            request.setAttribute("http.response.status_code", status);
            if (status >= SERVER_ERROR) {
                request.setStatus(StatusCode.ERROR);
            }
            end(now);
        }

        @Override
        public void gone(Instant now) {
            if (!over) {
                request.setStatus(StatusCode.ERROR, "the client left");
                end(now);
            }
        }

        private void end(Instant now) {
            over = true;
            endWaiting(now);
            if (proxy != null) {
                proxy.end(now);
            }
            request.end(now);
        }

        private void endWaiting(Instant now) {
            if (wake != null) {
                wake.end(now);
                wake = null;
            }
            if (hold != null) {
                hold.end(now);
                hold = null;
            }
        }
    }
}

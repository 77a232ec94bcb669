package dev.dormouse.trace;

import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** Steps that are sent to a collector. */
public final class OtlpSteps implements StepTracing {
    private static final String TRACEPARENT = "traceparent";
    private static final TextMapGetter<String> CARRIED = new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(String traceparent) {
            return List.of(TRACEPARENT);
        }

        @Override
        public @Nullable String get(@Nullable String traceparent, String key) {
            return key.equals(TRACEPARENT) ? traceparent : null;
        }
    };

    private final OtlpExport export;
    private final Tracer tracer;

    public OtlpSteps(OtlpExport export) {
        this.export = export;
        this.tracer = export.tracer();
    }

    @Override
    public Step begin(String traceparent, String name, Instant at) {
        return begin(W3CTraceContextPropagator.getInstance().extract(Context.root(), traceparent, CARRIED), name, at);
    }

    private Step begin(Context parent, String name, Instant at) {
        return new OtlpStep(tracer.spanBuilder(name).setParent(parent).setStartTimestamp(at).startSpan(), at);
    }

    @Override
    public void close() {
        export.close();
    }

    private final class OtlpStep implements Step {
        private final Span span;
        private final Instant beganAt;

        OtlpStep(Span span, Instant beganAt) {
            this.span = span;
            this.beganAt = beganAt;
        }

        @Override
        public Step within(String name, Instant at) {
            return begin(Context.root().with(span), name, at);
        }

        @Override
        public Step with(String attribute, String value) {
            span.setAttribute(attribute, value);
            return this;
        }

        @Override
        public Step with(String attribute, double value) {
            span.setAttribute(attribute, value);
            return this;
        }

        @Override
        public Step failed(String why) {
            span.setStatus(StatusCode.ERROR, why);
            return this;
        }

        /** What began by another clock may end before it began. */
        @Override
        public void end(Instant at) {
            span.end(at.isBefore(beganAt) ? beganAt : at);
        }

        @Override
        public Optional<String> traceparent() {
            AtomicReference<String> own = new AtomicReference<>();
            W3CTraceContextPropagator.getInstance().inject(Context.root().with(span), own, (into, name, value) -> {
                if (into != null && name.equals(TRACEPARENT)) {
                    into.set(value);
                }
            });
            return Optional.ofNullable(own.get());
        }
    }
}

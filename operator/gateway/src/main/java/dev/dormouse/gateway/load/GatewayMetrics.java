package dev.dormouse.gateway.load;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldState;
import dev.dormouse.domain.pattern.ServingPattern;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the gateway counts for Prometheus, by model and status. No label names a client or a prompt; a model that is gone
 * takes its series along. Requests for models that do not exist count under the model "unknown" (W46).
 */
public final class GatewayMetrics {
    private static final String MODEL = "model";
    private static final String UNKNOWN = "unknown";
    private static final Duration[] BUCKETS = {Duration.ofMillis(5), Duration.ofMillis(25), Duration.ofMillis(100),
            Duration.ofMillis(250), Duration.ofMillis(500), Duration.ofSeconds(1), Duration.ofMillis(2500),
            Duration.ofSeconds(5), Duration.ofSeconds(10), Duration.ofSeconds(30), Duration.ofMinutes(1),
            Duration.ofMinutes(5)};

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    /** Found by model and status without building tags anew for every request. */
    private final Map<ModelKey, ModelMeters> models = new HashMap<>();

    /** The meters of one model. */
    private final class ModelMeters {
        private final Tags tags;
        private final Map<Integer, io.micrometer.core.instrument.Counter> byCode = new HashMap<>();
        private final Map<String, io.micrometer.core.instrument.Counter> tokens = new HashMap<>();
        private final Timer duration;
        private final Timer firstByte;
        private final Timer wait;
        private ServingPattern pattern = ServingPattern.Unknown;
        private double perSecond;

        ModelMeters(ModelKey key) {
            tags = Tags.of(MODEL, key.toString());
            duration = timer("dormouse.gateway.request", "From a request's arrival to the end of its answer.");
            firstByte = timer("dormouse.gateway.first.byte",
                    "From a request's arrival to the first byte of its answer's body: the time to the first token of a stream.");
            wait = timer("dormouse.gateway.wait", "Time that requests were held before they were served.");
            gauges();
        }

        /** One series per pattern, of which one is 1: so a change of pattern is a change of values. */
        private void gauges() {
            for (ServingPattern each : ServingPattern.values()) {
                Gauge.builder("dormouse.gateway.serving.pattern", this, own -> own.pattern == each ? 1 : 0)
                        .description("How the model is used: 1 for the pattern that its requests follow.")
                        .tags(tags.and("pattern", each.name()))
                        .register(registry);
            }
            Gauge.builder("dormouse.gateway.arrivals.per.second", this, own -> own.perSecond)
                    .description("Requests per second over the last minute.")
                    .tags(tags)
                    .register(registry);
        }

        private Timer timer(String name, String description) {
            return Timer.builder(name)
                    .description(description)
                    .tags(tags)
                    .serviceLevelObjectives(BUCKETS)
                    .register(registry);
        }

        void finished(RequestTrace trace, int code, Duration took) {
            byCode.computeIfAbsent(code, first -> requests(tags, first)).increment();
            duration.record(took);
            trace.timeToFirstByte().ifPresent(firstByte::record);
            if (trace.wasHeld()) {
                trace.waited().ifPresent(wait::record);
            }
            trace.usage().ifPresent(usage -> {
                tokens("input", usage.input());
                tokens("output", usage.output());
                tokens("cached", usage.cached());
            });
        }

        private void tokens(String kind, long count) {
            tokens.computeIfAbsent(kind, first -> registry.counter("dormouse.gateway.tokens", tags.and("kind", first)))
                    .increment(count);
        }
    }

    public GatewayMetrics(HoldState carried) {
        Gauge.builder("dormouse.gateway.held.requests", carried, HoldState::waitingInAll)
                .description("Requests that wait for a replica.")
                .register(registry);
        Gauge.builder("dormouse.gateway.held.bytes", carried, HoldState::heldBytes)
                .description("Bytes of bodies that waiting requests keep in memory.")
                .register(registry);
        Gauge.builder("dormouse.gateway.in.flight.requests", carried, HoldState::servingInAll)
                .description("Requests at a replica.")
                .register(registry);
    }

    private io.micrometer.core.instrument.Counter requests(Tags tags, int code) {
        return io.micrometer.core.instrument.Counter.builder("dormouse.gateway.requests")
                .description("Requests answered, by status code.")
                .tags(tags.and("code", Integer.toString(code)))
                .register(registry);
    }

    /** A request was answered, by us or by an engine. */
    public void finished(RequestTrace trace, int code, Duration took) {
        models.computeIfAbsent(trace.model(), ModelMeters::new).finished(trace, code, took);
    }

    /** A request that named no model there is was answered. */
    public void refused(int code) {
        requests(Tags.of(MODEL, UNKNOWN), code).increment();
    }

    /** A request that may be answered from memory was, or was not (W76). */
    public void cached(ModelKey model, boolean hit) {
        registry.counter("dormouse.gateway.result.cache", MODEL, model.toString(), "result", hit ? "hit" : "miss")
                .increment();
    }

    /** How a model is used, and how much. */
    public void traffic(ModelKey model, ServingPattern pattern, double perSecond) {
        ModelMeters meters = models.computeIfAbsent(model, ModelMeters::new);
        meters.pattern = pattern;
        meters.perSecond = perSecond;
    }

    /** A client left before its answer was complete. */
    public void disconnected(ModelKey model) {
        registry.counter("dormouse.gateway.client.disconnects", MODEL, model.toString()).increment();
    }

    /** A model was asked to wake. */
    public void wake(ModelKey model) {
        registry.counter("dormouse.gateway.wakes", MODEL, model.toString()).increment();
    }

    /** A model is gone. */
    public void forget(ModelKey model) {
        models.remove(model);
        List<Meter> own = registry.getMeters()
                .stream()
                .filter(meter -> model.toString().equals(meter.getId().getTag(MODEL)))
                .toList();
        own.forEach(registry::remove);
    }

    /** In Prometheus' text format. */
    public String text() {
        return registry.scrape();
    }
}

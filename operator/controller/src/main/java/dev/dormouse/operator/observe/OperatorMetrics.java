package dev.dormouse.operator.observe;

import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.operator.warmup.WarmupQueue;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * The operator's own figures, in Prometheus' text format. Labels are bounded by what exists: models and pools, whose
 * series go when they do, and closed lists of rungs, phases, conditions and states. {@code docs/monitoring.md} lists them.
 */
public final class OperatorMetrics {
    private static final Duration[] WAKES = {Duration.ofMillis(100), Duration.ofMillis(250), Duration.ofMillis(500),
            Duration.ofSeconds(1), Duration.ofMillis(2500), Duration.ofSeconds(5), Duration.ofSeconds(10),
            Duration.ofSeconds(30), Duration.ofSeconds(60), Duration.ofSeconds(120), Duration.ofSeconds(300)};

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Timer reconciles = Timer.builder("dormouse_reconcile")
            .description("Time of one reconcile of a model")
            .publishPercentileHistogram()
            .register(registry);
    private final MultiGauge models = MultiGauge.builder("dormouse_models")
            .description("Models by the status and reason of their condition Ready")
            .register(registry);
    private final MultiGauge coldFraction = MultiGauge.builder("dormouse_cold_start_fraction")
            .description("Wakes from rung Cold, of all wakes of the model (H56)")
            .register(registry);
    private final MultiGauge p95 = MultiGauge.builder("dormouse_cold_start_p95_seconds")
            .description("Nearest-rank 95th percentile of the model's last wakes, as in its status (D1)")
            .register(registry);
    private final MultiGauge snapshots = MultiGauge.builder("dormouse_snapshots")
            .description("ModelSnapshots by the reason of their condition Ready")
            .register(registry);
    private final MultiGauge gpus = MultiGauge.builder("dormouse_pool_gpus")
            .description("GPUs of a pool's ready nodes")
            .register(registry);
    private final MultiGauge gpusInUse = MultiGauge.builder("dormouse_pool_gpus_in_use")
            .description("GPUs of a pool that replicas have, or are about to get")
            .register(registry);
    private final Map<ModelKey, ModelView> known = new ConcurrentHashMap<>();
    /** What goes when a model does. */
    private final Map<ModelKey, Set<Meter>> metersOf = new ConcurrentHashMap<>();
    private volatile Supplier<Map<String, Integer>> snapshotStates = Map::of;
    private volatile Supplier<Map<String, WarmupQueue.PoolView>> poolStates = Map::of;

    private record ModelView(String ready, String reason, double coldFraction, double p95Seconds) {}

    /** H48, H49. */
    public void watch(WarmupQueue queue) {
        Gauge.builder("dormouse_warmup_pending", queue, WarmupQueue::pending)
                .description("Replicas that wait for a warmup slot")
                .register(registry);
        Gauge.builder("dormouse_warmup_active", queue, WarmupQueue::active)
                .description("Replicas that are warming up")
                .register(registry);
        poolStates = queue::pools;
    }

    /** @param byState how many there are, asked at every scrape */
    public void watchSnapshots(Supplier<Map<String, Integer>> byState) {
        snapshotStates = byState;
    }

    /** @param healthy whether all informers run; asked at every scrape */
    public void watchInformers(BooleanSupplier healthy) {
        Gauge.builder("dormouse_informers_healthy", healthy, check -> check.getAsBoolean() ? 1 : 0)
                .description("1 while every watch of the API server runs")
                .register(registry);
    }

    /** @param leads whether this process leads; asked at every scrape */
    public void watchLeader(BooleanSupplier leads) {
        Gauge.builder("dormouse_leader", leads, check -> check.getAsBoolean() ? 1 : 0)
                .description("1 while this process leads")
                .register(registry);
    }

    /** H52, H53: a wake by the rung it started from, and what its phases took. */
    public void woke(ModelKey model, LastWake wake, List<ModelStatus.Phase> phases) {
        its(model, Timer.builder("dormouse_cold_start")
                .description("From the decision to wake until Ready, by the rung it started from")
                .tags(tags(model).and("rung", wake.rung()))
                .serviceLevelObjectives(WAKES)
                .register(registry)).record(Duration.ofMillis(wake.coldStartMs()));
        for (ModelStatus.Phase phase : phases) {
            if (phase.state().equals("Done")) {
                its(model, Timer.builder("dormouse_warmup_phase")
                        .description("Time of one phase of a warmup")
                        .tags(tags(model).and("phase", phase.name()))
                        .serviceLevelObjectives(WAKES)
                        .register(registry)).record(Duration.ofNanos(phase.micros() * 1000));
            }
        }
    }

    public void quarantined(ModelKey model) {
        its(model, registry.counter("dormouse_snapshots_quarantined", tags(model))).increment();
    }

    private <M extends Meter> M its(ModelKey model, M meter) {
        metersOf.computeIfAbsent(model, key -> ConcurrentHashMap.newKeySet()).add(meter);
        return meter;
    }

    /** What status says now. */
    public void told(ModelKey model, String ready, String reason, ModelStatus status) {
        ModelStatus.Wakes wakes = status.wakes;
        known.put(model, new ModelView(ready, reason, wakes == null ? 0 : wakes.coldStartFraction(),
                wakes == null ? 0 : wakes.p95ColdStartMs() / 1000.0));
    }

    /** The model is gone, and so are its series. */
    public void forget(ModelKey model) {
        known.remove(model);
        Optional.ofNullable(metersOf.remove(model)).ifPresent(meters -> meters.forEach(registry::remove));
    }

    public void reconciled(Duration took) {
        reconciles.record(took);
    }

    public String scrape() {
        models.register(known.values()
                .stream()
                .collect(Collectors.groupingBy(view -> Tags.of("ready", view.ready(), "reason", view.reason()),
                        Collectors.counting()))
                .entrySet()
                .stream()
                .map(entry -> MultiGauge.Row.of(entry.getKey(), entry.getValue()))
                .collect(Collectors.toList()), true);
        coldFraction.register(known.entrySet()
                .stream()
                .filter(entry -> entry.getValue().p95Seconds() > 0)
                .map(entry -> MultiGauge.Row.of(tags(entry.getKey()), entry.getValue().coldFraction()))
                .collect(Collectors.toList()), true);
        p95.register(known.entrySet()
                .stream()
                .filter(entry -> entry.getValue().p95Seconds() > 0)
                .map(entry -> MultiGauge.Row.of(tags(entry.getKey()), entry.getValue().p95Seconds()))
                .collect(Collectors.toList()), true);
        snapshots.register(snapshotStates.get()
                .entrySet()
                .stream()
                .map(entry -> MultiGauge.Row.of(Tags.of("state", entry.getKey()), entry.getValue()))
                .collect(Collectors.toList()), true);
        Map<String, WarmupQueue.PoolView> pools = poolStates.get();
        gpus.register(pools.entrySet()
                .stream()
                .map(entry -> MultiGauge.Row.of(Tags.of("pool", entry.getKey()), entry.getValue().gpus()))
                .collect(Collectors.toList()), true);
        gpusInUse.register(pools.entrySet()
                .stream()
                .map(entry -> MultiGauge.Row.of(Tags.of("pool", entry.getKey()), entry.getValue().inUse()))
                .collect(Collectors.toList()), true);
        return registry.scrape();
    }

    private static Tags tags(ModelKey model) {
        return Tags.of("namespace", model.namespace(), "model", model.name());
    }
}

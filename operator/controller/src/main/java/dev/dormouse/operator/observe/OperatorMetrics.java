package dev.dormouse.operator.observe;

import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.operator.warmup.WarmupQueue;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.time.Duration;

/** The operator's own figures, in Prometheus' text format. */
public final class OperatorMetrics {
    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Timer reconciles = Timer.builder("dormouse_reconcile")
            .description("Time of one reconcile of a model")
            .publishPercentileHistogram()
            .register(registry);

    /** H48, H49. */
    public void watch(WarmupQueue queue) {
        Gauge.builder("dormouse_warmup_pending", queue, WarmupQueue::pending)
                .description("Replicas that wait for a warmup slot")
                .register(registry);
        Gauge.builder("dormouse_warmup_active", queue, WarmupQueue::active)
                .description("Replicas that are warming up")
                .register(registry);
    }

    /** H52. */
    public void woke(String namespace, String model, LastWake wake) {
        Timer.builder("dormouse_cold_start")
                .description("From the decision to wake until Ready")
                .tag("namespace", namespace)
                .tag("model", model)
                .tag("rung", wake.rung())
                .serviceLevelObjectives(Duration.ofMillis(100), Duration.ofMillis(500), Duration.ofSeconds(1),
                        Duration.ofSeconds(5), Duration.ofSeconds(30), Duration.ofSeconds(120))
                .register(registry)
                .record(Duration.ofMillis(wake.coldStartMs()));
    }

    public void reconciled(Duration took) {
        reconciles.record(took);
    }

    public String scrape() {
        return registry.scrape();
    }
}

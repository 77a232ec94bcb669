package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.DemandSchedule;
import dev.dormouse.gateway.wake.DemandWriter;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Writes the demands that are due, and renews them while somebody waits. Owned by the event loop. */
final class DemandPump {
    private static final Logger LOG = LoggerFactory.getLogger(DemandPump.class);
    /** A demand for whose sake nobody waits is tried for so long. */
    private static final Duration UNATTENDED = Duration.ofSeconds(2);

    private final DemandSchedule schedule = new DemandSchedule();
    /** Models that were demanded by somebody who did not stay, until when that counts. */
    private final Map<ModelKey, Instant> unattended = new HashMap<>();
    private final DemandWriter writer;
    private final RouteTable routes;
    private final Predicate<ModelKey> awaited;
    private final Function<ModelKey, Optional<String>> traceparent;
    private final Clock clock;
    private final Executor loop;

    /**
     * @param awaited whether somebody waits for a model
     * @param traceparent of the request that has waited for it the longest
     */
    DemandPump(DemandWriter writer, RouteTable routes, Predicate<ModelKey> awaited,
            Function<ModelKey, Optional<String>> traceparent, Clock clock, Executor loop) {
        this.writer = writer;
        this.routes = routes;
        this.awaited = awaited;
        this.traceparent = traceparent;
        this.clock = clock;
        this.loop = loop;
    }

    /** Somebody needs the model, and perhaps waits for it. */
    void wanted(ModelKey model) {
        Instant now = clock.instant();
        if (!awaited.test(model)) {
            unattended.put(model, now.plus(UNATTENDED));
        }
        schedule.wanted(model, now);
        // In a moment: the request for whose sake it is written has its place, and its span, by then.
        loop.execute(this::pump);
    }

    /** To be called whenever something has changed, and every few tens of milliseconds. */
    void pump() {
        Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
        unattended.values().removeIf(until -> !now.isBefore(until));
        for (ModelKey model : schedule.due(now, each -> awaited.test(each) || unattended.containsKey(each),
                this::answered)) {
            writer.write(model, now, traceparent.apply(model))
                    .whenComplete((done, error) -> loop.execute(() -> written(model, error)));
        }
    }

    private boolean answered(ModelKey model, Instant demandedAt) {
        return routes.model(model)
                .flatMap(route -> route.state().activation())
                .filter((ModelRoute.Activation activation) -> activation.answers(demandedAt))
                .isPresent();
    }

    private void written(ModelKey model, @Nullable Throwable error) {
        if (error == null) {
            schedule.written(model, clock.instant());
        } else {
            LOG.warn("the demand for {} could not be written; trying again: {}", model, error.getMessage());
            schedule.failed(model, clock.instant());
        }
    }
}

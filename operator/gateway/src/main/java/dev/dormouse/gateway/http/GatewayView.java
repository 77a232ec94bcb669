package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldState;
import dev.dormouse.domain.pattern.TrafficSignals;
import dev.dormouse.gateway.load.GatewayMetrics;
import dev.dormouse.gateway.load.LoadLog;
import dev.dormouse.gateway.load.ModelTraffic;
import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.load.TrafficLog;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.ReplicaHealth;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.sidecar.api.DemandReport;
import java.time.Clock;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/** What this gateway tells of itself: to the operator, to Prometheus, to people. Reads, changes nothing. */
final class GatewayView {

    /** A request that is here. @param position in its model's queue, while it waits; 1 is next */
    record Carried(long id, RequestTrace trace, OptionalInt position) {}

    /** One model that is awake or wanted. */
    record ModelLoad(ModelKey key, int replicas, int serving, int waiting, int limit, String phase) {}

    private final HoldState core;
    private final RouteTable routes;
    private final ReplicaHealth health;
    private final WakeOutlook outlook;
    private final OpenRequests open;
    private final LoadLog load;
    private final TrafficLog traffic;
    private final GatewayMetrics metrics;
    private final Clock clock;

    GatewayView(HoldState core, RouteTable routes, ReplicaHealth health, WakeOutlook outlook, OpenRequests open,
            LoadLog load, TrafficLog traffic, GatewayMetrics metrics, Clock clock) {
        this.core = core;
        this.routes = routes;
        this.health = health;
        this.outlook = outlook;
        this.open = open;
        this.load = load;
        this.traffic = traffic;
        this.metrics = metrics;
        this.clock = clock;
    }

    Instant now() {
        return clock.instant();
    }

    boolean knowsTheCluster() {
        return load.syncedAt().isPresent();
    }

    DemandReport report() {
        Instant now = clock.instant();
        return load.report(core, routes.draining(), model -> traffic.pattern(model, shape(model), now).pattern(), now);
    }

    /** In Prometheus' text format. */
    String metricsText() {
        Instant now = clock.instant();
        traffic.models()
                .forEach(model -> metrics.traffic(model, traffic.pattern(model, shape(model), now).pattern(),
                        load.perSecond(model, now)));
        return metrics.text();
    }

    /** Every request that is here, those that wait in the order in which they will go. */
    List<Carried> carried() {
        Map<Long, OptionalInt> positions = new HashMap<>();
        open.all().stream().map(OpenRequests.Open::model).distinct().forEach(model -> {
            int position = 0;
            for (HeldRequest held : core.queued(model)) {
                position++;
                positions.put(held.id(), OptionalInt.of(position));
            }
        });
        return open.all()
                .stream()
                .map(each -> new Carried(each.id(), each.ticket().trace(),
                        positions.getOrDefault(each.id(), OptionalInt.empty())))
                .sorted(Comparator.comparing((Carried each) -> each.position().orElse(0)).thenComparing(Carried::id))
                .toList();
    }

    List<ModelLoad> models() {
        return routes.listing()
                .map(Map.Entry::getValue)
                .filter(model -> core.hasReplica(model.key()) || core.waiting(model.key()) > 0
                        || core.serving(model.key()) > 0)
                .map(model -> new ModelLoad(model.key(), (int) routes.pods(model.key())
                        .stream()
                        .filter(health::routable)
                        .count(), core.serving(model.key()), core.waiting(model.key()), core.limit(model.key()),
                        core.hasReplica(model.key()) ? "Ready" : outlook.progress(model.key()).phase()))
                .toList();
    }

    /** Of every model of which something is remembered, by name. */
    List<ModelTraffic> traffic() {
        Instant now = clock.instant();
        return traffic.models()
                .stream()
                .sorted(Comparator.comparing(ModelKey::toString))
                .map(model -> traffic.traffic(model, load.perSecond(model, now), shape(model), now))
                .toList();
    }

    long requestsInAll() {
        return traffic.requestsInAll();
    }

    long cachedInAll() {
        return traffic.cachedInAll();
    }

    private TrafficSignals.Shape shape(ModelKey key) {
        return routes.model(key).map(ModelRoute::traffic).map(GatewayView::shape).orElse(TrafficSignals.Shape.FIXED);
    }

    private static TrafficSignals.Shape shape(ModelRoute.Traffic traffic) {
        OptionalDouble trial = traffic.canary().isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of(traffic.canary().get().split().percent() / 100.0);
        return new TrafficSignals.Shape(trial, traffic.replicas().least(), traffic.replicas().most());
    }
}

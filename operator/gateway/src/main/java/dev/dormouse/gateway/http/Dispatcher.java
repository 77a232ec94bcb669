package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldCore;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.gateway.load.GatewayMetrics;
import dev.dormouse.gateway.load.LoadLog;
import dev.dormouse.gateway.http.OpenRequests.Open;
import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.load.TrafficLog;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.route.ReplicaHealth;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.DemandWriter;
import dev.dormouse.gateway.wake.SleepWriter;
import dev.dormouse.gateway.wake.WakeTimes;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries out what the {@link HoldCore} decides: brings it every event, hands its effects to the requests, writes
 * demands, follows the sidecars of starting pods while somebody waits for them.
 *
 * <p>Owned by the event loop: every method must be called there.
 */
final class Dispatcher {
    private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);

    private final HoldCore core;
    private final RouteTable routes = new RouteTable();
    private final ReplicaHealth health = new ReplicaHealth();
    private final DemandPump demands;
    private final WakeOutlook outlook;
    private final WakeTimes wakes = new WakeTimes();
    private final Starting starting;
    private final Refusals refusals;
    private final SleepOrders sleepOrders;
    private final GatewayView view;
    private final LoadLog load;
    private final TrafficLog traffic;
    private final GatewayMetrics metrics;
    private final Clock clock;
    private final OpenRequests open = new OpenRequests();
    private final ArrayDeque<Effect> effects = new ArrayDeque<>();
    private boolean applying;
    private long lastId;

    Dispatcher(HoldLimits limits, int gateways, DemandWriter writer, SleepWriter sleepWriter, SidecarWatches sidecars,
            LoadLog load,
            TrafficLog traffic, Clock clock, Executor loop) {
        this.core = new HoldCore(limits);
        core.gateways(gateways);
        this.demands = new DemandPump(writer, routes, model -> core.waiting(model) > 0, this::waitingTrace, clock,
                loop);
        this.outlook = new WakeOutlook(routes, health, wakes, clock);
        this.starting = new Starting(core, routes, health, sidecars, wakes, outlook, open, this::sidecarSaid);
        this.sleepOrders = new SleepOrders(routes, open, sleepWriter, clock, loop);
        this.refusals = new Refusals(core, outlook, clock);
        this.load = load;
        this.traffic = traffic;
        this.metrics = new GatewayMetrics(core);
        this.clock = clock;
        this.view = new GatewayView(core, routes, health, outlook, open, load, traffic, metrics, clock);
    }

    // What clients do.

    /** An id for one request, under which it arrives and ends. */
    long nextId() {
        return ++lastId;
    }

    /** A request came. The ticket may be called before this returns. */
    void arrived(long id, Arrival arrival, Ticket ticket) {
        ModelRoute model = arrival.model();
        Instant now = clock.instant();
        boolean awake = core.hasReplica(model.key());
        if (!awake && arrival.quiet()) {
            ticket.rejected(OpenAiError.asleep(model.key()));
            return;
        }
        if (!awake && model.state().stalled()) {
            ticket.rejected(OpenAiError.stalled(model.key(), outlook.why(model.key())));
            return;
        }
        open.add(id, ticket, arrival);
        if (!arrival.quiet()) {
            load.arrived(model.key(), now);
        }
        apply(core.arrived(held(id, arrival, now)));
    }

    private HeldRequest held(long id, Arrival arrival, Instant now) {
        ModelRoute model = arrival.model();
        Duration timeout = model.admission().queueTimeout();
        Optional<Duration> patience = arrival.wishes().patience();
        Duration longest = patience.filter(shorter -> shorter.compareTo(timeout) < 0).orElse(timeout);
        boolean tooLong = patience
                .flatMap(own -> outlook.remaining(model.key()).filter(wake -> wake.compareTo(own) > 0))
                .isPresent();
        boolean mayWait = model.admission().coldStart() != ModelRoute.ColdStart.Reject && !tooLong;
        return new HeldRequest(id, model.key(), model.admission().priority() + arrival.wishes().priority(), now,
                now.plus(longest), arrival.bytes(), mayWait, arrival.affinity());
    }

    /** A granted request ended, or a client went away; nothing happens if the request has ended already. */
    void ended(long id) {
        open.remove(id).ifPresent(gone -> {
            logEnd(gone);
            apply(core.cancelled(id));
        });
    }

    private void logEnd(Open gone) {
        if (!gone.arrival().quiet()) {
            load.ended(gone.model(), clock.instant());
        }
    }

    /** A request for a known model was answered. */
    void finished(RequestTrace trace, int status, Duration took) {
        metrics.finished(trace, status, took);
        traffic.finished(trace, status, took);
    }

    /** A request was, or was not, answered from memory. */
    void cached(ModelKey model, boolean hit) {
        metrics.cached(model, hit);
        if (hit) {
            traffic.cached(model);
        }
    }

    /** A request that named no model there is was answered. */
    void refused(int status) {
        metrics.refused(status);
        traffic.unknown();
    }

    private Optional<String> waitingTrace(ModelKey model) {
        return core.next(model).flatMap(held -> open.find(held.id())).flatMap(here -> here.ticket().traceparent());
    }

    /** A granted request never reached this pod: it waits again. */
    void unreachable(long id, PodRoute pod) {
        health.unreachable(pod.uid(), clock.instant());
        if (open.find(id).isPresent()) {
            apply(core.returned(id));
        }
        refresh(pod.model());
    }

    /** How a replica answered: a failure of the engine's own, again and again, is no reason to ask it more. */
    void answered(PodRoute pod, boolean well) {
        int limit = routes.model(pod.model()).map(model -> model.traffic().ejectAfterFailures()).orElse(1);
        if (health.answered(pod, well, limit, clock.instant())) {
            refresh(pod.model());
        }
    }

    // What the cluster does.

    void modelSeen(ModelRoute model) {
        if (routes.model(model.key()).filter(before -> !before.traffic().equals(model.traffic())).isPresent()) {
            health.forget(model.key());
        }
        boolean toSleep = sleepOrders.seen(routes.model(model.key()), model);
        routes.put(model);
        apply(core.model(model.key(), model.admission().limits(), model.traffic().strategy()));
        if (toSleep) {
            apply(core.unloaded(model.key(), model.presentWake()));
        }
        model.failedWake().ifPresent(wake -> {
            wakes.abandoned(model.key());
            apply(core.wakeFailed(model.key(), wake, clock.instant()));
        });
        demands.pump();
    }

    void modelGone(ModelKey model) {
        // The table still knows it, so that the waiters are told its name.
        apply(core.removed(model));
        routes.remove(model);
        wakes.forget(model);
        metrics.forget(model);
        traffic.forget(model);
        health.forget(model);
        refresh(model);
    }

    void podSeen(PodRoute pod) {
        routes.put(pod);
        health.seen(pod);
        refresh(pod.model());
    }

    void podGone(String uid) {
        health.gone(uid);
        starting.forget(uid);
        routes.removePod(uid).ifPresent(pod -> refresh(pod.model()));
    }

    void gatewaysSeen(int ready) {
        core.gateways(Math.max(1, ready));
    }

    void synced() {
        load.synced(clock.instant());
        LOG.info("the gateway knows the cluster");
    }

    private void sidecarSaid(PodRoute pod, SidecarStatus status) {
        if (health.said(pod.uid(), status)) {
            refresh(pod.model());
        }
    }

    // What time does.

    /** To be called every few tens of milliseconds. */
    void tick() {
        Instant now = clock.instant();
        apply(core.tick(now));
        for (String uid : health.forgive(now)) {
            routes.pod(uid).ifPresent(pod -> refresh(pod.model()));
        }
        starting.tick(now);
        sleepOrders.tick(now);
        demands.pump();
    }

    // What follows from it.

    /** Tells the core which pods of the model may be given requests, and follows those that may soon. */
    private void refresh(ModelKey model) {
        List<PodRoute> routable = health.admitted(model,
                routes.pods(model).stream().filter(health::routable).toList(), clock.instant());
        if (!routable.isEmpty()) {
            wakes.awake(model, clock.instant());
        }
        apply(core.weightedReplicas(model,
                routable.stream().collect(Collectors.toMap(PodRoute::uid, PodRoute::weight))));
        starting.follow(model);
    }

    /** One effect may cause others while it is carried out; they take their turn. */
    private void apply(List<Effect> caused) {
        effects.addAll(caused);
        if (applying) {
            return;
        }
        applying = true;
        try {
            for (Effect next = effects.poll(); next != null; next = effects.poll()) {
                carryOut(next);
            }
        } finally {
            applying = false;
        }
    }

    private void carryOut(Effect effect) {
        switch (effect) {
            case Effect.Grant grant -> grant(grant);
            case Effect.Reject reject -> reject(reject);
            case Effect.Demand demand -> demand(demand.model());
        }
    }

    private void grant(Effect.Grant grant) {
        // Absent if its client left while the effect waited for its turn; the core has been told.
        open.find(grant.request())
                .ifPresent(request -> routes.pod(grant.pod())
                        .ifPresentOrElse(request.ticket()::granted, () -> apply(core.returned(grant.request()))));
    }

    private void reject(Effect.Reject reject) {
        open.remove(reject.request()).ifPresent(request -> {
            logEnd(request);
            request.ticket().rejected(refusals.error(reject.reason(), request.arrival().model()));
        });
    }

    private void demand(ModelKey model) {
        metrics.wake(model);
        wakes.demanded(model, clock.instant());
        demands.wanted(model);
        starting.follow(model);
    }

    // What others ask.

    RouteTable routes() {
        return routes;
    }

    boolean knowsTheCluster() {
        return view.knowsTheCluster();
    }

    GatewayView view() {
        return view;
    }

    /** Whether a replica of the model answers. */
    boolean awake(ModelKey model) {
        return core.hasReplica(model);
    }

    WakeOutlook outlook() {
        return outlook;
    }

    Instant now() {
        return clock.instant();
    }

    GatewayMetrics metrics() {
        return metrics;
    }

    SleepOrders sleepOrders() {
        return sleepOrders;
    }

    /** Whether there was such a request. */
    boolean cancel(long id) {
        Optional<Open> request = open.find(id);
        request.ifPresent(here -> here.ticket().cancelled());
        return request.isPresent();
    }

    // How it ends.

    /** New requests are refused from here on; those that are here may finish. */
    void close() {
        core.close();
    }

    boolean idle() {
        return core.idle();
    }

    /** Whoever still waits is told to go elsewhere. */
    void abandon() {
        apply(core.abandon());
    }
}

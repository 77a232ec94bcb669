package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldCore;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.gateway.load.GatewayMetrics;
import dev.dormouse.gateway.load.LoadLog;
import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.route.ReplicaHealth;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.DemandWriter;
import dev.dormouse.gateway.wake.WakeTimes;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
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
    /** Waiters are told so often how far the wake is. */
    private static final Duration NEWS = Duration.ofSeconds(1);

    /** A request that waits for a decision, or runs. */
    interface Ticket {
        /** Go to this replica. */
        void granted(PodRoute pod);

        /** Still held; told about every second. @param position in the model's queue; 1 is next */
        void waiting(Progress progress, int position);

        /** End with this error. */
        void rejected(OpenAiError error);

        /** Somebody else wants it ended, wherever it is. */
        void cancelled();

        RequestTrace trace();
    }

    /** A request that is here. @param position in its model's queue, while it waits; 1 is next */
    record Carried(long id, RequestTrace trace, OptionalInt position) {}

    /** One model that is awake or wanted. */
    record Overview(ModelKey key, int replicas, int serving, int waiting, int limit, String phase) {}

    private record Open(Ticket ticket, Arrival arrival) {

        ModelKey model() {
            return arrival.model().key();
        }
    }

    private final HoldCore core;
    private final RouteTable routes = new RouteTable();
    private final ReplicaHealth health = new ReplicaHealth();
    private final DemandPump demands;
    private final WakeOutlook outlook;
    private final WakeTimes wakes = new WakeTimes();
    private final SidecarWatches sidecars;
    private final LoadLog load;
    private final GatewayMetrics metrics;
    private final Clock clock;
    private final Map<Long, Open> open = new HashMap<>();
    private final Set<ModelKey> followed = new HashSet<>();
    private final ArrayDeque<Effect> effects = new ArrayDeque<>();
    private Instant nextNews = Instant.MIN;
    private boolean applying;
    private long lastId;

    Dispatcher(HoldLimits limits, int gateways, DemandWriter writer, SidecarWatches sidecars, LoadLog load, Clock clock,
            Executor loop) {
        this.core = new HoldCore(limits);
        core.gateways(gateways);
        this.demands = new DemandPump(writer, routes, model -> core.waiting(model) > 0, clock, loop);
        this.outlook = new WakeOutlook(routes, health, wakes, clock);
        this.sidecars = sidecars;
        this.load = load;
        this.metrics = new GatewayMetrics(core);
        this.clock = clock;
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
        open.put(id, new Open(ticket, arrival));
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
        Open gone = open.remove(id);
        if (gone != null) {
            logEnd(gone);
            apply(core.cancelled(id));
        }
    }

    private void logEnd(Open gone) {
        if (!gone.arrival.quiet()) {
            load.ended(gone.model(), clock.instant());
        }
    }

    /** A granted request never reached this pod: it waits again. */
    void unreachable(long id, PodRoute pod) {
        health.unreachable(pod.uid(), clock.instant());
        if (open.containsKey(id)) {
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
        routes.put(model);
        apply(core.model(model.key(), model.admission().limits(), model.traffic().strategy()));
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
        sidecars.forget(uid);
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
        for (ModelKey model : List.copyOf(followed)) {
            follow(model);
        }
        if (!now.isBefore(nextNews)) {
            nextNews = now.plus(NEWS);
            List.copyOf(followed).forEach(this::tellWaiters);
        }
        demands.pump();
    }

    /** L33, L59. */
    private void tellWaiters(ModelKey model) {
        Progress progress = outlook.progress(model);
        int position = 0;
        for (HeldRequest held : core.queued(model)) {
            position++;
            Open request = open.get(held.id());
            if (request != null) {
                request.ticket.waiting(progress, position);
            }
        }
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
        follow(model);
    }

    private void follow(ModelKey model) {
        boolean anybodyWaits = core.waiting(model) > 0;
        for (PodRoute pod : routes.pods(model)) {
            if (anybodyWaits && health.starting(pod)) {
                sidecars.follow(pod, status -> sidecarSaid(pod, status));
            } else {
                sidecars.forget(pod.uid());
            }
        }
        if (anybodyWaits) {
            followed.add(model);
        } else if (followed.remove(model) && !core.hasReplica(model)) {
            wakes.abandoned(model);
        }
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
        Open request = open.get(grant.request());
        if (request == null) {
            return; // Its client left while the effect waited for its turn; the core has been told.
        }
        Optional<PodRoute> pod = routes.pod(grant.pod());
        if (pod.isPresent()) {
            request.ticket.granted(pod.get());
        } else {
            apply(core.returned(grant.request()));
        }
    }

    private void reject(Effect.Reject reject) {
        Open request = open.remove(reject.request());
        if (request != null) {
            logEnd(request);
            request.ticket.rejected(error(reject.reason(), request.arrival.model()));
        }
    }

    private OpenAiError error(Effect.Reason reason, ModelRoute asArrived) {
        ModelKey key = asArrived.key();
        return switch (reason) {
            case UnknownModel -> OpenAiError.unknownModel(asArrived.clientName());
            case OverLimit -> OpenAiError.overLimit(key, core.limit(key));
            case QueueFull -> OpenAiError.queueFull(key, seconds(outlook.remaining(key)));
            case Waking -> OpenAiError.waking(key, seconds(outlook.remaining(key)));
            case WakeFailed -> OpenAiError.wakeFailed(key, outlook.why(key), seconds(
                    core.retryAt(key).map(at -> Duration.between(clock.instant(), at))));
            case Unloaded -> OpenAiError.unloaded(key);
            case ShuttingDown -> OpenAiError.shuttingDown();
            case DeadlineExceeded -> OpenAiError.wakeTimeout(key, asArrived.admission().queueTimeout().toSeconds(),
                    outlook.why(key));
        };
    }

    /** Whole seconds, rounded up; at least 1. */
    private static OptionalInt seconds(Optional<Duration> time) {
        return time.isEmpty()
                ? OptionalInt.empty()
                : OptionalInt.of((int) Math.max(1, (time.get().toMillis() + 999) / 1000));
    }

    private void demand(ModelKey model) {
        metrics.wake(model);
        wakes.demanded(model, clock.instant());
        demands.wanted(model);
        follow(model);
    }

    // What others ask.

    RouteTable routes() {
        return routes;
    }

    boolean knowsTheCluster() {
        return load.syncedAt().isPresent();
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

    DemandReport report() {
        return load.report(core, routes.draining(), clock.instant());
    }

    String metricsText() {
        return metrics.text();
    }

    GatewayMetrics metrics() {
        return metrics;
    }

    /** Every request that is here, those that wait in the order in which they will go. */
    List<Carried> carried() {
        Map<Long, Integer> positions = new HashMap<>();
        for (ModelKey model : followed) {
            int position = 0;
            for (HeldRequest held : core.queued(model)) {
                position++;
                positions.put(held.id(), position);
            }
        }
        return open.entrySet()
                .stream()
                .map(each -> new Carried(each.getKey(), each.getValue().ticket.trace(),
                        positions.containsKey(each.getKey())
                                ? OptionalInt.of(positions.getOrDefault(each.getKey(), 0))
                                : OptionalInt.empty()))
                .sorted(Comparator.comparing((Carried each) -> each.position().orElse(0)).thenComparing(Carried::id))
                .toList();
    }

    /** Whether there was such a request. */
    boolean cancel(long id) {
        Open request = open.get(id);
        if (request != null) {
            request.ticket.cancelled();
        }
        return request != null;
    }

    List<Overview> overview() {
        return routes.listing()
                .map(entry -> entry.getValue())
                .filter(model -> core.hasReplica(model.key()) || core.waiting(model.key()) > 0
                        || core.serving(model.key()) > 0)
                .map(model -> new Overview(model.key(), (int) routes.pods(model.key())
                        .stream()
                        .filter(health::routable)
                        .count(), core.serving(model.key()), core.waiting(model.key()), core.limit(model.key()),
                        core.hasReplica(model.key()) ? "Ready" : outlook.progress(model.key()).phase()))
                .toList();
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

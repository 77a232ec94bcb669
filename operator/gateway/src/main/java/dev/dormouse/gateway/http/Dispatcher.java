package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldCore;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.gateway.load.GatewayMetrics;
import dev.dormouse.gateway.load.LoadLog;
import dev.dormouse.gateway.route.ClusterListener;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.DemandSchedule;
import dev.dormouse.gateway.wake.DemandWriter;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries out what the {@link HoldCore} decides: brings it every event, hands its effects to the requests, writes
 * demands, follows the sidecars of starting pods while somebody waits for them.
 *
 * <p>Owned by the event loop: every method must be called there.
 */
final class Dispatcher implements ClusterListener {
    private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);
    /** A replica that refused a connection is offered nothing for so long. */
    private static final Duration SUSPICION = Duration.ofSeconds(1);

    /** A request that waits for a decision, or runs. */
    interface Ticket {
        /** Go to this replica. */
        void granted(PodRoute pod);

        /** End with this error. */
        void rejected(OpenAiError error);
    }

    private record Open(Ticket ticket, ModelRoute model) {}

    /** What is known of a pod beyond the cluster's word. */
    private static final class Knowledge {
        /** Its sidecar said Ready before the cluster did. */
        private boolean warm;
        private Instant suspectUntil = Instant.MIN;
        private Optional<String> rung = Optional.empty();
    }

    private final HoldCore core;
    private final RouteTable routes = new RouteTable();
    private final DemandSchedule demands = new DemandSchedule();
    private final DemandWriter writer;
    private final SidecarWatches sidecars;
    private final LoadLog load;
    private final GatewayMetrics metrics;
    private final Clock clock;
    private final Executor loop;
    private final Map<Long, Open> open = new HashMap<>();
    private final Map<String, Knowledge> pods = new HashMap<>();
    private final Set<ModelKey> followed = new HashSet<>();
    private final ArrayDeque<Effect> effects = new ArrayDeque<>();
    private boolean applying;
    private long lastId;

    Dispatcher(HoldLimits limits, int gateways, DemandWriter writer, SidecarWatches sidecars, LoadLog load,
            GatewayMetrics metrics,
            Clock clock, Executor loop) {
        this.core = new HoldCore(limits);
        core.gateways(gateways);
        this.writer = writer;
        this.sidecars = sidecars;
        this.load = load;
        this.metrics = metrics;
        this.clock = clock;
        this.loop = loop;
    }

    // What clients do.

    /** An id for one request, under which it arrives and ends. */
    long nextId() {
        return ++lastId;
    }

    /**
     * A request came. The ticket may be called before this returns.
     *
     * @param bytes kept in memory while it waits
     */
    void arrived(long id, ModelRoute model, int bytes, Ticket ticket) {
        Instant now = clock.instant();
        open.put(id, new Open(ticket, model));
        load.arrived(model.key(), now);
        apply(core.arrived(
                new HeldRequest(id, model.key(), model.priority(), now, now.plus(model.queueTimeout()), bytes)));
    }

    /** A granted request ended, or a client went away; nothing happens if the request has ended already. */
    void ended(long id) {
        Open gone = open.remove(id);
        if (gone != null) {
            load.ended(gone.model.key(), clock.instant());
            apply(core.cancelled(id));
        }
    }

    /** A granted request never reached this pod: it waits again. */
    void unreachable(long id, PodRoute pod) {
        Knowledge knowledge = pods.get(pod.uid());
        if (knowledge != null) {
            knowledge.warm = false;
            knowledge.suspectUntil = clock.instant().plus(SUSPICION);
        }
        if (open.containsKey(id)) {
            apply(core.returned(id));
        }
        refresh(pod.model());
    }

    // What the cluster does.

    @Override
    public void modelSeen(ModelRoute model) {
        routes.put(model);
        apply(core.model(model.key(), ModelLimits.ofConcurrency(model.concurrencyLimit())));
        pump();
    }

    @Override
    public void modelGone(ModelKey model) {
        // The table still knows it, so that the waiters are told its name.
        apply(core.removed(model));
        routes.remove(model);
        refresh(model);
    }

    @Override
    public void podSeen(PodRoute pod) {
        routes.put(pod);
        Knowledge knowledge = pods.computeIfAbsent(pod.uid(), uid -> new Knowledge());
        if (pod.ready()) {
            // From here on the cluster knows better: an engine that dies later is not warm any more.
            knowledge.warm = false;
        }
        refresh(pod.model());
    }

    @Override
    public void podGone(String uid) {
        pods.remove(uid);
        sidecars.forget(uid);
        routes.removePod(uid).ifPresent(pod -> refresh(pod.model()));
    }

    @Override
    public void synced() {
        load.synced(clock.instant());
        LOG.info("the gateway knows the cluster");
    }

    private void sidecarSaid(PodRoute pod, SidecarStatus status) {
        Knowledge knowledge = pods.get(pod.uid());
        if (knowledge == null) {
            return;
        }
        knowledge.rung = Optional.of(status.rung().name());
        if (status.phase() == ReplicaPhase.Ready && !knowledge.warm) {
            knowledge.warm = true;
            refresh(pod.model());
        }
    }

    // What time does.

    /** To be called every few tens of milliseconds. */
    void tick() {
        Instant now = clock.instant();
        apply(core.tick(now));
        for (PodRoute pod : endedSuspicions(now)) {
            refresh(pod.model());
        }
        for (ModelKey model : List.copyOf(followed)) {
            follow(model);
        }
        pump();
    }

    private List<PodRoute> endedSuspicions(Instant now) {
        return pods.entrySet()
                .stream()
                .filter(pod -> endSuspicion(pod.getValue(), now))
                .flatMap(
                        pod -> routes.pod(pod.getKey()).stream())
                .toList();
    }

    private static boolean endSuspicion(Knowledge pod, Instant now) {
        if (pod.suspectUntil.equals(Instant.MIN) || now.isBefore(pod.suspectUntil)) {
            return false;
        }
        pod.suspectUntil = Instant.MIN;
        return true;
    }

    // What follows from it.

    /** Tells the core which pods of the model may be given requests, and follows those that may soon. */
    private void refresh(ModelKey model) {
        List<String> routable = routes.pods(model).stream().filter(this::routable).map(PodRoute::uid).toList();
        apply(core.replicas(model, routable));
        follow(model);
    }

    private boolean routable(PodRoute pod) {
        Knowledge knowledge = pods.get(pod.uid());
        return pod.open() && knowledge != null && (pod.ready() || knowledge.warm)
                && knowledge.suspectUntil.equals(Instant.MIN);
    }

    private void follow(ModelKey model) {
        boolean anybodyWaits = core.waiting(model) > 0;
        for (PodRoute pod : routes.pods(model)) {
            Knowledge knowledge = pods.get(pod.uid());
            boolean starting = pod.open() && !pod.ready() && knowledge != null && !knowledge.warm;
            if (anybodyWaits && starting) {
                sidecars.follow(pod, status -> sidecarSaid(pod, status));
            } else {
                sidecars.forget(pod.uid());
            }
        }
        if (anybodyWaits) {
            followed.add(model);
        } else {
            followed.remove(model);
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
            load.ended(request.model.key(), clock.instant());
            request.ticket.rejected(error(reject.reason(), request.model));
        }
    }

    private OpenAiError error(Effect.Reason reason, ModelRoute asArrived) {
        ModelKey key = asArrived.key();
        return switch (reason) {
            case UnknownModel -> OpenAiError.unknownModel(asArrived.clientName());
            case OverLimit -> OpenAiError.overLimit(key, core.limit(key));
            case QueueFull -> OpenAiError.queueFull(key);
            case WakeFailed -> OpenAiError.wakeFailed(key, why(key), retryAfterSeconds(key));
            case Unloaded -> OpenAiError.unloaded(key);
            case ShuttingDown -> OpenAiError.shuttingDown();
            case DeadlineExceeded -> OpenAiError.wakeTimeout(key, asArrived.queueTimeout().toSeconds(), why(key));
        };
    }

    private String why(ModelKey key) {
        return routes.model(key)
                .flatMap(ModelRoute::problem)
                .map(problem -> problem.reason() + ": " + problem.message())
                .orElse("It is still waking; kubectl describe im " + key.name() + " -n " + key.namespace()
                        + " tells how far it is.");
    }

    private int retryAfterSeconds(ModelKey key) {
        Instant now = clock.instant();
        long millis = core.retryAt(key).map(at -> Duration.between(now, at).toMillis()).orElse(0L);
        return (int) Math.max(1, (millis + 999) / 1000);
    }

    private void demand(ModelKey model) {
        metrics.wake();
        demands.wanted(model, clock.instant());
        pump();
        follow(model);
    }

    /** Writes the demands that are due. */
    private void pump() {
        Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
        for (ModelKey model : demands.due(now, key -> core.waiting(key) > 0, this::answered)) {
            writer.write(model, now).whenComplete((done, error) -> loop.execute(() -> demanded(model, error)));
        }
    }

    private boolean answered(ModelKey model, Instant demandedAt) {
        return routes.model(model)
                .flatMap(ModelRoute::activation)
                .filter(activation -> activation.answers(demandedAt))
                .isPresent();
    }

    private void demanded(ModelKey model, @Nullable Throwable error) {
        if (error == null) {
            demands.written(model, clock.instant());
        } else {
            LOG.warn("the demand for {} could not be written; trying again: {}", model, error.getMessage());
            demands.failed(model, clock.instant());
        }
    }

    // What others ask.

    RouteTable routes() {
        return routes;
    }

    boolean knowsTheCluster() {
        return load.syncedAt().isPresent();
    }

    /** The rung from which the pod's wake started, as far as anybody said. */
    Optional<String> rung(PodRoute pod) {
        Knowledge knowledge = pods.get(pod.uid());
        Optional<String> own = knowledge == null ? Optional.empty() : knowledge.rung;
        return own.or(() -> routes.model(pod.model()).flatMap(ModelRoute::lastWakeRung));
    }

    Instant now() {
        return clock.instant();
    }

    DemandReport report() {
        return load.report(core, routes.draining(), clock.instant());
    }

    String metricsText() {
        return metrics.text(core);
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

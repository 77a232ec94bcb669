package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldCore;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.gateway.http.ErrorBody.Problem;
import dev.dormouse.gateway.route.ClusterView;
import dev.dormouse.gateway.route.Endpoint;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.route.ServedModel;
import dev.dormouse.gateway.route.WakeIntent;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.PoolOptions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Requests between clients and replicas: asks {@link HoldCore} and does what it says. Everything here runs on one event
 * loop, which owns all state.
 */
public final class DataPlane implements ClusterView {
    private static final Logger LOG = LoggerFactory.getLogger(DataPlane.class);
    private static final long TICK_MILLIS = 100;
    private static final Duration RENEW = Duration.ofSeconds(5);
    private static final Duration RETRY_DEMAND = Duration.ofMillis(250);
    private static final long SUSPECT_MILLIS = 500;

    private final Vertx vertx;
    private final String name;
    private final WakeIntent intent;
    private final Clock clock;
    private final String instance = UUID.randomUUID().toString();
    private final RouteTable routes = new RouteTable();
    private final HoldCore core;
    private final HttpClient upstream;
    private final SidecarFollower follower;
    private final TrafficLog traffic = new TrafficLog();
    private final Map<String, Endpoint> endpoints = new LinkedHashMap<>();
    private final Map<ModelKey, Set<String>> endpointsOf = new HashMap<>();
    private final Set<String> warm = new HashSet<>();
    private final Set<String> suspect = new HashSet<>();
    private final Map<Long, ClientRequest> requests = new HashMap<>();
    private final Map<ModelKey, Instant> demandedAt = new HashMap<>();
    private final Map<Integer, Long> answers = new TreeMap<>();
    private long wakes;
    private long waitMicros;
    private long waited;
    private long nextId;
    private @Nullable Instant syncedAt;
    private boolean draining;

    /** @param name of this gateway, for the operator */
    public DataPlane(Vertx vertx, String name, HoldLimits limits, WakeIntent intent, Clock clock) {
        this.vertx = vertx;
        this.name = name;
        this.intent = intent;
        this.clock = clock;
        this.core = new HoldCore(limits);
        this.upstream = vertx.createHttpClient(
                new HttpClientOptions().setKeepAliveTimeout(30)
                        .setConnectTimeout(2000)
                        .setDecompressionSupported(false),
                new PoolOptions().setHttp1MaxSize(1024).setMaxWaitQueueSize(-1));
        this.follower = new SidecarFollower(vertx, upstream, this::sidecarSays);
        vertx.setPeriodic(TICK_MILLIS, timer -> tick());
    }

    // ---- what the cluster says

    /** The caches are filled: from here on what is unknown does not exist. */
    public void synced() {
        syncedAt = clock.instant();
    }

    public boolean ready() {
        return syncedAt != null && !draining;
    }

    @Override
    public void model(ServedModel model) {
        routes.put(model);
        perform(core.model(model.key(), new ModelLimits(model.concurrencyLimit())));
        if (model.awakeSince().isPresent() && core.waiting(model.key()) > 0) {
            followStarting(model.key());
        }
    }

    @Override
    public void modelGone(ModelKey key) {
        perform(core.removed(key));
        routes.remove(key);
        demandedAt.remove(key);
    }

    @Override
    public void endpoint(Endpoint endpoint) {
        endpoints.put(endpoint.uid(), endpoint);
        endpointsOf.computeIfAbsent(endpoint.model(), first -> new LinkedHashSet<>()).add(endpoint.uid());
        if (endpoint.ready()) {
            warm.add(endpoint.uid());
            follower.forget(endpoint.uid());
        } else if (core.waiting(endpoint.model()) > 0) {
            follower.follow(endpoint);
        }
        offer(endpoint.model());
    }

    @Override
    public void endpointGone(String uid) {
        Endpoint gone = endpoints.remove(uid);
        warm.remove(uid);
        suspect.remove(uid);
        follower.forget(uid);
        if (gone != null) {
            Set<String> siblings = endpointsOf.getOrDefault(gone.model(), new LinkedHashSet<>());
            siblings.remove(uid);
            if (siblings.isEmpty()) {
                endpointsOf.remove(gone.model());
            }
            offer(gone.model());
        }
    }

    private void sidecarSays(String uid, SidecarStatus status) {
        Endpoint endpoint = endpoints.get(uid);
        if (endpoint == null) {
            return;
        }
        boolean changed = status.phase() == ReplicaPhase.Ready ? warm.add(uid) : !endpoint.ready() && warm.remove(uid);
        if (changed) {
            offer(endpoint.model());
        }
    }

    private void offer(ModelKey model) {
        List<String> usable = endpointsOf.getOrDefault(model, Set.of())
                .stream()
                .filter(uid -> warm.contains(uid) && !suspect.contains(uid))
                .filter(uid -> !java.util.Objects.requireNonNull(endpoints.get(uid)).leaving())
                .toList();
        perform(core.replicas(model, usable));
    }

    private void followStarting(ModelKey model) {
        for (String uid : endpointsOf.getOrDefault(model, Set.of())) {
            Endpoint endpoint = java.util.Objects.requireNonNull(endpoints.get(uid));
            if (!endpoint.leaving() && !warm.contains(uid)) {
                follower.follow(endpoint);
            }
        }
    }

    // ---- what clients want

    RouteTable routes() {
        return routes;
    }

    long nextId() {
        return ++nextId;
    }

    Instant now() {
        return clock.instant();
    }

    /** Its body is paused and its close handler calls {@link #clientGone}. */
    void admit(ClientRequest request) {
        requests.put(request.id, request);
        traffic.arrived(request.model.key(), request.arrivedAt);
        perform(core
                .arrived(new HeldRequest(request.id, request.model.key(), request.model.priority(), request.arrivedAt,
                        request.arrivedAt.plus(request.model.queueTimeout()))));
        request.waited = !request.done && request.upstream == null && core.waiting(request.model.key()) > 0;
        if (request.waited) {
            followStarting(request.model.key());
        }
    }

    /** The client hung up before it had its answer. */
    void clientGone(ClientRequest request) {
        if (request.done) {
            return;
        }
        request.done = true;
        if (request.upstream != null) {
            request.upstream.reset();
        }
        requests.remove(request.id);
        traffic.ended(request.model.key(), clock.instant());
        perform(core.cancelled(request.id));
    }

    /** The answer is out, or broken off. */
    void ended(ClientRequest request, int status) {
        if (request.done) {
            return;
        }
        request.done = true;
        answers.merge(status, 1L, Long::sum);
        requests.remove(request.id);
        traffic.ended(request.model.key(), clock.instant());
        perform(core.served(request.id));
    }

    /** The replica could not be reached and has seen nothing of the request. */
    void unreachable(ClientRequest request, String pod) {
        request.upstream = null;
        suspect.add(pod);
        vertx.setTimer(SUSPECT_MILLIS, timer -> {
            Endpoint endpoint = endpoints.get(pod);
            if (suspect.remove(pod) && endpoint != null) {
                offer(endpoint.model());
            }
        });
        request.waited = true;
        perform(core.returned(request.id));
    }

    private void perform(List<Effect> effects) {
        for (Effect effect : effects) {
            switch (effect) {
                case Effect.Grant grant -> forward(grant);
                case Effect.Reject reject -> reject(reject);
                case Effect.Demand demand -> demand(demand.model());
            }
        }
    }

    private void forward(Effect.Grant grant) {
        ClientRequest request = java.util.Objects.requireNonNull(requests.get(grant.request()));
        Endpoint endpoint = java.util.Objects.requireNonNull(endpoints.get(grant.pod()));
        if (request.waited) {
            waited++;
            waitMicros += Duration.between(request.arrivedAt, clock.instant()).toNanos() / 1000;
        }
        new Forwarding(this, upstream, request, endpoint).start();
    }

    /** For {@code X-Dormouse-Wake}: from which rung this replica came, and how long the request waited. */
    String wakeHeader(ClientRequest request, Endpoint endpoint) {
        SidecarStatus status = follower.last(endpoint.uid());
        double seconds = Duration.between(request.arrivedAt, clock.instant()).toMillis() / 1e3;
        return (status == null ? "Resident" : status.rung()) + ";waited=" + seconds;
    }

    private void reject(Effect.Reject reject) {
        ClientRequest request = requests.remove(reject.request());
        if (request == null || request.done) {
            return;
        }
        request.done = true;
        Problem problem = problem(request, reject.reason());
        answers.merge(problem.status(), 1L, Long::sum);
        traffic.ended(request.model.key(), clock.instant());
        ErrorBody.send(request.request.response(), problem);
        request.request.resume(); // what is left of the body is read and dropped, so that the connection can be used again
    }

    private Problem problem(ClientRequest request, Effect.Reason reason) {
        String name = request.model.clientName();
        return switch (reason) {
            case UnknownModel -> Problem.unknown(name);
            case OverLimit -> new Problem(429, "rate_limit_error", "concurrency_limit",
                    name + " has all the requests it may ("
                            + request.model.concurrencyLimit()
                            + " per ready replica, waiting ones included); try again",
                    1);
            case QueueFull ->
                new Problem(503, "server_error", "queue_full", "too many requests wait for models to wake", 2);
            case ShuttingDown ->
                new Problem(503, "server_error", "shutting_down", "this gateway is ending; try again", 1);
            case DeadlineExceeded -> new Problem(504, "server_error", "wake_timeout", name + " was not awake within "
                    + request.model.queueTimeout().toSeconds() + " s"
                    + routes.get(request.model.key()).flatMap(ServedModel::trouble).map(why -> ": " + why).orElse(""),
                    0);
        };
    }

    // ---- waking

    private void demand(ModelKey model) {
        Instant at = clock.instant();
        demandedAt.put(model, at);
        wakes++;
        write(model, at);
    }

    private void write(ModelKey model, Instant at) {
        intent.demand(model, at).whenComplete((done, failure) -> vertx.runOnContext(back -> {
            if (failure != null && at.equals(demandedAt.get(model))) {
                LOG.atWarn()
                        .setMessage("the wake intent could not be written; trying again")
                        .addKeyValue("model", model)
                        .addKeyValue("cause", failure.getMessage())
                        .log();
                demandedAt.put(model, at.minus(RENEW).plus(RETRY_DEMAND));
            }
        }));
    }

    private void tick() {
        Instant now = clock.instant();
        perform(core.tick(now));
        for (Map.Entry<ModelKey, Instant> entry : List.copyOf(demandedAt.entrySet())) {
            ModelKey model = entry.getKey();
            if (core.waiting(model) == 0) {
                demandedAt.remove(model);
            } else if (!now.isBefore(entry.getValue().plus(RENEW)) && !awake(model)) {
                demandedAt.put(model, now);
                write(model, now);
            }
        }
    }

    /** An activation runs: the operator knows already. */
    private boolean awake(ModelKey model) {
        return routes.get(model).flatMap(ServedModel::awakeSince).isPresent();
    }

    // ---- the end

    /** New requests are refused from here on; held ones and those at replicas go on. */
    public void drain() {
        draining = true;
        core.close();
    }

    boolean draining() {
        return draining;
    }

    public boolean idle() {
        return core.idle() && requests.isEmpty();
    }

    /** The time to finish is over. */
    public void abandon() {
        perform(core.abandon());
    }

    // ---- what the operator and scrapers ask

    DemandReport report() {
        Instant now = clock.instant();
        Set<ModelKey> mentioned = new LinkedHashSet<>();
        traffic.recent(now).forEach(mentioned::add);
        List<DemandReport.ModelDemand> models = new ArrayList<>();
        for (ModelKey key : mentioned) {
            int serving = core.serving(key);
            int waiting = core.waiting(key);
            long idle = serving + waiting > 0 ? 0 : traffic.sinceLastEnd(key, now).toMillis();
            long oldest = core.oldestWaiting(key).map(at -> Duration.between(at, now).toMillis()).orElse(0L);
            List<DemandReport.PodLoad> pods = core.servingByPod(key)
                    .entrySet()
                    .stream()
                    .map(pod -> new DemandReport.PodLoad(pod.getKey(), pod.getValue()))
                    .toList();
            models.add(new DemandReport.ModelDemand(key.toString(), serving, waiting, traffic.ratePerSecond(key, now),
                    oldest,
                    idle, pods));
        }
        List<String> leaving = endpoints.values().stream().filter(Endpoint::leaving).map(Endpoint::uid).toList();
        Instant since = syncedAt;
        long uptime = since == null ? 0 : Duration.between(since, now).toMillis();
        return new DemandReport(name, instance, uptime, models, leaving);
    }

    String metrics() {
        StringBuilder text = new StringBuilder();
        text.append("dormouse_gateway_requests_waiting ").append(core.waitingInAll()).append('\n');
        text.append("dormouse_gateway_requests_serving ").append(core.servingInAll()).append('\n');
        text.append("dormouse_gateway_wakes_total ").append(wakes).append('\n');
        text.append("dormouse_gateway_wait_seconds_count ").append(waited).append('\n');
        text.append("dormouse_gateway_wait_seconds_sum ").append(waitMicros / 1e6).append('\n');
        answers.forEach((code, count) -> text.append("dormouse_gateway_answers_total{code=\"")
                .append(code)
                .append("\"} ")
                .append(count)
                .append('\n'));
        return text.toString();
    }
}

package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.replica.Backoff;
import dev.dormouse.domain.replica.ReplicaAction;
import dev.dormouse.domain.replica.ReplicaAction.Create;
import dev.dormouse.domain.replica.ReplicaAction.Delete;
import dev.dormouse.domain.replica.ReplicaAction.Drain;
import dev.dormouse.domain.replica.ReplicaPlan;
import dev.dormouse.domain.replica.ReplicaPlanner;
import dev.dormouse.domain.replica.Rollout;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.ActivationDecision;
import dev.dormouse.domain.scaling.ActivationDecision.Asleep;
import dev.dormouse.domain.scaling.ActivationDecision.Awake;
import dev.dormouse.domain.scaling.ActivationDecision.Sleep;
import dev.dormouse.domain.scaling.ActivationDecision.Wake;
import dev.dormouse.domain.scaling.ActivationRule;
import dev.dormouse.domain.scaling.ActivationRule.Watching;
import dev.dormouse.domain.scaling.Autoscaler;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.domain.scaling.ScaleAdvice;
import dev.dormouse.domain.warmup.Ladder;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.domain.warmup.WarmupRequest;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import dev.dormouse.operator.desired.PoolPlacement;
import dev.dormouse.operator.desired.ReplicaPod;
import dev.dormouse.operator.desired.SnapshotClaim;
import dev.dormouse.operator.desired.SnapshotKey;
import dev.dormouse.operator.log.LogKeys;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.operator.status.ModelEvent;
import dev.dormouse.operator.status.ModelStatusFactory;
import dev.dormouse.operator.status.ModelView;
import dev.dormouse.operator.status.ModelView.Rejection;
import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.operator.status.StatusReader;
import dev.dormouse.operator.warmup.WarmupQueue;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One reconcile of one model whose references are resolved: decide, record the decision in status, then act. The record
 * comes first, so that an operator that dies in between finds an open activation and goes on.
 */
final class ModelCycle {
    private static final Logger LOG = LoggerFactory.getLogger(ModelCycle.class);
    /** While awake, time itself changes things that no event tells: leases, back-off, a window of load. */
    private static final Duration AWAKE_RECHECK = Duration.ofSeconds(5);
    /** A slot is held no longer than a warmup may take, plus the time to start the containers. */
    static final Duration LEASE_SLACK = Duration.ofSeconds(120);

    private final Services services;
    private final Pods pods;
    private final InferenceModel model;
    private final InferenceModelSpec spec;
    private final ModelKey key;
    private final ModelMemory memory;
    private final ResolvedModel references;
    private final Resolved resolved;
    private final String template;
    private final List<ObservedReplica> observed;
    private final Set<String> claims;
    private final Ladder.Climb climb;
    private final Optional<GpuPool> pool;
    private final ModelStatus previous;
    private final Instant now;

    ModelCycle(Services services, InferenceModel model, ModelMemory memory, ResolvedModel references, Resolved resolved,
            String template, List<ObservedReplica> observed, Set<String> claims,
            Map<String, GpuPool> pools, Instant now) {
        this.services = services;

        this.model = model;
        this.spec = model.getSpec();
        this.key = new ModelKey(model.getMetadata().getNamespace(), model.getMetadata().getName());
        this.pods = new Pods(services.client(), key);
        this.memory = memory;
        this.references = references;
        this.resolved = resolved;
        this.template = template;
        this.observed = memory.reconsider(observed);
        this.claims = claims;
        this.climb = memory.climb(this.observed, template, Duration.ofSeconds(spec.warmup().deadlineSeconds()),
                resolved.snapshotClaim().isPresent());
        this.pool = spec.pool() == null ? Optional.empty() : Optional.ofNullable(pools.get(spec.pool()));
        this.previous = services.statuses().latest(model);
        this.now = now;
    }

    /** @return when to look again even if nothing happens; absent while the model sleeps */
    Optional<Instant> run() {
        List<Replica> replicas = observed.stream().map(ObservedReplica::replica).toList();
        Load load = services.gateways().load(key);
        InitialStart before = StatusReader.initialStart(model, previous);
        boolean triedAnew = before == InitialStart.Pending && previous.initialStart != null
                && previous.initialStart.state().equals(InitialStart.Failed.name());
        memory.backoff = (triedAnew ? Backoff.none(template) : memory.backoff).observe(replicas, template, now);
        InitialStart initialStart = before.next(replicas, memory.backoff.failures());

        ActivationDecision decision = ActivationRule.decide(new ActivationRule.Situation(ScalingSpec.policy(spec),
                StatusReader.demand(model).orElse(null), StatusReader.sleepRequest(model).orElse(null),
                lastActivation(), initialStart, load, replicas,
                Optional.of(new Watching(memory.since, Duration.ofSeconds(spec.scaling().stableWindowSeconds())))),
                now);
        Activation activation = activation(decision);
        Activation open = activation != null && activation.open() ? activation : null;
        ReplicaPlan plan = ReplicaPlanner.plan(
                new ReplicaPlanner.Situation(key.name(), model.getMetadata().getUid(), ScalingSpec.policy(spec), open,
                        template,
                        replicas,
                        load, advice(open, load, replicas), memory.backoff,
                        open == null ? Urgency.PreWarm : urgency(open, load), Rollout.valueOf(spec.rollout().name())),
                now);

        boolean mayCreate = references instanceof Resolved && memory.rejection(template, now).isEmpty();
        List<Create> admitted = admitted(plan, replicas, mayCreate);
        ModelView view = view(decision, activation, initialStart, plan);
        ModelStatus next = write(view);
        log(decision);
        services.gateways().setAwake(key, open != null || !replicas.isEmpty());
        act(plan, admitted, activation);
        yieldSlots();
        tell(next);
        if (memory.rejection(template, now).isPresent()) {
            tell(write(view(decision, activation, initialStart, plan)));
        }
        return recheckAt(decision, plan, open != null || !replicas.isEmpty());
    }

    private void log(ActivationDecision decision) {
        switch (decision) {
            case Wake wake -> LOG.atInfo()
                    .addKeyValue(LogKeys.MODEL, key)
                    .addKeyValue(LogKeys.REASON, wake.why())
                    .log("the model wakes");
            case Sleep sleep -> LOG.atInfo()
                    .addKeyValue(LogKeys.MODEL, key)
                    .addKeyValue(LogKeys.REASON, sleep.why())
                    .log("the model goes to sleep");
            case Awake _,Asleep _ -> {
            }
        }
    }

    private Optional<ScaleAdvice> advice(@Nullable Activation open, Load load, List<Replica> replicas) {
        if (open == null) {
            memory.autoscaler.forget();
            return Optional.empty();
        }
        Autoscaler.Settings settings = ScalingSpec.autoscaler(spec);
        memory.autoscaler.record(load, settings, now);
        int ready = (int) replicas.stream().filter(r -> r.phase() == Replica.Phase.Ready && !r.draining()).count();
        return memory.autoscaler.advise(ready, settings, now);
    }

    /** From status; if that was lost, a live pod proves that the model is awake. */
    private @Nullable Activation lastActivation() {
        Optional<Activation> written = StatusReader.activation(previous);
        if (written.isPresent()) {
            return written.get();
        }
        return observed.stream()
                .map(ObservedReplica::replica)
                .filter(r -> !r.draining() && r.phase() != Replica.Phase.Terminating)
                .map(Replica::createdAt)
                .min(Instant::compareTo)
                .map(at -> new Activation(1, Activation.Reason.Demand, at, null))
                .orElse(null);
    }

    private @Nullable Activation activation(ActivationDecision decision) {
        return switch (decision) {
            case Asleep asleep -> lastActivation();
            case Wake wake -> wake.activation();
            case Awake awake -> awake.activation();
            case Sleep sleep -> sleep.ended();
        };
    }

    private Urgency urgency(Activation open, Load load) {
        boolean asked = StatusReader.demand(model).filter(at -> at.isAfter(open.startedAt())).isPresent();
        return open.reason() == Activation.Reason.Demand || asked || load.hasWaiting()
                ? Urgency.Demand
                : Urgency.PreWarm;
    }

    /** Claims a slot for every pod to be created; live ones keep theirs, whatever else the model held is given back. */
    private List<Create> admitted(ReplicaPlan plan, List<Replica> replicas, boolean mayCreate) {
        Duration lease = Duration.ofSeconds(spec.warmup().deadlineSeconds()).plus(LEASE_SLACK);
        Set<ReplicaId> wanted = new HashSet<>();
        Set<ReplicaId> live = occupied();
        for (Replica replica : replicas) {
            if (replica.holdsWarmupSlot() && !replica.draining()) {
                ReplicaId id = new ReplicaId(key, replica.pod());
                wanted.add(id);
                if (replica.phase() == Replica.Phase.Warming) {
                    services.warmups().begun(id);
                }
                if (!services.warmups().mustYield(id)) {
                    services.warmups().adopt(id, replica.createdAt(), lease);
                }
            }
        }
        List<Create> creations = mayCreate ? plan.creations().toList() : List.of();
        creations.forEach(create -> wanted.add(new ReplicaId(key, create.pod())));
        services.warmups().retain(key, wanted, live);
        return creations.stream()
                .filter(create -> services.warmups()
                        .admit(
                                new WarmupRequest(new ReplicaId(key, create.pod()), create.urgency(),
                                        spec.requests().priority(), lease, gpus())))
                .toList();
    }

    /** Every pod that exists has its GPUs, whatever it does. */
    private Set<ReplicaId> occupied() {
        services.warmups().assign(key, Objects.requireNonNullElse(spec.pool(), WarmupQueue.NO_POOL));
        Set<ReplicaId> live = new HashSet<>();
        for (ObservedReplica pod : observed) {
            ReplicaId id = new ReplicaId(key, pod.replica().pod());
            live.add(id);
            if (pod.place().pool().equals(Objects.requireNonNullElse(spec.pool(), WarmupQueue.NO_POOL))) {
                services.warmups().occupy(id, pod.place().gpus(), pod.place().node());
            }
        }
        return live;
    }

    private int gpus() {
        return pool.map(GpuPool::getSpec).map(s -> PoolPlacement.gpus(model, s)).orElse(0);
    }

    /** With a limit per node the queue's choice is binding, except beside a replica that must share its node. */
    private Optional<PoolPlacement> placement(String pod) {
        boolean binding = pool.map(GpuPool::getSpec)
                .filter(s -> s.warmup().maxConcurrentPerNode() != null)
                .isPresent() && observed.isEmpty();
        Optional<String> node = binding ? services.warmups().node(new ReplicaId(key, pod)) : Optional.empty();
        return pool.map(p -> new PoolPlacement(p.getMetadata().getName(),
                p.getSpec() == null ? GpuPoolSpec.DEFAULT : p.getSpec(), node));
    }

    private ModelView view(ActivationDecision decision, @Nullable Activation activation, InitialStart initialStart,
            ReplicaPlan plan) {
        Optional<QueuePosition> queue = plan.creations()
                .flatMap(create -> services.warmups().position(new ReplicaId(key, create.pod())).stream())
                .min(Comparator.comparingInt(QueuePosition::position));
        return new ModelView(model, previous, references, activation, decision.why(), initialStart, observed,
                plan.desired(), queue, memory.backoff.failures(), SnapshotKey.of(spec), template,
                memory.rejection(template, now), now);
    }

    private ModelStatus write(ModelView view) {
        ModelStatus next = ModelStatusFactory.of(view);
        services.gateways().pattern(key).ifPresent(pattern -> next.servingPattern = pattern);
        services.statuses().write(model, next);
        return next;
    }

    /** Last: no wake waits for an event. */
    private void tell(ModelStatus next) {
        Conditions.find(next.conditions, Conditions.READY)
                .ifPresent(ready -> services.metrics().told(key, ready.getStatus(), ready.getReason(), next));
        for (ModelEvent event : ModelEvent.between(previous, next, observed, spec)) {
            boolean first = services.events().record(model, WakeTrace.namedIn(event, model, next));
            if (first && event.reason().equals("Woke") && next.lastWake != null) {
                services.metrics()
                        .woke(key, next.lastWake,
                                next.warmup == null || next.warmup.phases() == null ? List.of() : next.warmup.phases());
            }
            if (first && event.reason().equals("SnapshotQuarantined")) {
                services.metrics().quarantined(key);
            }
        }
    }

    private void act(ReplicaPlan plan, List<Create> admitted, @Nullable Activation activation) {
        for (ReplicaAction action : plan.actions()) {
            switch (action) {
                case Drain drain -> pods.markDraining(drain.pod(), drain.uid(), drain.why());
                case Delete delete -> pods.delete(delete.pod(), seenVersion(delete.uid()), delete.why());
                case Create create -> {
                    if (activation != null && admitted.contains(create)) {
                        create(create, activation);
                    }
                }
            }
        }
    }

    /** A client of another model waits for the slot; this model asks again and keeps its arrival. */
    private void yieldSlots() {
        for (ObservedReplica pod : observed) {
            boolean notBegun = pod.replica().phase() == Replica.Phase.Pending;
            if (notBegun && services.warmups().mustYield(new ReplicaId(key, pod.replica().pod()))) {
                pods.delete(pod.replica().pod(), pod.resourceVersion(),
                        "a client of another model waits for its warmup slot");
            }
        }
    }

    private String seenVersion(String podUid) {
        return observed.stream()
                .filter(o -> o.replica().uid().equals(podUid))
                .map(ObservedReplica::resourceVersion)
                .findFirst()
                .orElseThrow();
    }

    private void create(Create create, Activation activation) {
        if (ResolvedModel.ownsSnapshotClaim(model) && !claims.contains(ResolvedModel.ownClaim(model))) {
            pods.create(SnapshotClaim.of(model));
        }
        Optional<PoolPlacement> placement = placement(create.pod());
        placement.flatMap(p -> p.claimTemplate(model)).ifPresent(pods::create);
        Pod pod = ReplicaPod.of(model, resolved, services.settings().sidecar(), create.pod(),
                Long.toString(activation.number()), placement, climb);
        Optional<Rejection> rejection = services.traces().create(pod, model, activation, climb, pods::create);
        rejection.ifPresent(refused -> memory.refuse(refused, template, now));
    }

    private Optional<Instant> recheckAt(ActivationDecision decision, ReplicaPlan plan, boolean busy) {
        Optional<Instant> decided = decision instanceof Awake awake ? awake.recheckAt() : Optional.empty();
        Optional<Instant> regular = busy ? Optional.of(now.plus(AWAKE_RECHECK)) : Optional.empty();
        return Stream.of(decided, plan.recheckAt(), regular).flatMap(Optional::stream).min(Instant::compareTo);
    }
}

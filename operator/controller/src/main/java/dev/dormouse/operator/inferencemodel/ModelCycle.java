package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica;
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
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import dev.dormouse.operator.desired.PoolPlacement;
import dev.dormouse.operator.desired.ReplicaPod;
import dev.dormouse.operator.desired.SnapshotClaim;
import dev.dormouse.operator.desired.SnapshotKey;
import dev.dormouse.operator.log.LogKeys;
import dev.dormouse.operator.inferencemodel.Pods.Creation;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Created;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Present;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Refused;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.operator.status.ModelEvent;
import dev.dormouse.operator.status.ModelStatusFactory;
import dev.dormouse.operator.status.ModelView;
import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.operator.status.StatusReader;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One reconcile of one model whose references are resolved: decide, create the pods that may start, record all that in
 * status, then drain and delete. A client waits for the pod, nobody for the record; an operator that dies in between
 * finds the demand newer than any activation, and decides the same wake with the same number again, for which the pod is
 * there. What is taken away is recorded before.
 */
final class ModelCycle {
    private static final Logger LOG = LoggerFactory.getLogger(ModelCycle.class);
    /** While awake, time itself changes things that no event tells: leases, back-off, a window of load. */
    private static final Duration AWAKE_RECHECK = Duration.ofSeconds(5);

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
    private final ModelSlots slots;
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
        this.slots = new ModelSlots(services.warmups(), model, key, Optional.ofNullable(spec.pool()).map(pools::get),
                this.observed);
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
        Optional<ScaleAdvice> advice = advice(open, load, replicas);
        ReplicaPlan plan = ReplicaPlanner.plan(
                new ReplicaPlanner.Situation(key.name(), model.getMetadata().getUid(), ScalingSpec.policy(spec), open,
                        template,
                        replicas,
                        load, advice, memory.backoff,
                        open == null ? Urgency.PreWarm : urgency(open, load), Rollout.valueOf(spec.rollout().name())),
                now);

        boolean mayCreate = references instanceof Resolved && memory.rejection(template, now).isEmpty();
        List<Create> admitted = slots.claim(mayCreate ? plan.creations().toList() : List.of());
        List<ObservedReplica> present = new ArrayList<>(observed);
        ModelStatus next;
        try {
            create(admitted, activation, present);
        } finally {
            // Also when the API server could not be asked: status tells the wake, and the next try goes on with it.
            next = write(view(decision, activation, initialStart, plan, present));
        }
        log(decision);
        services.gateways().setAwake(key, open != null || !replicas.isEmpty());
        takeAway(plan);
        yieldSlots();
        tell(next, present);
        tellScaling(plan.desired(), advice);
        return recheckAt(decision, plan, open != null || !replicas.isEmpty());
    }

    private void log(ActivationDecision decision) {
        switch (decision) {
            case Wake wake -> LOG.atLevel(Rehearsal.level(key))
                    .addKeyValue(LogKeys.MODEL, key)
                    .addKeyValue(LogKeys.REASON, wake.why())
                    .log("the model wakes");
            case Sleep sleep -> LOG.atLevel(Rehearsal.level(key))
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

    private ModelView view(ActivationDecision decision, @Nullable Activation activation, InitialStart initialStart,
            ReplicaPlan plan, List<ObservedReplica> present) {
        // Why it woke, not what keeps it awake: that is another number every second.
        String why = activation != null && activation.open() ? activation.because() : decision.why();
        return new ModelView(model, previous, references, activation, why, initialStart, present,
                plan.desired(), slots.position(plan.creations()), memory.backoff.failures(), SnapshotKey.of(spec),
                template,
                memory.rejection(template, now), now);
    }

    private ModelStatus write(ModelView view) {
        ModelStatus next = ModelStatusFactory.of(view);
        services.gateways().pattern(key).ifPresent(pattern -> next.servingPattern = pattern);
        services.statuses().write(model, next);
        return next;
    }

    /** Last: no wake waits for an event. */
    private void tell(ModelStatus next, List<ObservedReplica> present) {
        Conditions.find(next.conditions, Conditions.READY)
                .ifPresent(ready -> services.metrics().told(key, ready.getStatus(), ready.getReason(), next));
        for (ModelEvent event : ModelEvent.between(previous, next, present, spec)) {
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

    private void tellScaling(int wanted, Optional<ScaleAdvice> advice) {
        int before = memory.scaledFrom(wanted);
        if (before > 0) {
            String why = spec.replicas() > 0
                    ? "spec.replicas"
                    : advice.map(a -> a.panicking() ? "a burst of requests" : "the load of the last minutes")
                            .orElse("the bounds in spec.scaling");
            services.events().record(model, ModelEvent.scaled(before, wanted, why, now));
        }
    }

    private void takeAway(ReplicaPlan plan) {
        for (ReplicaAction action : plan.actions()) {
            switch (action) {
                case Drain drain -> pods.markDraining(drain.pod(), drain.uid(), drain.why());
                case Delete delete -> pods.delete(delete.pod(), seenVersion(delete.uid()), delete.why());
                case Create _ -> {
                }
            }
        }
    }

    /** A client of another model waits for the slot; this model asks again and keeps its arrival. */
    private void yieldSlots() {
        for (ObservedReplica pod : slots.toYield()) {
            pods.delete(pod.replica().pod(), pod.resourceVersion(),
                    "a client of another model waits for its warmup slot");
        }
    }

    private String seenVersion(String podUid) {
        return observed.stream()
                .filter(o -> o.replica().uid().equals(podUid))
                .map(ObservedReplica::resourceVersion)
                .findFirst()
                .orElseThrow();
    }

    /** @param present the model's replicas, to which each new one is added: its event need not be waited for */
    private void create(List<Create> admitted, @Nullable Activation activation, List<ObservedReplica> present) {
        if (activation == null) {
            return;
        }
        PodObserver observer = new PodObserver(spec.snapshot().enabled(),
                Duration.ofSeconds(spec.warmup().deadlineSeconds()), now);
        for (Create create : admitted) {
            switch (create(create, activation)) {
                case Created created -> present.add(observer.observe(created.pod(), Optional.empty()));
                case Refused refused -> memory.refuse(refused.why(), template, now);
                case Present _ -> {
                }
            }
        }
    }

    private Creation create(Create create, Activation activation) {
        if (ResolvedModel.ownsSnapshotClaim(model) && !claims.contains(ResolvedModel.ownClaim(model))) {
            pods.create(SnapshotClaim.of(model));
        }
        Optional<PoolPlacement> placement = slots.placement(create.pod());
        placement.flatMap(p -> p.claimTemplate(model)).ifPresent(pods::create);
        Pod pod = ReplicaPod.of(model, resolved, services.settings().sidecar(), create.pod(),
                Long.toString(activation.number()), placement, climb);
        return services.traces().create(pod, model, activation, climb, pods::create);
    }

    private Optional<Instant> recheckAt(ActivationDecision decision, ReplicaPlan plan, boolean busy) {
        Optional<Instant> decided = decision instanceof Awake awake ? awake.recheckAt() : Optional.empty();
        Optional<Instant> regular = busy ? Optional.of(now.plus(AWAKE_RECHECK)) : Optional.empty();
        return Stream.of(decided, plan.recheckAt(), regular).flatMap(Optional::stream).min(Instant::compareTo);
    }
}

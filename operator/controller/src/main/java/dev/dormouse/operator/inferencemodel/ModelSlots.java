package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.replica.ReplicaAction.Create;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.domain.warmup.WarmupRequest;
import dev.dormouse.operator.desired.PoolPlacement;
import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.operator.warmup.WarmupQueue;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** One model's part of the warmup queue, in one reconcile: what its replicas hold, what it asks for, and where it stands. */
final class ModelSlots {
    /** A slot is held no longer than a warmup may take, plus the time to start the containers. */
    static final Duration LEASE_SLACK = Duration.ofSeconds(120);

    private final WarmupQueue queue;
    private final InferenceModel model;
    private final InferenceModelSpec spec;
    private final ModelKey key;
    private final Optional<GpuPool> pool;
    private final List<ObservedReplica> observed;

    /** @param pool that the model names, if it exists */
    ModelSlots(WarmupQueue queue, InferenceModel model, ModelKey key, Optional<GpuPool> pool,
            List<ObservedReplica> observed) {
        this.queue = queue;
        this.model = model;
        this.spec = model.getSpec();
        this.key = key;
        this.pool = pool;
        this.observed = observed;
    }

    /** Claims a slot for every pod to be created; live ones keep theirs, whatever else the model held is given back. */
    List<Create> claim(List<Create> creations) {
        Duration lease = Duration.ofSeconds(spec.warmup().deadlineSeconds()).plus(LEASE_SLACK);
        Set<ReplicaId> wanted = new HashSet<>();
        Set<ReplicaId> live = occupied();
        for (ObservedReplica pod : observed) {
            Replica replica = pod.replica();
            if (replica.holdsWarmupSlot() && !replica.draining()) {
                ReplicaId id = new ReplicaId(key, replica.pod());
                wanted.add(id);
                if (replica.phase() == Replica.Phase.Warming) {
                    queue.begun(id);
                }
                if (!queue.mustYield(id)) {
                    queue.adopt(id, replica.createdAt(), lease);
                }
            }
        }
        creations.forEach(create -> wanted.add(new ReplicaId(key, create.pod())));
        queue.retain(key, wanted, live);
        return creations.stream()
                .filter(create -> queue
                        .admit(
                                new WarmupRequest(new ReplicaId(key, create.pod()), create.urgency(),
                                        spec.requests().priority(), lease, gpus())))
                .toList();
    }

    /** Every pod that exists has its GPUs, whatever it does. */
    private Set<ReplicaId> occupied() {
        queue.assign(key, Objects.requireNonNullElse(spec.pool(), WarmupQueue.NO_POOL));
        Set<ReplicaId> live = new HashSet<>();
        for (ObservedReplica pod : observed) {
            ReplicaId id = new ReplicaId(key, pod.replica().pod());
            live.add(id);
            if (pod.place().pool().equals(Objects.requireNonNullElse(spec.pool(), WarmupQueue.NO_POOL))) {
                queue.occupy(id, pod.place().gpus(), pod.place().node());
            }
        }
        return live;
    }

    private int gpus() {
        return pool.map(GpuPool::getSpec).map(s -> PoolPlacement.gpus(model, s)).orElse(0);
    }

    /** With a limit per node the queue's choice is binding, except beside a replica that must share its node. */
    Optional<PoolPlacement> placement(String pod) {
        boolean binding = pool.map(GpuPool::getSpec)
                .filter(s -> s.warmup().maxConcurrentPerNode() != null)
                .isPresent() && observed.isEmpty();
        Optional<String> node = binding ? queue.node(new ReplicaId(key, pod)) : Optional.empty();
        return pool.map(p -> new PoolPlacement(p.getMetadata().getName(),
                p.getSpec() == null ? GpuPoolSpec.DEFAULT : p.getSpec(), node));
    }

    /** Of the replica that is next. */
    Optional<QueuePosition> position(Stream<Create> creations) {
        return creations.flatMap(create -> queue.position(new ReplicaId(key, create.pod())).stream())
                .min(Comparator.comparingInt(QueuePosition::position));
    }

    /** Those that have not begun, and whose slot a client of another model waits for. */
    List<ObservedReplica> toYield() {
        return observed.stream()
                .filter(pod -> pod.replica().phase() == Replica.Phase.Pending
                        && queue.mustYield(new ReplicaId(key, pod.replica().pod())))
                .toList();
    }
}

package dev.dormouse.domain.replica;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.fleet.Replica.Problem.Blame;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.replica.ReplicaAction.Create;
import dev.dormouse.domain.replica.ReplicaAction.Delete;
import dev.dormouse.domain.replica.ReplicaAction.Drain;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.domain.scaling.ScalingPolicy;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.domain.warmup.WarmupRequest;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import dev.dormouse.domain.warmup.WarmupScheduler;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Planner, life cycle and scheduler in a world that breaks at random: containers crash, nodes vanish, pods are deleted by
 * hand, the operator sees an old state. While it breaks nothing forbidden may happen; when it stops, all must come right.
 */
class ReplicaWorldTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final ModelKey MODEL = new ModelKey("demo", "m");
    private static final Duration LEASE = Duration.ofMinutes(12);
    private static final int SLOTS = 2;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    @DisplayName("H69, H70: no two owners of a slot, no lost replica, no victim at work; every path ends as desired")
    void whateverBreaksComesRight(long seed) {
        World world = new World(new Random(seed));
        for (int round = 0; round < 300; round++) {
            world.breakSomething();
            world.reconcile();
            world.check();
        }

        world.heal();
        for (int round = 0; round < 200; round++) {
            world.proceed();
            world.reconcile();
            world.check();
        }

        assertThat(world.pods.values()).as("seed %d", seed)
                .hasSize(world.awake ? world.replicas : 0)
                .allSatisfy(pod -> assertThat(pod.phase).isEqualTo(Phase.Ready));
        assertThat(world.scheduler.activeCount()).isZero();
        assertThat(world.scheduler.pendingCount()).isZero();
    }

    private static final class FakePod {
        final String name;
        final String uid;
        Phase phase = Phase.Pending;
        boolean draining;
        int inFlight;
        boolean gatewaysSawTheMark;
        Blame blame = Blame.Replica;

        FakePod(String name, String uid) {
            this.name = name;
            this.uid = uid;
        }
    }

    private static final class World {
        final Random random;
        final Map<String, FakePod> pods = new LinkedHashMap<>();
        final WarmupScheduler scheduler = new WarmupScheduler(WarmupLimits.ofConcurrent(SLOTS));
        final Map<String, Phase> known = new HashMap<>();
        boolean awake = true;
        int replicas = 2;
        long activation = 1;
        Backoff backoff = Backoff.none("t");
        List<Replica> view = List.of();
        Map<String, Phase> seenPhases = Map.of();
        Instant now = T0;
        int uids;

        World(Random random) {
            this.random = random;
        }

        void breakSomething() {
            proceed();
            if (random.nextInt(8) == 0) {
                awake = !awake;
                activation += awake ? 1 : 0;
            }
            if (random.nextInt(8) == 0) {
                replicas = 1 + random.nextInt(4);
            }
            for (FakePod pod : new ArrayList<>(pods.values())) {
                switch (random.nextInt(24)) {
                    case 0 -> fail(pod, Blame.Replica);
                    case 1 -> fail(pod, Blame.Cluster);
                    case 2 -> pods.remove(pod.name);
                    case 3 -> restart(pod);
                    default -> {
                    }
                }
            }
        }

        private void fail(FakePod pod, Blame blame) {
            if (pod.phase != Phase.Terminating) {
                pod.phase = Phase.Failed;
                pod.blame = blame;
                pod.inFlight = 0;
            }
        }

        /** Its containers start anew in place; what they were answering is lost with them. */
        private static void restart(FakePod pod) {
            if (pod.phase != Phase.Terminating) {
                pod.phase = Phase.Pending;
                pod.inFlight = 0;
            }
        }

        void heal() {
            awake = random.nextBoolean();
            activation += awake ? 1 : 0;
        }

        /** What kubelet and gateways do by themselves. */
        void proceed() {
            now = now.plusSeconds(10);
            for (FakePod pod : new ArrayList<>(pods.values())) {
                pod.gatewaysSawTheMark |= pod.draining;
                pod.inFlight = pod.gatewaysSawTheMark ? 0 : pod.phase == Phase.Ready ? random.nextInt(3) : 0;
                switch (pod.phase) {
                    case Pending -> pod.phase = random.nextBoolean() ? Phase.Warming : Phase.Pending;
                    case Warming -> pod.phase = random.nextInt(3) == 0 ? Phase.Ready : Phase.Warming;
                    case Terminating -> pods.remove(pod.name);
                    case Ready, Failed -> {
                    }
                }
            }
        }

        void reconcile() {
            List<Replica> fresh = pods.values().stream().map(this::seen).toList();
            // Every third look is at what was there a round ago.
            if (random.nextInt(3) > 0) {
                view = fresh;
                seenPhases = pods.values().stream().collect(Collectors.toMap(p -> p.uid, p -> p.phase));
            }
            known.keySet().retainAll(view.stream().map(Replica::uid).toList());
            Set<String> present = view.stream().map(Replica::uid).collect(Collectors.toSet());
            backoff = backoff.observe(view, "t", now);
            Load load = new Load.Known(0, 0, null, Duration.ofHours(1),
                    view.stream().collect(Collectors.toMap(Replica::uid, this::inFlight)),
                    view.stream()
                            .map(Replica::uid)
                            .filter(this::released)
                            .collect(Collectors.toSet()));
            ReplicaPlan plan = ReplicaPlanner.plan(new ReplicaPlanner.Situation("m", "uid",
                    new ScalingPolicy(replicas, 0, 4, 10, Duration.ofSeconds(30)),
                    awake ? new Activation(activation, Activation.Reason.Demand, T0, null) : null, "t", view, load,
                    Optional.empty(), backoff, Urgency.Demand, Rollout.WhenIdle), now);
            assertThat(present).hasSameSizeAs(view);
            admit(plan);
            plan.actions().forEach(this::act);
        }

        private void admit(ReplicaPlan plan) {
            Set<ReplicaId> wanted = new HashSet<>();
            view.stream().filter(r -> r.holdsWarmupSlot() && !r.draining()).forEach(r -> {
                wanted.add(new ReplicaId(MODEL, r.pod()));
                scheduler.adopt(new ReplicaId(MODEL, r.pod()), r.createdAt(), LEASE, now);
            });
            plan.creations().forEach(create -> wanted.add(new ReplicaId(MODEL, create.pod())));
            scheduler.retain(MODEL, wanted, now);
            plan.creations()
                    .forEach(create -> scheduler.schedule(
                            new WarmupRequest(new ReplicaId(MODEL, create.pod()), create.urgency(), 0, LEASE), now));
            while (scheduler.next(now).isPresent()) {
                assertThat(scheduler.activeCount()).as("nobody is admitted beyond the limit")
                        .isLessThanOrEqualTo(SLOTS);
            }
        }

        private void act(ReplicaAction action) {
            switch (action) {
                case Create create -> {
                    // 409: a pod of that name is there already.
                    if (scheduler.isActive(new ReplicaId(MODEL, create.pod())) && !pods.containsKey(create.pod())) {
                        pods.put(create.pod(), new FakePod(create.pod(), "u" + uids++));
                    }
                }
                case Drain drain -> {
                    FakePod pod = pod(drain.uid());
                    if (pod != null) {
                        pod.draining = true;
                    }
                }
                case Delete delete -> {
                    FakePod pod = pod(delete.uid());
                    // 409: the pod is no longer what the decision was made on.
                    if (pod != null && seenPhases.get(pod.uid) == pod.phase) {
                        assertThat(pod.inFlight).as("%s", delete).isZero();
                        pod.phase = Phase.Terminating;
                    }
                }
            }
        }

        void check() {
            assertThat(pods.values().stream().map(p -> p.uid).distinct().count()).isEqualTo(pods.size());
            assertThat(pods.keySet()).allSatisfy(name -> assertThat(name).startsWith("m-"));
        }

        private Replica seen(FakePod pod) {
            Phase phase = ReplicaLifecycle.next(known.getOrDefault(pod.uid, Phase.Pending), pod.phase);
            known.put(pod.uid, phase);
            Problem problem = phase == Phase.Failed ? new Problem("Broken", "on purpose", pod.blame) : null;
            return new Replica(pod.name, pod.uid, "t", phase, pod.draining, now, phase == Phase.Ready ? now : null,
                    true,
                    problem);
        }

        private boolean released(String uid) {
            FakePod pod = pod(uid);
            return pod == null || pod.gatewaysSawTheMark;
        }

        private int inFlight(Replica replica) {
            FakePod pod = pod(replica.uid());
            return pod == null ? 0 : pod.inFlight;
        }

        private @Nullable FakePod pod(String uid) {
            return pods.values().stream().filter(p -> p.uid.equals(uid)).findFirst().orElse(null);
        }
    }
}

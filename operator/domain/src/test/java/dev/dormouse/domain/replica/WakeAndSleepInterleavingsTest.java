package dev.dormouse.domain.replica;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.replica.ReplicaAction.Create;
import dev.dormouse.domain.replica.ReplicaAction.Delete;
import dev.dormouse.domain.replica.ReplicaAction.Drain;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.ActivationDecision;
import dev.dormouse.domain.scaling.ActivationDecision.Awake;
import dev.dormouse.domain.scaling.ActivationDecision.Sleep;
import dev.dormouse.domain.scaling.ActivationDecision.Wake;
import dev.dormouse.domain.scaling.ActivationRule;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.domain.scaling.ScalingPolicy;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A gateway that gets a request and an operator that puts the model to sleep, each as a program of steps, run in every order
 * in which their steps can follow one another. The operator sees what its cache has, which is a step of its own.
 */
class WakeAndSleepInterleavingsTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration RENEWAL = Duration.ofSeconds(5);
    private static final ScalingPolicy POLICY = new ScalingPolicy(0, 0, 1, 10, Duration.ofSeconds(30));

    /** What the gateway does about one request for the model. */
    private enum GatewayStep {
        Hold, WriteDemand, SeeTheDrainMark
    }

    /** What happens on the operator's side, twice, so that a second look may be anywhere too. */
    private enum OperatorStep {
        ReadCache, Scrape, Decide, ReadCacheAgain, ScrapeAgain, DecideAgain
    }

    @ParameterizedTest(name = "the gateway''s clock is {0} ms ahead")
    @ValueSource(longs = {-4_000, -1, 0, 1, 4_000})
    @DisplayName("A wake and a sleep racing each other: at every interleaving the model is awake in the end, and no pod with a request is deleted")
    void theWakeWinsAtEveryInterleaving(long ahead) {
        List<List<Object>> orders = new ArrayList<>();
        interleave(List.of(GatewayStep.values()), List.of(OperatorStep.values()), List.of(), orders);
        assertThat(orders).as("9 over 3").hasSize(84);

        for (List<Object> order : orders) {
            World world = new World(Duration.ofMillis(ahead));
            order.forEach(world::step);
            // The gateway renews its demand while the request waits; caches catch up.
            for (int renewal = 0; renewal < 2; renewal++) {
                world.settle();
            }
            assertThat(world.open()).as("%s", order).isTrue();
            assertThat(world.pods.values().stream().anyMatch(pod -> !pod.draining())).as("%s", order).isTrue();
            assertThat(world.activation.number()).as("woken once at most: %s", order).isLessThanOrEqualTo(5);
        }
    }

    private static void interleave(List<?> one, List<?> other, List<Object> done, List<List<Object>> into) {
        if (one.isEmpty() && other.isEmpty()) {
            into.add(done);
        }
        for (List<?> next : List.of(one, other)) {
            if (!next.isEmpty()) {
                List<Object> longer = new ArrayList<>(done);
                longer.add(next.getFirst());
                List<?> rest = next.subList(1, next.size());
                interleave(next == one ? rest : one, next == one ? other : rest, longer, into);
            }
        }
    }

    private static final class World {
        private final Duration ahead;
        private Instant now = T0;
        /** What the API server has. */
        private Activation activation = new Activation(4, Activation.Reason.Demand, T0.minusSeconds(600), null);
        private @Nullable Instant demand;
        private final Map<String, Replica> pods = new LinkedHashMap<>();
        /** What the gateway has. */
        private boolean holds;
        private final Set<String> marksSeen = new HashSet<>();
        /** What the operator has. */
        private @Nullable Instant cachedDemand;
        private List<Replica> cachedPods;
        private Load load = load(0, Set.of());

        World(Duration ahead) {
            this.ahead = ahead;
            pods.put("old", new Replica("old", "old", "t", Phase.Ready, false, T0.minusSeconds(600),
                    T0.minusSeconds(590), true, null));
            cachedPods = List.copyOf(pods.values());
        }

        boolean open() {
            return activation.open();
        }

        void step(Object step) {
            now = now.plusMillis(1);
            switch (step) {
                case GatewayStep.Hold -> holds = true;
                case GatewayStep.WriteDemand -> demand = now.plus(ahead);
                case GatewayStep.SeeTheDrainMark -> seeMarks();
                case OperatorStep.ReadCache, OperatorStep.ReadCacheAgain -> readCache();
                case OperatorStep.Scrape, OperatorStep.ScrapeAgain -> scrape();
                case OperatorStep.Decide, OperatorStep.DecideAgain -> decide();
                default -> throw new AssertionError(step);
            }
        }

        void settle() {
            now = now.plus(RENEWAL);
            demand = now.plus(ahead);
            seeMarks();
            readCache();
            scrape();
            decide();
        }

        private void seeMarks() {
            pods.values().stream().filter(Replica::draining).map(Replica::uid).forEach(marksSeen::add);
        }

        private void readCache() {
            cachedDemand = demand;
            cachedPods = List.copyOf(pods.values());
        }

        private void scrape() {
            load = load(holds ? 1 : 0, marksSeen);
        }

        private static Load load(int queued, Set<String> marksSeen) {
            return new Load.Known(0, queued, T0.minusSeconds(300), Duration.ofHours(1), Map.of(), marksSeen);
        }

        private void decide() {
            ActivationDecision decision = ActivationRule.decide(new ActivationRule.Situation(POLICY, cachedDemand,
                    activation, InitialStart.Done, load, cachedPods), now);
            activation = switch (decision) {
                case Wake wake -> wake.activation();
                case Sleep sleep -> sleep.ended();
                case Awake awake -> awake.activation();
                case ActivationDecision.Asleep _ -> activation;
            };
            ReplicaPlan plan = ReplicaPlanner.plan(new ReplicaPlanner.Situation("m", "uid", POLICY,
                    activation.open() ? activation : null, "t", cachedPods, load, Optional.empty(), Backoff.none("t"),
                    Urgency.Demand, Rollout.WhenIdle), now);
            plan.actions().forEach(this::act);
        }

        private void act(ReplicaAction action) {
            switch (action) {
                case Create create -> pods.putIfAbsent(create.pod(), new Replica(create.pod(), create.pod(), "t",
                        Phase.Pending, false, now, null, true, null));
                case Drain drain -> pods.computeIfPresent(drain.pod(), (name, pod) -> new Replica(name, pod.uid(), "t",
                        pod.phase(), true, pod.createdAt(), pod.readyAt(), true, null));
                case Delete delete -> {
                    Replica victim = pods.remove(delete.pod());
                    assertThat(victim == null || victim.phase() == Phase.Pending || marksSeen.contains(victim.uid()))
                            .as("a gateway might have sent it the request")
                            .isTrue();
                }
            }
        }
    }
}

package dev.dormouse.domain.replica;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.replica.ReplicaAction.Create;
import dev.dormouse.domain.replica.ReplicaAction.Delete;
import dev.dormouse.domain.replica.ReplicaAction.Drain;
import dev.dormouse.domain.replica.ReplicaPlanner.Situation;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.domain.scaling.ScaleAdvice;
import dev.dormouse.domain.scaling.ScalingPolicy;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReplicaPlannerTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Activation AWAKE = new Activation(7, Activation.Reason.Demand, T0.minusSeconds(60), null);
    private static final ScalingPolicy UP_TO_FOUR = new ScalingPolicy(0, 0, 4, 10, Duration.ofSeconds(30));
    private static final Load NOTHING = load(0, 0, Map.of(), Set.of());

    @Test
    @DisplayName("Awake: pods are created for the load, each under a name that follows from model, activation and ordinal")
    void createsForTheLoad() {
        ReplicaPlan plan = plan(UP_TO_FOUR, AWAKE, load(15, 10, Map.of(), Set.of()), OptionalInt.empty());

        assertThat(plan.desired()).isEqualTo(3);
        assertThat(plan.creations().map(Create::pod)).containsExactly(name(0), name(1), name(2));
        assertThat(name(0)).matches("m-[a-z0-9]{6}").isNotEqualTo(name(1));
    }

    @Test
    @DisplayName("A name that any pod still has, a terminating one included, is not used again")
    void takenNamesAreSkipped() {
        ReplicaPlan plan = plan(UP_TO_FOUR, AWAKE, NOTHING, OptionalInt.empty(),
                new Replica(name(0), "u", "t", Phase.Terminating, false, T0, null, false, null));

        assertThat(plan.creations().map(Create::pod)).containsExactly(name(1));
    }

    @Test
    @DisplayName("Asleep: what may carry requests drains, what cannot is deleted at once")
    void sleepingDrains() {
        ReplicaPlan plan = plan(UP_TO_FOUR, null, NOTHING, OptionalInt.empty(), pod("ready", Phase.Ready),
                pod("warming", Phase.Warming), pod("pending", Phase.Pending), pod("failed", Phase.Failed));

        assertThat(plan.desired()).isZero();
        assertThat(plan.actions()).extracting(a -> a.getClass().getSimpleName() + " " + a.pod())
                .containsExactly(
                        "Drain ready", "Drain warming", "Delete pending", "Delete failed");
    }

    @Test
    @DisplayName("A draining pod is deleted only when every gateway has seen the mark and carries nothing for it")
    void deletesOnlyWhenReleased() {
        Replica draining = draining("d");

        assertThat(plan(UP_TO_FOUR, null, load(0, 0, Map.of(), Set.of()), OptionalInt.empty(), draining).actions())
                .as("not seen")
                .isEmpty();
        assertThat(plan(UP_TO_FOUR, null, load(1, 0, Map.of("d", 1), Set.of("d")), OptionalInt.empty(), draining)
                .actions())
                .as("seen, in flight")
                .isEmpty();
        assertThat(plan(UP_TO_FOUR, null, new Load.Unknown("silent"), OptionalInt.empty(), draining).actions())
                .as("a gateway is silent")
                .isEmpty();
        assertThat(plan(UP_TO_FOUR, null, load(0, 0, Map.of(), Set.of("d")), OptionalInt.empty(), draining).actions())
                .containsExactly(new Delete("d", "d", "it is drained"));
        assertThat(plan(UP_TO_FOUR, null, new Load.NoGateway(), OptionalInt.empty(), draining).actions())
                .as("all gateways are gone")
                .hasSize(1);
    }

    @Test
    @DisplayName("A new wake does not wait for the old pod to drain")
    void aNewWakeDoesNotWaitForTheOldPod() {
        ReplicaPlan plan = plan(UP_TO_FOUR, AWAKE, load(0, 1, Map.of(), Set.of()), OptionalInt.empty(),
                draining("old"));

        assertThat(plan.creations()).hasSize(1);
    }

    @Test
    @DisplayName("A failed pod keeps its place until its pause is over; then it goes, and the next one comes")
    void failedPodsAreReplacedAfterTheirPause() {
        Backoff pausing = Backoff.none("t").observe(List.of(pod("f", Phase.Failed)), "t", T0);
        Instant retryAt = pausing.retryAt();
        Situation situation = situation(UP_TO_FOUR, AWAKE, NOTHING, OptionalInt.empty(), pausing,
                pod("f", Phase.Failed));

        ReplicaPlan early = ReplicaPlanner.plan(situation, retryAt.minusMillis(1));
        ReplicaPlan due = ReplicaPlanner.plan(situation, retryAt);

        assertThat(early.actions()).isEmpty();
        assertThat(early.recheckAt()).contains(retryAt);
        assertThat(due.actions()).extracting(a -> a.getClass().getSimpleName()).containsExactly("Delete", "Create");
    }

    @Test
    @DisplayName("The pause doubles from 5 s to 5 min; each pod counts once; ready ends the row, so does another template")
    void theBackOff() {
        assertThat(List.of(1, 2, 3, 4, 5, 6, 7, 8, 60).stream().map(Backoff::pause).map(Duration::toSeconds))
                .containsExactly(5L, 10L, 20L, 40L, 80L, 160L, 300L, 300L, 300L);
        Backoff once = Backoff.none("t").observe(List.of(pod("f", Phase.Failed)), "t", T0);
        assertThat(once.observe(List.of(pod("f", Phase.Failed)), "t", T0.plusSeconds(9))).isEqualTo(once);
        assertThat(once.observe(List.of(pod("g", Phase.Failed)), "t", T0).failures()).isEqualTo(2);
        assertThat(once.observe(List.of(pod("r", Phase.Ready)), "t", T0)).isEqualTo(Backoff.none("t"));
        assertThat(once.observe(List.of(), "changed", T0)).isEqualTo(Backoff.none("changed"));
    }

    @Test
    @DisplayName("WhenIdle: a ready pod of an older spec drains in a quiet moment, and its successor comes at once")
    void olderSpecsDrainWhenIdle() {
        Replica old = new Replica("old", "old", "older", Phase.Ready, false, T0, T0, true, null);

        assertThat(plan(UP_TO_FOUR, AWAKE, load(1, 0, Map.of("old", 1), Set.of()), OptionalInt.empty(), old).actions())
                .as("busy")
                .isEmpty();
        assertThat(plan(UP_TO_FOUR, AWAKE, NOTHING, OptionalInt.empty(), old).actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("Drain", "Create");
    }

    @Test
    @DisplayName("Recreate: every old pod drains at once, busy or not; work in flight is finished first")
    void recreateDrainsAtOnce() {
        Replica old = old("old");
        Load busy = load(1, 0, Map.of("old", 1), Set.of());

        assertThat(roll(Rollout.Recreate, UP_TO_FOUR, busy, old).actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("Drain", "Create");
    }

    @Test
    @DisplayName("Surge: a successor becomes ready before an old pod drains, one at a time, never fewer than wanted")
    void surgeReplacesOneByOne() {
        ScalingPolicy two = new ScalingPolicy(2, 0, 2, 10, Duration.ofSeconds(30));
        Load busy = load(2, 0, Map.of("a", 1, "b", 1), Set.of());

        assertThat(roll(Rollout.Surge, two, busy, old("a"), old("b")).actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("Create");
        assertThat(roll(Rollout.Surge, two, busy, old("a"), old("b"), pod("new", Phase.Warming)).actions()).isEmpty();
        assertThat(roll(Rollout.Surge, two, busy, old("a"), old("b"), pod("new", Phase.Ready)).actions())
                .extracting(a -> a.getClass().getSimpleName() + " " + a.pod().split("-")[0])
                .containsExactly("Drain a", "Create m");
        assertThat(
                roll(Rollout.Surge, two, busy, old("b"), pod("new", Phase.Ready), pod("new2", Phase.Ready)).actions())
                .extracting(ReplicaAction::pod)
                .containsExactly("b");
    }

    @Test
    @DisplayName("standbyReplicas are warm beyond what requests need, and keep the model awake")
    void standbyIsBeyondDemand() {
        ScalingPolicy standby = new ScalingPolicy(0, 0, 4, 1, 10, Duration.ofSeconds(30));

        assertThat(standby.replicasFor(0)).isEqualTo(1);
        assertThat(standby.replicasFor(15)).isEqualTo(3);
        assertThat(standby.replicasFor(99)).as("within the bounds").isEqualTo(4);
        assertThat(standby.maySleep()).isFalse();
    }

    @Test
    @DisplayName("A pod that cannot start for a bad image is replaced at once when the spec is corrected")
    void aCorrectedSpecReplacesAHopelessPod() {
        Replica hopeless = new Replica("bad", "bad", "older", Phase.Pending, false, T0, null, false,
                new Problem("ImagePullFailed", "no such image"));

        assertThat(plan(UP_TO_FOUR, AWAKE, NOTHING, OptionalInt.empty(), hopeless).actions())
                .extracting(a -> a.getClass().getSimpleName())
                .containsExactly("Delete", "Create");
    }

    @Test
    @DisplayName("Scaling down waits for a full window that needed fewer")
    void scalingDownWaitsForAWindow() {
        Replica first = pod("first", Phase.Ready);
        Replica second = new Replica("second", "second", "t", Phase.Ready, false, T0.plusSeconds(1), T0, true, null);
        Load busyFirst = load(2, 0, Map.of("first", 2), Set.of());

        assertThat(plan(UP_TO_FOUR, AWAKE, busyFirst, OptionalInt.empty(), first, second).actions()).as("no window yet")
                .isEmpty();
        assertThat(plan(UP_TO_FOUR, AWAKE, busyFirst, OptionalInt.of(20), first, second).actions())
                .as("two were needed")
                .isEmpty();
        assertThat(plan(UP_TO_FOUR, AWAKE, busyFirst, OptionalInt.of(10), first, second).actions())
                .extracting(ReplicaAction::pod)
                .containsExactly("second");
        Load bothBusy = load(2, 0, Map.of("first", 1, "second", 1), Set.of());
        assertThat(plan(UP_TO_FOUR, AWAKE, bothBusy, OptionalInt.of(2), first, second).actions())
                .as("the newest among equals; it is drained, and finishes what it has")
                .singleElement()
                .isInstanceOf(Drain.class)
                .extracting(ReplicaAction::pod)
                .isEqualTo("second");
    }

    @Test
    @DisplayName("replicas: n means exactly n, at once")
    void exactlyN() {
        ScalingPolicy two = new ScalingPolicy(2, 0, 1, 10, Duration.ofSeconds(30));

        assertThat(plan(two, AWAKE, NOTHING, OptionalInt.empty(), pod("a", Phase.Ready)).creations()).hasSize(1);
        assertThat(plan(two, AWAKE, NOTHING, OptionalInt.empty(), pod("a", Phase.Ready), pod("b", Phase.Ready),
                pod("c", Phase.Warming)).actions()).singleElement()
                .isInstanceOf(Drain.class)
                .extracting(ReplicaAction::pod)
                .isEqualTo("c");
    }

    @ParameterizedTest(name = "{0} goes before {1}")
    @DisplayName("Scaling down takes the replica with the least to lose")
    @CsvSource({"failed,pending", "pending,restoring", "restoring,loading", "loading,ready", "ready-older-spec,ready",
            "ready,ready-1-in-flight", "ready-1-in-flight,ready-5-in-flight", "ready-restored,ready",
            "ready,ready-saving", "ready-young,ready", "ready-older-spec-5-in-flight,ready-1-in-flight"})
    void theLeastToLoseGoesFirst(String goes, String stays) {
        // A tie would go by name, and take the other.
        Replica victim = described("z", goes);
        Replica other = described("a", stays);
        Map<String, Integer> busy = Map.of("z", inFlight(goes), "a", inFlight(stays));
        Load load = load(inFlight(goes) + inFlight(stays), 0, busy, Set.of());
        for (List<Replica> order : List.of(List.of(victim, other), List.of(other, victim))) {
            ReplicaPlan plan = plan(UP_TO_FOUR, AWAKE, load, OptionalInt.of(1), order.toArray(Replica[]::new));

            assertThat(plan.actions()).extracting(ReplicaAction::pod).containsExactly("z");
        }
    }

    private static boolean serves(Replica replica) {
        return replica.phase() == Phase.Ready && !replica.draining() && replica.template().equals("t");
    }

    private static Replica described(String name, String words) {
        Phase phase = words.startsWith("failed")
                ? Phase.Failed
                : words.startsWith("pending") ? Phase.Pending : words.startsWith("ready") ? Phase.Ready : Phase.Warming;
        return new Replica(name, name, words.contains("older-spec") ? "older" : "t", phase, false,
                words.contains("young") ? T0 : T0.minusSeconds(60), phase == Phase.Ready ? T0 : null,
                !words.contains("saving"), null, words.contains("restor"));
    }

    private static int inFlight(String words) {
        return words.contains("1-in-flight") ? 1 : words.contains("5-in-flight") ? 5 : 0;
    }

    @Test
    @DisplayName("Under even load, when no replica is ever idle, the surplus is drained all the same and deleted when released")
    void scalingDownDoesNotWaitForAnIdleReplica() {
        Map<String, Integer> busy = Map.of("a", 2, "b", 1);

        ReplicaPlan plan = plan(UP_TO_FOUR, AWAKE, load(3, 0, busy, Set.of()), OptionalInt.of(3), pod("a", Phase.Ready),
                pod("b", Phase.Ready));

        assertThat(plan.actions()).singleElement()
                .isInstanceOf(Drain.class)
                .extracting(ReplicaAction::pod)
                .isEqualTo("b");
    }

    @Test
    @DisplayName("Property: no plan ever deletes a pod with work in flight, drains one that is needed, or creates beyond the bounds")
    void noVictimHasWorkInFlight() {
        Random random = new Random(11);
        for (int round = 0; round < 3_000; round++) {
            List<Replica> replicas = new ArrayList<>();
            Map<String, Integer> busy = new java.util.HashMap<>();
            Set<String> seen = new java.util.HashSet<>();
            for (int i = random.nextInt(6); i > 0; i--) {
                Phase phase = Phase.values()[random.nextInt(Phase.values().length)];
                replicas.add(new Replica("p" + i, "p" + i, random.nextBoolean() ? "t" : "older", phase,
                        random.nextInt(4) == 0, T0.minusSeconds(random.nextInt(100)), phase == Phase.Ready ? T0 : null,
                        true,
                        null));
                if (phase == Phase.Ready && random.nextBoolean()) {
                    busy.put("p" + i, 1 + random.nextInt(9));
                }
                if (random.nextBoolean()) {
                    seen.add("p" + i);
                }
            }
            int inFlight = busy.values().stream().mapToInt(Integer::intValue).sum();
            ScalingPolicy policy = new ScalingPolicy(random.nextInt(3), 0, 4, 10, Duration.ofSeconds(1));
            Situation situation = situation(policy, random.nextBoolean() ? AWAKE : null,
                    load(inFlight, random.nextInt(20), busy, seen),
                    random.nextBoolean() ? OptionalInt.of(random.nextInt(40)) : OptionalInt.empty(), Backoff.none("t"),
                    replicas.toArray(Replica[]::new));

            ReplicaPlan plan = ReplicaPlanner.plan(situation, T0);

            for (ReplicaAction action : plan.actions()) {
                boolean atWork = busy.containsKey(action.pod());
                assertThat(action instanceof Delete && atWork).as("%s in %s", action, situation).isFalse();
            }
            Set<String> taken = plan.actions().stream().map(ReplicaAction::pod).collect(Collectors.toSet());
            List<Replica> serving = replicas.stream().filter(ReplicaPlannerTest::serves).toList();
            assertThat(serving.stream().filter(r -> !taken.contains(r.pod())).count())
                    .as("%s in %s", plan.actions(), situation)
                    .isGreaterThanOrEqualTo(Math.min(plan.desired(), serving.size()));
            assertThat(plan.creations().count()).isLessThanOrEqualTo(plan.desired());
        }
    }

    private static ReplicaPlan plan(ScalingPolicy policy, @Nullable Activation activation, Load load, OptionalInt peak,
            Replica... replicas) {
        return ReplicaPlanner.plan(situation(policy, activation, load, peak, Backoff.none("t"), replicas), T0);
    }

    private static Situation situation(ScalingPolicy policy, @Nullable Activation activation, Load load,
            OptionalInt peak,
            Backoff backoff, Replica... replicas) {
        return new Situation("m", "model-uid", policy, activation, "t", List.of(replicas), load, advice(load, peak),
                backoff,
                Urgency.Demand, Rollout.WhenIdle);
    }

    private static ReplicaPlan roll(Rollout rollout, ScalingPolicy policy, Load load, Replica... replicas) {
        return ReplicaPlanner.plan(new Situation("m", "model-uid", policy, AWAKE, "t", List.of(replicas), load,
                advice(load, OptionalInt.empty()), Backoff.none("t"), Urgency.Demand, rollout), T0);
    }

    /** @param peak most requests of the last window */
    private static Optional<ScaleAdvice> advice(Load load, OptionalInt peak) {
        return Optional.of(new ScaleAdvice(Math.ceilDiv(load.requests(), 10),
                peak.isPresent() ? OptionalInt.of(Math.ceilDiv(peak.getAsInt(), 10)) : OptionalInt.empty(), false));
    }

    private static Replica old(String name) {
        return new Replica(name, name, "older", Phase.Ready, false, T0, T0, true, null);
    }

    private static String name(int ordinal) {
        return ReplicaNames.of("m", "model-uid", AWAKE.number(), ordinal);
    }

    private static Replica pod(String name, Phase phase) {
        return new Replica(name, name, "t", phase, false, T0, phase == Phase.Ready ? T0 : null, true, null);
    }

    private static Replica draining(String name) {
        return new Replica(name, name, "t", Phase.Ready, true, T0, T0, true, null);
    }

    private static Load load(int inFlight, int queued, Map<String, Integer> byPod, Set<String> drainingSeen) {
        return new Load.Known(inFlight, queued, null, Duration.ofHours(1), byPod, drainingSeen);
    }
}

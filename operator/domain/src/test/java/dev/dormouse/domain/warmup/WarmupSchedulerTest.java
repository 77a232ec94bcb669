package dev.dormouse.domain.warmup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WarmupSchedulerTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration LEASE = Duration.ofMinutes(10);
    private static final ModelKey MODEL = new ModelKey("demo", "m");

    private final WarmupScheduler scheduler = new WarmupScheduler(WarmupLimits.ofConcurrent(2));

    @Test
    @DisplayName("H42, H43, H46, H62: the vector of the source: p3, p2, saturated; after one completes, p1")
    void followsTheVectorOfTheSource() {
        demand("i1", 1, T0);
        demand("i2", 2, T0);
        demand("i3", 3, T0);

        assertThat(next(T0)).contains("i3");
        assertThat(next(T0)).contains("i2");
        assertThat(next(T0)).isEmpty();

        scheduler.complete(id("i3"), T0);

        assertThat(next(T0)).contains("i1");
    }

    @Test
    @DisplayName("H43, H64: equal priorities keep the order of arrival")
    void equalPrioritiesKeepTheOrderOfArrival() {
        demand("first", 5, T0);
        demand("second", 5, T0);
        demand("higher", 6, T0);

        assertThat(scheduler.queued()).extracting(ReplicaId::pod).containsExactly("higher", "first", "second");
    }

    @Test
    @DisplayName("H44, H48, H49: a full house hands out nothing, though work waits")
    void saturationHandsOutNothing() {
        List.of("a", "b", "c").forEach(pod -> demand(pod, 0, T0));
        next(T0);
        next(T0);

        assertThat(next(T0)).isEmpty();
        assertThat(scheduler.pendingCount()).isEqualTo(1);
        assertThat(scheduler.activeCount()).isEqualTo(2);
    }

    @Test
    @DisplayName("H45: nobody waits, nobody is admitted")
    void anEmptyQueueHandsOutNothing() {
        assertThat(next(T0)).isEmpty();
    }

    @Test
    @DisplayName("H51: a limit below one is refused instead of never handing out work")
    void aLimitBelowOneIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> WarmupLimits.ofConcurrent(0))
                .withMessageContaining("at least one");
    }

    @Test
    @DisplayName("H47, H64, H69: completing twice, or what nobody knows, frees no capacity")
    void completingIsIdempotent() {
        List.of("a", "b", "c", "d").forEach(pod -> demand(pod, 0, T0));
        next(T0);
        next(T0);

        scheduler.complete(id("stranger"), T0);
        scheduler.complete(id("a"), T0);
        scheduler.complete(id("a"), T0);

        assertThat(next(T0)).contains("c");
        assertThat(next(T0)).isEmpty();
    }

    @Test
    @DisplayName("H68: the same replica twice is one entry; the new priority counts, the arrival stays")
    void schedulingAgainUpdatesThePriority() {
        demand("a", 1, T0);
        demand("b", 2, T0);
        demand("a", 3, T0.plusSeconds(1));

        assertThat(scheduler.queued()).extracting(ReplicaId::pod).containsExactly("a", "b");

        demand("a", 2, T0.plusSeconds(2));

        assertThat(scheduler.queued()).extracting(ReplicaId::pod).as("a came first").containsExactly("a", "b");
    }

    @Test
    @DisplayName("H68: an active replica is not queued again")
    void anActiveReplicaIsNotQueuedAgain() {
        demand("a", 0, T0);
        next(T0);

        demand("a", 9, T0);

        assertThat(scheduler.pendingCount()).isZero();
        assertThat(next(T0)).isEmpty();
    }

    @Test
    @DisplayName("H70: a slot whose holder is never heard of again falls free when its lease ends")
    void aLeaseThatEndsFreesTheSlot() {
        List.of("a", "b", "c").forEach(pod -> demand(pod, 0, T0));
        next(T0);
        next(T0);

        assertThat(next(T0.plus(LEASE).minusMillis(1))).isEmpty();
        assertThat(next(T0.plus(LEASE))).contains("c");
    }

    @Test
    @DisplayName("H70: cancelling takes a replica out of the queue, and its model's others are left alone")
    void cancellingTakesOutOfTheQueue() {
        demand("a", 0, T0);
        demand("b", 0, T0);

        scheduler.retain(MODEL, Set.of(id("b")), T0);

        assertThat(scheduler.queued()).containsExactly(id("b"));
    }

    @Test
    @DisplayName("H70: a model that is gone holds neither slots nor places; other models keep theirs")
    void aModelThatIsGoneHoldsNothing() {
        ReplicaId other = new ReplicaId(new ModelKey("demo", "other"), "x");
        demand("a", 0, T0);
        scheduler.schedule(new WarmupRequest(other, Urgency.Demand, 0, LEASE), T0);
        demand("c", 0, T0);
        next(T0);
        next(T0);

        scheduler.retain(MODEL, Set.of(), T0);

        assertThat(scheduler.activeCount()).isEqualTo(1);
        assertThat(scheduler.isActive(other)).isTrue();
        assertThat(scheduler.pendingCount()).isZero();
    }

    @Test
    @DisplayName("H70: after a restart the live pods hold their slots, even above the limit")
    void theActiveSetIsRebuiltFromLivePods() {
        List.of("a", "b", "c").forEach(pod -> scheduler.adopt(id(pod), T0, LEASE, T0));
        demand("d", 0, T0);

        assertThat(next(T0)).isEmpty();

        scheduler.complete(id("a"), T0);
        assertThat(next(T0)).as("two of two are still active").isEmpty();

        scheduler.complete(id("b"), T0);
        assertThat(next(T0)).contains("d");
    }

    @Test
    @DisplayName("H70: a pod that outlived its lease is not taken up again")
    void anOverduePodIsNotAdopted() {
        scheduler.adopt(id("a"), T0, LEASE, T0.plus(LEASE));

        assertThat(scheduler.activeCount()).isZero();
    }

    @Test
    @DisplayName("H71: ten seconds of waiting are worth one point of priority")
    void waitingRaisesThePriority() {
        demand("patient", 0, T0);
        demand("important", 3, T0.plusSeconds(29));
        demand("late", 3, T0.plusSeconds(31));

        assertThat(scheduler.queued()).extracting(ReplicaId::pod).containsExactly("important", "patient", "late");
    }

    @Test
    @DisplayName("H71: a stream of important arrivals does not starve a humble one")
    void nobodyStarves() {
        WarmupScheduler single = new WarmupScheduler(WarmupLimits.ofConcurrent(1));
        single.schedule(new WarmupRequest(id("humble"), Urgency.Demand, 0, LEASE), T0);
        Instant now = T0;
        Optional<ReplicaId> admitted = Optional.empty();
        int rounds = 0;
        while (!admitted.equals(Optional.of(id("humble")))) {
            single.schedule(new WarmupRequest(id("vip" + rounds), Urgency.Demand, 10, LEASE), now);
            single.schedule(new WarmupRequest(id("vip'" + rounds), Urgency.Demand, 10, LEASE), now);
            Instant at = now;
            admitted.ifPresent(id -> single.complete(id, at));
            admitted = single.next(now);
            now = now.plusSeconds(1);
            rounds++;
            assertThat(rounds).as("10 points at 10 s each").isLessThan(210);
        }
    }

    @Test
    @DisplayName("Design §5: a waiting client goes before any pre-warming, whatever the priority")
    void demandOutranksPreWarming() {
        preWarm("warm", 1000, T0);
        demand("client", -1000, T0.plusSeconds(60));

        assertThat(next(T0.plusSeconds(60))).contains("client");
    }

    @Test
    @DisplayName("H71: pre-warming that waited long enough counts as demand, and stays so when asked for again")
    void patientPreWarmingCountsAsDemand() {
        Instant later = T0.plus(Duration.ofMinutes(5));
        preWarm("warm", 0, T0);
        demand("client", 0, later);

        preWarm("warm", 0, later);

        assertThat(next(later)).contains("warm");
    }

    @Test
    @DisplayName("A client that comes while its model is pre-warming lifts it; one that leaves lets it fall again")
    void urgencyMayChangeWhileWaiting() {
        preWarm("a", 0, T0);
        preWarm("b", 0, T0);
        demand("b", 0, T0);
        assertThat(scheduler.queued()).extracting(ReplicaId::pod).containsExactly("b", "a");

        preWarm("b", 0, T0);
        assertThat(scheduler.queued()).extracting(ReplicaId::pod).containsExactly("a", "b");
    }

    @Test
    @DisplayName("Every queued replica can tell its place and why it waits")
    void aWaitingReplicaKnowsItsPlace() {
        List.of("a", "b", "c", "d").forEach(pod -> demand(pod, 0, T0));
        next(T0);
        next(T0);

        assertThat(scheduler.position(id("c"))).contains(new QueuePosition(1, "2 of 2 warmup slots are in use"));
        assertThat(scheduler.position(id("d")))
                .contains(new QueuePosition(2, "2 of 2 warmup slots are in use, 1 replica first"));
        assertThat(scheduler.position(id("a"))).as("active").isEmpty();
    }

    @Test
    @DisplayName("X2: a client that waits replaces the latest pre-warming replica that has not begun; one that has keeps its slot")
    void demandReplacesPreWarmingThatHasNotBegun() {
        preWarm("begun", 0, T0);
        preWarm("idle", 0, T0);
        next(T0);
        next(T0.plusSeconds(1));
        scheduler.begun(id("begun"));
        assertThat(scheduler.replacePreWarming(T0)).as("nobody waits").isEmpty();

        demand("client", 0, T0.plusSeconds(2));

        assertThat(scheduler.replacePreWarming(T0.plusSeconds(2))).contains(id("idle"));
        assertThat(next(T0.plusSeconds(2))).contains("client");
        demand("second", 0, T0.plusSeconds(3));
        assertThat(scheduler.replacePreWarming(T0.plusSeconds(3))).as("both have begun or are demanded").isEmpty();
    }

    @Test
    @DisplayName("H71: pre-warming that is replaced again and again is admitted for good within its patience")
    void beingReplacedStarvesNobody() {
        WarmupScheduler single = new WarmupScheduler(WarmupLimits.ofConcurrent(1));
        Instant now = T0;
        boolean settled = false;
        for (int round = 0; !settled; round++) {
            assertThat(now).as("its patience, and one slot").isBefore(T0.plus(Duration.ofMinutes(6)));
            single.schedule(new WarmupRequest(id("humble"), Urgency.PreWarm, 0, LEASE), now);
            single.next(now);
            ReplicaId client = new ReplicaId(new ModelKey("demo", "busy"), "c" + round);
            single.schedule(new WarmupRequest(client, Urgency.Demand, 9, LEASE), now);
            settled = single.isActive(id("humble")) && single.replacePreWarming(now).isEmpty();
            single.next(now);
            single.complete(client, now);
            now = now.plusSeconds(10);
        }
    }

    @Test
    @DisplayName("A waiting replica's ETA follows from how long slots are held")
    void theEtaFollowsFromTheSlotTimes() {
        List.of("a", "b", "c", "d", "e").forEach(pod -> demand(pod, 0, T0));
        next(T0);
        next(T0);
        assertThat(scheduler.position(id("c")).orElseThrow().eta()).as("nothing was measured").isEmpty();

        scheduler.complete(id("a"), T0.plusSeconds(20));
        next(T0.plusSeconds(20));

        assertThat(scheduler.position(id("d")).orElseThrow().eta()).contains(Duration.ofSeconds(20));
        assertThat(scheduler.position(id("e")).orElseThrow().eta()).as("two slots side by side")
                .contains(Duration.ofSeconds(20));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    @DisplayName("H50: any sequence of operations keeps the limit, loses nobody, and admits everybody in the end")
    void anySequenceKeepsTheInvariants(long seed) {
        Random random = new Random(seed);
        int limit = 1 + random.nextInt(4);
        WarmupScheduler any = new WarmupScheduler(WarmupLimits.ofConcurrent(limit));
        Set<ReplicaId> waiting = new HashSet<>();
        Set<ReplicaId> active = new HashSet<>();
        Instant now = T0;
        for (int step = 0; step < 2_000; step++) {
            ReplicaId replica = id("p" + random.nextInt(40));
            switch (random.nextInt(4)) {
                case 0, 1 -> {
                    any.schedule(
                            new WarmupRequest(replica, Urgency.values()[random.nextInt(2)], random.nextInt(10), LEASE),
                            now);
                    if (!active.contains(replica)) {
                        waiting.add(replica);
                    }
                }
                case 2 -> {
                    any.complete(replica, now);
                    waiting.remove(replica);
                    active.remove(replica);
                }
                default -> {
                    Optional<ReplicaId> admitted = any.next(now);
                    assertThat(admitted.isPresent()).isEqualTo(active.size() < limit && !waiting.isEmpty());
                    admitted.ifPresent(id -> {
                        assertThat(waiting.remove(id)).isTrue();
                        assertThat(active.add(id)).isTrue();
                    });
                }
            }
            assertThat(any.activeCount()).isEqualTo(active.size()).isLessThanOrEqualTo(limit);
            assertThat(any.pendingCount()).isEqualTo(waiting.size());
            now = now.plusMillis(random.nextInt(100));
        }
        List<ReplicaId> rest = new ArrayList<>(waiting);
        Instant end = now;
        active.forEach(id -> any.complete(id, end));
        while (!waiting.isEmpty()) {
            ReplicaId admitted = any.next(now).orElseThrow();
            assertThat(waiting.remove(admitted)).isTrue();
            any.complete(admitted, now);
        }
        assertThat(rest).allSatisfy(id -> assertThat(any.position(id)).isEmpty());
    }

    private void demand(String pod, int priority, Instant now) {
        scheduler.schedule(new WarmupRequest(id(pod), Urgency.Demand, priority, LEASE), now);
    }

    private void preWarm(String pod, int priority, Instant now) {
        scheduler.schedule(new WarmupRequest(id(pod), Urgency.PreWarm, priority, LEASE), now);
    }

    private Optional<String> next(Instant now) {
        return scheduler.next(now).map(ReplicaId::pod);
    }

    private static ReplicaId id(String pod) {
        return new ReplicaId(MODEL, pod);
    }
}

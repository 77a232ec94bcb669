package dev.dormouse.domain.hold;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect.Demand;
import dev.dormouse.domain.hold.Effect.Grant;
import dev.dormouse.domain.hold.Effect.Reason;
import dev.dormouse.domain.hold.Effect.Reject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * L4, L40, L43, L46: the core is driven event by event, without threads, and its effects are looked at; the first suite to
 * be written was its decision table (D4).
 */
class HoldCoreTest {
    private static final ModelKey A = new ModelKey("default", "a");
    private static final ModelKey B = new ModelKey("default", "b");
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    private final HoldCore core = new HoldCore(HoldLimits.ofRequests(100, 150));

    private static HeldRequest request(long id, ModelKey model, int priority) {
        return new HeldRequest(id, model, priority, T0.plusMillis(id), T0.plusSeconds(10), 10, true, 0);
    }

    private static HeldRequest request(long id) {
        return request(id, A, 0);
    }

    private void known(int limit) {
        core.model(A, ModelLimits.ofConcurrency(limit));
    }

    @Test
    @DisplayName("L7, D4: unknown is 404")
    void unknownModelIsRejected() {
        assertThat(core.arrived(request(1))).containsExactly(new Reject(1, Reason.UnknownModel));
    }

    @Test
    @DisplayName("L3, L9, D4: a ready replica with room serves at once")
    void readyReplicaServesAtOnce() {
        known(10);
        core.replicas(A, List.of("p1"));

        assertThat(core.arrived(request(1))).containsExactly(new Grant(1, "p1"));
    }

    @Test
    @DisplayName("L2, L8: however many wait, the model is demanded once")
    void manyWaitersDemandOnce() {
        known(10);

        assertThat(core.arrived(request(1))).containsExactly(new Demand(A));
        assertThat(core.arrived(request(2))).isEmpty();
        assertThat(core.waiting(A)).isEqualTo(2);
    }

    @Test
    @DisplayName("L1, L24, L27, L47, BL9, BL10: waiting requests count against the limit; the next is rejected, not queued")
    void waitingRequestsCountAgainstTheLimit() {
        known(2);
        core.arrived(request(1));
        core.arrived(request(2));

        assertThat(core.arrived(request(3))).containsExactly(new Reject(3, Reason.OverLimit));
    }

    @Test
    @DisplayName("L26, L53: the limit grows with ready replicas and each replica keeps its own")
    void limitGrowsWithReplicas() {
        known(1);
        core.replicas(A, List.of("p1", "p2"));

        assertThat(core.arrived(request(1))).containsExactly(new Grant(1, "p1"));
        assertThat(core.arrived(request(2))).containsExactly(new Grant(2, "p2"));
        assertThat(core.arrived(request(3))).containsExactly(new Reject(3, Reason.OverLimit));
    }

    @Test
    @DisplayName("The limit is split over the gateways, rounded up")
    void limitIsSplitOverGateways() {
        HoldCore third = new HoldCore(HoldLimits.ofRequests(100, 100));
        third.gateways(3);
        third.model(A, ModelLimits.ofConcurrency(10));
        for (int i = 1; i <= 4; i++) {
            assertThat(third.arrived(request(i)).stream().filter(Reject.class::isInstance)).isEmpty();
        }

        assertThat(third.arrived(request(5))).containsExactly(new Reject(5, Reason.OverLimit));
    }

    @Test
    @DisplayName("L3, L29, X1: a wake releases by priority, then arrival")
    void releasedByPriorityThenArrival() {
        known(10);
        core.arrived(request(1, A, 0));
        core.arrived(request(2, A, 5));
        core.arrived(request(3, A, 5));

        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(2, "p"), new Grant(3, "p"),
                new Grant(1, "p"));
    }

    @Test
    @DisplayName("L18, L19, L30: every freed place is given on, not only the last")
    void everyFreedPlaceIsGivenOn() {
        known(2);
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.arrived(request(2));
        core.model(A, ModelLimits.ofConcurrency(4));
        core.model(A, ModelLimits.ofConcurrency(2));

        assertThat(core.served(1)).isEmpty();
        assertThat(core.arrived(request(3))).containsExactly(new Grant(3, "p"));
    }

    @Test
    @DisplayName("L14, L16, L55: a client that left frees its place; cancelling twice is nothing")
    void cancelFreesThePlace() {
        known(1);
        core.arrived(request(1));
        assertThat(core.cancelled(1)).isEmpty();
        assertThat(core.cancelled(1)).isEmpty();

        assertThat(core.arrived(request(2))).containsExactly(new Demand(A));
        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(2, "p"));
    }

    @Test
    @DisplayName("L15, L31: a wake that finds no waiter grants nothing")
    void wakeWithoutWaiters() {
        known(1);
        core.arrived(request(1));
        core.cancelled(1);

        assertThat(core.replicas(A, List.of("p"))).isEmpty();
    }

    @Test
    @DisplayName("L25: cancelling a granted request gives its place to the next")
    void cancelWhileServing() {
        known(1);
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.cancelled(1);

        assertThat(core.arrived(request(2))).containsExactly(new Grant(2, "p"));
    }

    @Test
    @DisplayName("L56: ending a request that is not served is an error, not a negative count")
    void unbalancedEndIsAnError() {
        assertThatThrownBy(() -> core.served(7)).isInstanceOf(IllegalStateException.class).hasMessageContaining("7");
    }

    @Test
    @DisplayName("L52: bounded queues and deadlines")
    void queuesAreBoundedAndDeadlinesEnd() {
        HoldCore small = new HoldCore(HoldLimits.ofRequests(2, 3));
        small.model(A, ModelLimits.ofConcurrency(100));
        small.model(B, ModelLimits.ofConcurrency(100));
        small.arrived(request(1));
        small.arrived(request(2));
        assertThat(small.arrived(request(3))).containsExactly(new Reject(3, Reason.QueueFull));
        small.arrived(request(4, B, 0));
        assertThat(small.arrived(request(5, B, 0))).containsExactly(new Reject(5, Reason.QueueFull));

        assertThat(small.tick(T0.plusMillis(9999))).isEmpty();
        assertThat(small.tick(T0.plusSeconds(10))).containsExactlyInAnyOrder(new Reject(1, Reason.DeadlineExceeded),
                new Reject(2, Reason.DeadlineExceeded), new Reject(4, Reason.DeadlineExceeded));
        assertThat(small.idle()).isTrue();
    }

    @Test
    @DisplayName("L60: a model removed while requests wait answers them 404; those at a replica run on")
    void removedModel() {
        known(1);
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.model(A, ModelLimits.ofConcurrency(5));
        core.replicas(A, List.of());
        core.arrived(request(2));

        assertThat(core.removed(A)).containsExactly(new Reject(2, Reason.UnknownModel));
        assertThat(core.serving(A)).isEqualTo(1);
        assertThat(core.served(1)).isEmpty();
        assertThat(core.idle()).isTrue();
    }

    @Test
    @DisplayName("L5, L60: a limit lowered at run time sheds new requests and kills none")
    void loweredLimit() {
        known(3);
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.arrived(request(2));

        assertThat(core.model(A, ModelLimits.ofConcurrency(1))).isEmpty();
        assertThat(core.arrived(request(3))).containsExactly(new Reject(3, Reason.OverLimit));
        assertThat(core.serving(A)).isEqualTo(2);
    }

    @Test
    @DisplayName("L21, L50: a replica that is gone gets nothing, and its late end changes nothing else")
    void drainingReplicaGetsNothing() {
        known(2);
        core.replicas(A, List.of("old"));
        core.arrived(request(1));
        core.replicas(A, List.of());
        assertThat(core.arrived(request(2))).containsExactly(new Demand(A));

        assertThat(core.served(1)).isEmpty();
        assertThat(core.replicas(A, List.of("new"))).containsExactly(new Grant(2, "new"));
    }

    @Test
    @DisplayName("A request that never reached its replica keeps its place in the queue")
    void returnedRequestKeepsItsPlace() {
        known(2);
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.arrived(request(2));

        assertThat(core.returned(2)).containsExactly(new Demand(A));
        assertThat(core.returned(1)).isEmpty();
        assertThat(core.replicas(A, List.of("q"))).containsExactly(new Grant(1, "q"), new Grant(2, "q"));
    }

    @Test
    @DisplayName("L23, L51: closing refuses new requests, keeps held ones, and tells them when the time is over")
    void closing() {
        known(5);
        core.arrived(request(1));
        core.arrived(request(2));
        core.close();

        assertThat(core.arrived(request(3))).containsExactly(new Reject(3, Reason.ShuttingDown));
        core.cancelled(2);
        assertThat(core.abandon()).containsExactly(new Reject(1, Reason.ShuttingDown));
        assertThat(core.idle()).isTrue();
    }

    @Test
    @DisplayName("L23: while closing, a request that missed its replica waits again; after the end it is told")
    void returnedWhileClosing() {
        known(5);
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.arrived(request(2));
        core.close();

        assertThat(core.returned(1)).containsExactly(new Demand(A));
        assertThat(core.replicas(A, List.of("q"))).containsExactly(new Grant(1, "q"));
        core.abandon();
        assertThat(core.returned(2)).containsExactly(new Reject(2, Reason.ShuttingDown));
    }

    @Test
    @DisplayName("A returned request that another replica takes needs no wake")
    void returnedRequestGoesToAnotherReplica() {
        known(2);
        core.replicas(A, List.of("p", "q"));
        core.arrived(request(1));

        assertThat(core.returned(1)).containsExactly(new Grant(1, "q"));
    }

    @Test
    @DisplayName("L55, L60: requests are told apart by id, and an id is used once")
    void anIdIsUsedOnce() {
        known(2);
        core.arrived(request(1));

        assertThatThrownBy(() -> core.arrived(request(1))).isInstanceOf(IllegalStateException.class);
        assertThat(core.waiting(A)).isEqualTo(1);
    }

    @Test
    @DisplayName("L17, L32: a replica that comes twice grants once; one that still carries requests keeps its count")
    void repeatedReplicaEvents() {
        known(2);
        core.arrived(request(1));
        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(1, "p"));
        assertThat(core.replicas(A, List.of("p"))).isEmpty();
        core.replicas(A, List.of());
        core.replicas(A, List.of("p"));

        core.arrived(request(2));
        assertThat(core.arrived(request(3))).containsExactly(new Reject(3, Reason.OverLimit));
    }

    @Test
    @DisplayName("L27: a model that says so queues what is over its limit, up to its own bound")
    void overLimitMayQueue() {
        core.model(A, new ModelLimits(1, true, 2));
        core.replicas(A, List.of("p"));
        core.arrived(request(1));
        core.arrived(request(2));
        core.arrived(request(3));

        assertThat(core.arrived(request(4))).containsExactly(new Reject(4, Reason.QueueFull));
        assertThat(core.served(1)).containsExactly(new Grant(2, "p"));
    }

    @Test
    @DisplayName("A request that may not wait is turned away, and the model is woken nevertheless")
    void mayNotWait() {
        known(10);
        HeldRequest hurried = new HeldRequest(1, A, 0, T0, T0.plusSeconds(1), 0, false, 0);

        assertThat(core.arrived(hurried)).containsExactly(new Demand(A), new Reject(1, Reason.Waking));
        assertThat(core.idle()).isTrue();
        core.replicas(A, List.of("p"));
        assertThat(core.arrived(hurried)).containsExactly(new Grant(1, "p"));
    }

    @Test
    @DisplayName("L49: a point of priority is worth ten seconds of waiting, so nobody starves")
    void waitingAges() {
        known(10);
        Instant late = T0.plusSeconds(100);
        core.arrived(new HeldRequest(1, A, 0, T0, late.plusSeconds(100), 10, true, 0));
        core.arrived(new HeldRequest(2, A, 5, T0.plusSeconds(49), late.plusSeconds(100), 10, true, 0));
        core.arrived(new HeldRequest(3, A, 5, T0.plusSeconds(51), late.plusSeconds(100), 10, true, 0));

        assertThat(core.queued(A)).extracting(HeldRequest::id).containsExactly(2L, 1L, 3L);
        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(2, "p"), new Grant(1, "p"),
                new Grant(3, "p"));
    }

    @Test
    @DisplayName("L52: what waiting requests keep in memory is bounded, and freed when they leave")
    void heldBytesAreBounded() {
        HoldCore small = new HoldCore(HoldLimits.ofRequests(100, 100).withBytes(25));
        small.model(A, ModelLimits.ofConcurrency(100));
        small.arrived(request(1));
        small.arrived(request(2));

        assertThat(small.arrived(request(3))).containsExactly(new Reject(3, Reason.QueueFull));
        small.cancelled(1);
        assertThat(small.arrived(request(4))).isEmpty();
        assertThat(small.heldBytes()).isEqualTo(20);
        small.replicas(A, List.of("p"));
        assertThat(small.heldBytes()).isZero();
    }

    @Test
    @DisplayName("L52: a failed wake is one answer to all its waiters; then requests are turned away for a while")
    void failedWakeBacksOff() {
        known(10);
        core.arrived(request(1));
        core.arrived(request(2));
        Wake first = new Wake(T0, 1);

        assertThat(core.wakeFailed(A, first, T0.plusSeconds(1))).containsExactly(new Reject(1, Reason.WakeFailed),
                new Reject(2, Reason.WakeFailed));
        assertThat(core.wakeFailed(A, first, T0.plusSeconds(9))).as("said twice").isEmpty();
        assertThat(core.retryAt(A)).contains(T0.plusSeconds(2));
        assertThat(core.arrived(request(3))).containsExactly(new Reject(3, Reason.WakeFailed));
        assertThat(core.arrived(request(2001))).containsExactly(new Demand(A));

        core.wakeFailed(A, new Wake(T0, 2), T0.plusSeconds(10));
        assertThat(core.retryAt(A)).as("the pause doubles").contains(T0.plusSeconds(12));
        core.replicas(A, List.of("p"));
        assertThat(core.retryAt(A)).as("a replica ends the row").isEmpty();
    }

    @Test
    @DisplayName("L20, L21, L50: unloading tells the waiters, and the old wake's late failure harms no new request")
    void unloadedModel() {
        known(10);
        Wake old = new Wake(T0, 1);
        core.arrived(request(1));
        core.arrived(request(2, B, 0));

        assertThat(core.unloaded(A, Optional.of(old))).containsExactly(new Reject(1, Reason.Unloaded));
        assertThat(core.arrived(request(3))).containsExactly(new Demand(A));
        assertThat(core.wakeFailed(A, old, T0.plusSeconds(1))).isEmpty();
        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(3, "p"));
    }

    @Test
    @DisplayName("A wake lets its waiters go at a pace, in their order, and nobody overtakes them")
    void pacedRelease() {
        HoldCore paced = new HoldCore(new HoldLimits(100, 100, 1000, 2, Duration.ofSeconds(10)));
        paced.model(A, ModelLimits.ofConcurrency(50));
        for (int i = 1; i <= 5; i++) {
            paced.arrived(request(i));
        }

        assertThat(paced.replicas(A, List.of("p"))).containsExactly(new Grant(1, "p"), new Grant(2, "p"));
        assertThat(paced.arrived(request(6))).isEmpty();
        assertThat(paced.tick(T0)).as("a quarter faster, at least one more")
                .containsExactly(new Grant(3, "p"), new Grant(4, "p"), new Grant(5, "p"));
        assertThat(paced.tick(T0)).containsExactly(new Grant(6, "p"));
        assertThat(paced.arrived(request(7))).containsExactly(new Grant(7, "p"));
    }

    /** Counts what each request got, in the slowest obvious way. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    @DisplayName("L25, L56: over random events every request ends exactly once and nothing leaks")
    void everyRequestEndsExactlyOnce(long seed) {
        Random random = new Random(seed);
        Map<Long, String> state = new HashMap<>();
        Map<Long, ModelKey> modelOf = new HashMap<>();
        Set<String> pods = new HashSet<>();
        List<ModelKey> keys = List.of(A, B);
        Instant now = T0;
        long next = 0;
        core.model(A, ModelLimits.ofConcurrency(3));
        core.model(B, ModelLimits.ofConcurrency(7));
        for (int step = 0; step < 25_000; step++) {
            now = now.plusMillis(random.nextInt(50));
            ModelKey key = keys.get(random.nextInt(2));
            List<Long> granted = in(state, "granted");
            List<Long> held = in(state, "waiting");
            List<Effect> effects = new ArrayList<>();
            switch (random.nextInt(8)) {
                case 0, 1, 2 -> {
                    long id = ++next;
                    state.put(id, "waiting");
                    modelOf.put(id, key);
                    effects.addAll(
                            core.arrived(
                                    new HeldRequest(id, key, random.nextInt(3), now, now.plusMillis(400), 10, true,
                                            0)));
                }
                case 3 -> {
                    if (!granted.isEmpty()) {
                        long id = granted.get(random.nextInt(granted.size()));
                        state.put(id, "ended");
                        effects.addAll(core.served(id));
                    }
                }
                case 4 -> {
                    List<Long> open = random.nextBoolean() ? granted : held;
                    if (!open.isEmpty()) {
                        long id = open.get(random.nextInt(open.size()));
                        state.put(id, "ended");
                        effects.addAll(core.cancelled(id));
                    }
                }
                case 5 -> {
                    pods.clear();
                    for (int i = random.nextInt(3); i > 0; i--) {
                        pods.add(key.name() + random.nextInt(4));
                    }
                    effects.addAll(core.replicas(key, List.copyOf(pods)));
                }
                case 6 -> effects.addAll(core.tick(now));
                default -> {
                    if (!granted.isEmpty() && random.nextInt(4) == 0) {
                        long id = granted.get(random.nextInt(granted.size()));
                        state.put(id, "waiting");
                        effects.addAll(core.returned(id));
                    } else if (random.nextInt(20) == 0) {
                        effects.addAll(core.removed(key));
                        effects.addAll(core.model(key, ModelLimits.ofConcurrency(1 + random.nextInt(8))));
                    }
                }
            }
            for (Effect effect : effects) {
                switch (effect) {
                    case Grant grant -> assertThat(state.put(grant.request(), "granted")).isEqualTo("waiting");
                    case Reject reject -> assertThat(state.put(reject.request(), "ended")).isEqualTo("waiting");
                    case Demand demand -> assertThat(core.waiting(demand.model())).isPositive();
                }
            }
            for (ModelKey each : keys) {
                assertThat(core.waiting(each)).isEqualTo(count(state, modelOf, each, "waiting"));
                assertThat(core.serving(each)).isEqualTo(count(state, modelOf, each, "granted"));
            }
            state.values().removeIf("ended"::equals);
        }
        assertThat(core.waitingInAll() + core.servingInAll()).isEqualTo(state.size());
        for (ModelKey key : keys) {
            core.removed(key);
            core.replicas(key, List.of());
        }
        in(state, "granted").forEach(core::served);
        assertThat(core.idle()).isTrue();
        assertThat(core.models()).as("models still remembered").isZero();
    }

    private static List<Long> in(Map<Long, String> state, String wanted) {
        return state.entrySet()
                .stream()
                .filter(entry -> entry.getValue().equals(wanted))
                .map(Map.Entry::getKey)
                .sorted()
                .toList();
    }

    private static int count(Map<Long, String> state, Map<Long, ModelKey> modelOf, ModelKey key, String wanted) {
        return (int) state.entrySet()
                .stream()
                .filter(entry -> entry.getValue().equals(wanted) && key.equals(modelOf.get(entry.getKey())))
                .count();
    }
}

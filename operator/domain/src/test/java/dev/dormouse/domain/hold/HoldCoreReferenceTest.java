package dev.dormouse.domain.hold;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect.Demand;
import dev.dormouse.domain.hold.Effect.Grant;
import dev.dormouse.domain.hold.Effect.Reason;
import dev.dormouse.domain.hold.Effect.Reject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The core against a second one that is as slow and as obvious as can be: one list, counted anew for every question. */
class HoldCoreReferenceTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final List<ModelKey> MODELS = List.of(new ModelKey("default", "a"), new ModelKey("default", "b"),
            new ModelKey("other", "a"));
    /** Raised for the long count: 2500 of them are ten million events. */
    private static final int EPISODES = Integer.getInteger("hold.episodes", 40);
    private static final int STEPS = 500;

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13, 14, 15, 16, 17, 18})
    @DisplayName("D4, L14–L18, L20–L29, L47, L49–L53, L56, L60: the same effects as the obvious table, event by event")
    void sameEffectsAsTheObviousTable(long seed) {
        for (int episode = 0; episode < EPISODES; episode++) {
            new Episode(new Random(seed * 1_000 + episode)).run();
        }
    }

    /** Decides from one list of requests; a pod's name says for whom it is counted. */
    private static final class Obvious {
        private final HoldLimits limits;
        private final List<HeldRequest> here = new ArrayList<>();
        private final Map<Long, String> podOf = new HashMap<>();
        private final Map<ModelKey, ModelLimits> own = new HashMap<>();
        private final Map<ModelKey, Set<String>> open = new HashMap<>();
        private final Map<ModelKey, Integer> released = new HashMap<>();
        /** How many may be released between two ticks, where that is not the usual number. */
        private final Map<ModelKey, Integer> strides = new HashMap<>();
        private final Map<ModelKey, Wake> newestFailure = new HashMap<>();
        private final Map<ModelKey, Integer> failures = new HashMap<>();
        private final Map<ModelKey, Instant> retryAt = new HashMap<>();
        private final int gateways;
        private boolean closed;
        private boolean abandoned;

        Obvious(HoldLimits limits, int gateways) {
            this.limits = limits;
            this.gateways = gateways;
        }

        private Set<String> open(ModelKey key) {
            return open.computeIfAbsent(key, none -> new HashSet<>());
        }

        /** 0 for an unknown model. */
        private int concurrency(ModelKey key) {
            return isKnown(key) ? limits(key).concurrency() : 0;
        }

        private ModelLimits limits(ModelKey key) {
            return own.getOrDefault(key, ModelLimits.ofConcurrency(1));
        }

        private boolean isKnown(ModelKey key) {
            return own.containsKey(key);
        }

        List<HeldRequest> waiting(ModelKey key) {
            return here.stream()
                    .filter(request -> request.model().equals(key) && !podOf.containsKey(request.id()))
                    .sorted(Comparator
                            .comparing((HeldRequest request) -> request.arrivedAt()
                                    .minusMillis(request.priority() * limits.ageing().toMillis()))
                            .thenComparing(HeldRequest::id))
                    .toList();
        }

        List<Long> serving() {
            return here.stream().map(HeldRequest::id).filter(podOf::containsKey).toList();
        }

        List<Long> waiting() {
            return here.stream().map(HeldRequest::id).filter(id -> !podOf.containsKey(id)).toList();
        }

        private long reserved(ModelKey key) {
            return here.stream().filter(request -> request.model().equals(key)).count();
        }

        private long at(String pod) {
            return podOf.values().stream().filter(pod::equals).count();
        }

        /** The replicas any of which may be chosen. */
        private Set<String> emptiest(ModelKey key) {
            long fewest = open(key).stream().mapToLong(this::at).min().orElse(Long.MAX_VALUE);
            Set<String> best = new HashSet<>();
            if (fewest < concurrency(key)) {
                open(key).stream().filter(pod -> at(pod) == fewest).forEach(best::add);
            }
            return best;
        }

        private long limit(ModelKey key) {
            long all = (long) concurrency(key) * Math.max(1, open(key).size());
            return (all + gateways - 1) / gateways;
        }

        void arrived(HeldRequest request, Deque<Effect> effects) {
            ModelKey key = request.model();
            Reason refused = null;
            if (closed) {
                refused = Reason.ShuttingDown;
            } else if (!isKnown(key)) {
                refused = Reason.UnknownModel;
            } else if (!limits(key).queues() && reserved(key) >= limit(key)) {
                refused = Reason.OverLimit;
            } else if (!waiting(key).isEmpty() || emptiest(key).isEmpty()) {
                if (open(key).isEmpty() && request.arrivedAt().isBefore(retryAt.getOrDefault(key, Instant.MIN))) {
                    refused = Reason.WakeFailed;
                } else if (open(key).isEmpty() && !request.mayWait()) {
                    assertThat(effects.poll()).isEqualTo(new Demand(key));
                    refused = Reason.Waking;
                } else if (waiting(key).size() >= Math.min(limits.perModel(), limits(key).maxQueued())
                        || waiting().size() >= limits.inAll()
                        || heldBytes() + request.bytes() > limits.bytesInAll()) {
                    refused = Reason.QueueFull;
                }
            }
            if (refused != null) {
                assertThat(effects.poll()).isEqualTo(new Reject(request.id(), refused));
                return;
            }
            boolean nobodyWaits = waiting(key).isEmpty();
            here.add(request);
            if (nobodyWaits && !emptiest(key).isEmpty()) {
                grantFirst(key, effects);
            }
            if (waiting(key).equals(List.of(request))) {
                assertThat(effects.poll()).isEqualTo(new Demand(key));
            }
        }

        private void drain(ModelKey key, Deque<Effect> effects) {
            while (!emptiest(key).isEmpty() && !waiting(key).isEmpty()
                    && released.getOrDefault(key, 0) < stride(key)) {
                grantFirst(key, effects);
                released.merge(key, 1, Integer::sum);
            }
        }

        private int stride(ModelKey key) {
            return strides.getOrDefault(key, limits.pace());
        }

        private void grantFirst(ModelKey key, Deque<Effect> effects) {
            long next = waiting(key).getFirst().id();
            Effect effect = effects.poll();
            assertThat(effect).isInstanceOf(Grant.class);
            Grant grant = (Grant) effect;
            assertThat(grant.request()).isEqualTo(next);
            assertThat(grant.pod()).isIn(emptiest(key));
            podOf.put(next, grant.pod());
        }

        long heldBytes() {
            return here.stream().filter(each -> !podOf.containsKey(each.id())).mapToLong(HeldRequest::bytes).sum();
        }

        void left(long id, Deque<Effect> effects) {
            leave(id).ifPresent(key -> drain(key, effects));
        }

        private Optional<ModelKey> leave(long id) {
            Optional<ModelKey> key = here.stream()
                    .filter(request -> request.id() == id)
                    .map(HeldRequest::model)
                    .findFirst();
            here.removeIf(request -> request.id() == id);
            podOf.remove(id);
            return key;
        }

        void returned(long id, Deque<Effect> effects) {
            HeldRequest request = here.stream().filter(each -> each.id() == id).findFirst().orElseThrow();
            ModelKey key = request.model();
            boolean nobodyWaited = waiting(key).isEmpty();
            open(key).remove(podOf.remove(id));
            if (abandoned || !isKnown(key)) {
                leave(id);
                assertThat(effects.poll())
                        .isEqualTo(new Reject(id, abandoned ? Reason.ShuttingDown : Reason.UnknownModel));
                return;
            }
            drain(key, effects);
            if (nobodyWaited && !waiting(key).isEmpty() && emptiest(key).isEmpty()) {
                assertThat(effects.poll()).isEqualTo(new Demand(key));
            }
        }

        void replicas(ModelKey key, Set<String> pods, Deque<Effect> effects) {
            open.put(key, new HashSet<>(pods));
            if (!pods.isEmpty()) {
                failures.remove(key);
                retryAt.remove(key);
            }
            drain(key, effects);
        }

        void model(ModelKey key, ModelLimits limit, Deque<Effect> effects) {
            own.put(key, limit);
            drain(key, effects);
        }

        void removed(ModelKey key, Deque<Effect> effects) {
            own.remove(key);
            rejectWaiting(key, Reason.UnknownModel, effects);
        }

        void tick(Instant now, Deque<Effect> effects) {
            List<HeldRequest> late = here.stream()
                    .filter(request -> !podOf.containsKey(request.id()) && !now.isBefore(request.deadline()))
                    .sorted(Comparator.comparing(HeldRequest::deadline).thenComparing(HeldRequest::id))
                    .toList();
            for (HeldRequest request : late) {
                leave(request.id());
                assertThat(effects.poll()).isEqualTo(new Reject(request.id(), Reason.DeadlineExceeded));
            }
            for (ModelKey key : MODELS) {
                int let = released.getOrDefault(key, 0);
                if (let == stride(key) && !waiting(key).isEmpty()) {
                    strides.put(key, let + Math.max(1, let / 4));
                } else if (let > 0) {
                    strides.remove(key);
                }
            }
            // Models have no order among each other: whichever the core drained first is drained first here.
            released.clear();
            while (effects.peek() instanceof Grant grant) {
                drain(here.stream().filter(each -> each.id() == grant.request()).findFirst().orElseThrow().model(),
                        effects);
            }
            for (ModelKey key : MODELS) {
                drain(key, effects);
            }
        }

        void wakeFailed(ModelKey key, Wake wake, Instant now, Deque<Effect> effects) {
            boolean old = newestFailure.containsKey(key) && wake.compareTo(newestFailure.get(key)) <= 0;
            if (!exists(key) || !open(key).isEmpty() || old) {
                return;
            }
            newestFailure.put(key, wake);
            retryAt.put(key, now.plusSeconds(1L << Math.min(5, failures.merge(key, 1, Integer::sum) - 1)));
            rejectWaiting(key, Reason.WakeFailed, effects);
        }

        void unloaded(ModelKey key, Wake wake, Deque<Effect> effects) {
            if (exists(key)) {
                newestFailure.merge(key, wake, (a, b) -> a.compareTo(b) >= 0 ? a : b);
                rejectWaiting(key, Reason.Unloaded, effects);
            }
        }

        /** One that is unknown, and has neither requests nor replicas, has no past either. */
        private boolean exists(ModelKey key) {
            return isKnown(key) || reserved(key) > 0 || !open(key).isEmpty();
        }

        /** To be called after every event. */
        void forget() {
            for (ModelKey key : MODELS) {
                if (!exists(key)) {
                    newestFailure.remove(key);
                    failures.remove(key);
                    retryAt.remove(key);
                    released.remove(key);
                    strides.remove(key);
                }
            }
        }

        private void rejectWaiting(ModelKey key, Reason reason, Deque<Effect> effects) {
            for (HeldRequest request : waiting(key)) {
                leave(request.id());
                assertThat(effects.poll()).isEqualTo(new Reject(request.id(), reason));
            }
        }

        /** Models have no order among each other. */
        void abandon(Deque<Effect> effects) {
            closed = true;
            abandoned = true;
            List<Effect> told = waiting().stream().<Effect>map(id -> new Reject(id, Reason.ShuttingDown)).toList();
            waiting().forEach(this::leave);
            assertThat(effects).containsExactlyInAnyOrderElementsOf(told);
            effects.clear();
        }
    }

    private static final class Episode {
        private final Random random;
        private final HoldCore core;
        private final Obvious obvious;
        private Instant now = T0;
        private long lastId;

        Episode(Random random) {
            this.random = random;
            HoldLimits limits = new HoldLimits(1 + random.nextInt(12), 1 + random.nextInt(20),
                    10 + random.nextInt(90), 1 + random.nextInt(4), Duration.ofMillis(1 + random.nextInt(40)));
            this.core = new HoldCore(limits);
            this.obvious = new Obvious(limits, 1 + random.nextInt(3));
            core.gateways(obvious.gateways);
        }

        void run() {
            int closing = random.nextInt(STEPS);
            for (int step = 0; step < STEPS; step++) {
                now = now.plusMillis(random.nextInt(30));
                if (step == closing && random.nextBoolean()) {
                    core.close();
                    obvious.closed = true;
                }
                Deque<Effect> effects = step == STEPS - 50 && random.nextBoolean() ? abandon() : oneEvent();
                assertThat(effects).as("effects nobody expects").isEmpty();
                obvious.forget();
                assertThat(core.waitingInAll()).isEqualTo(obvious.waiting().size());
                assertThat(core.servingInAll()).isEqualTo(obvious.serving().size());
            }
            allGone();
        }

        private Deque<Effect> abandon() {
            Deque<Effect> effects = new ArrayDeque<>(core.abandon());
            obvious.abandon(effects);
            return effects;
        }

        private Deque<Effect> oneEvent() {
            ModelKey key = MODELS.get(random.nextInt(MODELS.size()));
            Deque<Effect> effects = new ArrayDeque<>();
            switch (random.nextInt(23)) {
                case 0, 1, 2, 3, 4, 5, 6, 7 -> {
                    // Arrival times repeat and go back: the clock of a machine does.
                    Instant arrived = now.minusMillis(random.nextInt(20));
                    HeldRequest request = new HeldRequest(++lastId, key, random.nextInt(3), arrived,
                            arrived.plusMillis(random.nextInt(600)), random.nextInt(30), random.nextInt(8) > 0, 0);
                    effects.addAll(core.arrived(request));
                    obvious.arrived(request, effects);
                }
                case 8, 9, 10 -> {
                    List<Long> serving = obvious.serving();
                    if (!serving.isEmpty()) {
                        long id = serving.get(random.nextInt(serving.size()));
                        effects.addAll(core.served(id));
                        obvious.left(id, effects);
                    }
                }
                case 11, 12 -> {
                    // Also ids that ended long ago, or never came.
                    long id = 1 + random.nextLong(lastId + 2);
                    effects.addAll(core.cancelled(id));
                    obvious.left(id, effects);
                }
                case 13 -> {
                    List<Long> serving = obvious.serving();
                    if (!serving.isEmpty()) {
                        long id = serving.get(random.nextInt(serving.size()));
                        effects.addAll(core.returned(id));
                        obvious.returned(id, effects);
                    }
                }
                case 14, 15 -> {
                    Set<String> pods = new HashSet<>();
                    for (int i = random.nextInt(4); i > 0; i--) {
                        pods.add(key + "-" + random.nextInt(4));
                    }
                    effects.addAll(core.replicas(key, pods));
                    obvious.replicas(key, pods, effects);
                }
                case 16, 17 -> {
                    ModelLimits limit = new ModelLimits(1 + random.nextInt(9), random.nextBoolean(),
                            1 + random.nextInt(12));
                    effects.addAll(core.model(key, limit));
                    obvious.model(key, limit, effects);
                }
                case 18 -> {
                    if (random.nextInt(4) == 0) {
                        effects.addAll(core.removed(key));
                        obvious.removed(key, effects);
                    }
                }
                case 19 -> {
                    Wake wake = new Wake(T0.plusSeconds(random.nextInt(9)), 1 + random.nextInt(4));
                    effects.addAll(core.wakeFailed(key, wake, now));
                    obvious.wakeFailed(key, wake, now, effects);
                }
                case 20 -> {
                    Wake wake = new Wake(T0.plusSeconds(random.nextInt(9)), 1 + random.nextInt(4));
                    effects.addAll(core.unloaded(key, Optional.of(wake)));
                    obvious.unloaded(key, wake, effects);
                }
                default -> {
                    effects.addAll(core.tick(now));
                    obvious.tick(now, effects);
                }
            }
            return effects;
        }

        private void allGone() {
            for (ModelKey key : MODELS) {
                core.removed(key);
                core.replicas(key, List.of());
            }
            for (long id = 1; id <= lastId; id++) {
                core.cancelled(id);
            }
            assertThat(core.idle()).isTrue();
            assertThat(core.models()).as("models still remembered").isZero();
        }
    }
}

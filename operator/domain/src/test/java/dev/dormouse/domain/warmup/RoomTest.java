package dev.dormouse.domain.warmup;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The scheduler over a pool whose GPUs and nodes are known. */
class RoomTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration LEASE = Duration.ofMinutes(10);

    private final WarmupScheduler scheduler = new WarmupScheduler(WarmupLimits.ofConcurrent(100));

    @Test
    void aReplicaTakesAllItsGpusOnOneNode() {
        pool(0, Map.of("n1", 2, "n2", 3));
        ask("a", 2, T0);
        ask("b", 2, T0);
        ask("c", 2, T0);

        assertThat(admitAll(T0)).containsExactly("a", "b");
        assertThat(Set.of(node("a"), node("b"))).isEqualTo(Set.of("n1", "n2"));
        assertThat(reason("c")).isEqualTo(
                "it needs 2 nvidia.com/gpu on one node; pool p has 5 on 2 nodes, 4 in use");
    }

    @Test
    void aReplicaThatFitsNowhereSaysSoAndKeepsNobodyElseWaiting() {
        pool(0, Map.of("n1", 2));
        ask("huge", 8, T0);
        ask("small", 1, T0.plusSeconds(1));

        assertThat(admitAll(T0.plusSeconds(1))).containsExactly("small");
        assertThat(reason("huge")).contains("needs 8", "no node has as many");
        ask("late", 1, T0.plusSeconds(3600));
        assertThat(admitAll(T0.plusSeconds(3600))).as("however long it has waited").containsExactly("late");
    }

    @Test
    @DisplayName("H71: a large replica is passed by small ones for no longer than the patience, then room is kept for it")
    void aLargeReplicaIsNotStarvedBySmallOnes() {
        pool(0, Map.of("n1", 2));
        ask("s0", 1, T0);
        assertThat(admitAll(T0)).containsExactly("s0");
        ask("large", 2, T0.plusSeconds(1));
        Instant now = T0.plusSeconds(2);
        int passed = 0;
        String last = "s0";
        for (int i = 1; i < 1_000; i++) {
            now = now.plusSeconds(5);
            ask("s" + i, 1, now);
            List<String> admitted = admitAll(now);
            scheduler.complete(id(last), now);
            scheduler.vacate(id(last).model(), Set.of());
            if (admitted.isEmpty()) {
                admitted = admitAll(now);
            } else {
                passed++;
            }
            if (admitted.contains("large")) {
                break;
            }
            last = admitted.isEmpty() ? last : admitted.getLast();
        }
        assertThat(node("large")).isEqualTo("n1");
        assertThat(passed).as("within five minutes, one every five seconds").isLessThanOrEqualTo(61);
    }

    @Test
    @DisplayName("H41: never more warmups on one node than the limit; the least busy node is chosen")
    void theLimitPerNodeHolds() {
        pool(1, Map.of("n1", 8, "n2", 8));
        List.of("a", "b", "c").forEach(pod -> ask(pod, 1, T0));

        assertThat(admitAll(T0)).containsExactly("a", "b");
        assertThat(Set.of(node("a"), node("b"))).isEqualTo(Set.of("n1", "n2"));
        assertThat(reason("c")).contains("every node with room warms up 1 replicas already (n1 1, n2 1)");

        scheduler.complete(id("a"), T0);

        assertThat(admitAll(T0)).containsExactly("c");
        assertThat(node("c")).isEqualTo(node("a"));
    }

    @Test
    void anElasticPoolMayBeAskedForMoreThanItsNodesHave() {
        scheduler.observe(WarmupLimits.ofConcurrent(100), new RoomLimits(true, "p", "nvidia.com/gpu", Map.of(), 2));
        List.of("a", "b", "c").forEach(pod -> ask(pod, 1, T0));

        assertThat(admitAll(T0)).containsExactly("a", "b");
        assertThat(scheduler.node(id("a"))).isEmpty();
        assertThat(scheduler.position(id("c"))).isPresent();
    }

    @Test
    void roomComesBackWhenThePodIsGoneAndNotWhenItsWarmupEnds() {
        pool(0, Map.of("n1", 1));
        ask("a", 1, T0);
        ask("b", 1, T0);
        admitAll(T0);
        scheduler.occupy(id("a"), 1, "n1");
        scheduler.complete(id("a"), T0);
        scheduler.vacate(id("a").model(), Set.of(id("a")));

        assertThat(admitAll(T0)).isEmpty();

        scheduler.vacate(id("a").model(), Set.of());

        assertThat(admitAll(T0)).containsExactly("b");
    }

    @Test
    @DisplayName("H70: after a restart a pod that is bound to no node yet has its GPUs all the same")
    void anUnboundPodCounts() {
        pool(0, Map.of("n1", 2));
        scheduler.occupy(id("a"), 2, null);
        ask("b", 2, T0);

        assertThat(admitAll(T0)).isEmpty();
        assertThat(reason("b")).contains("2 in use");

        scheduler.vacate(id("a").model(), Set.of());

        assertThat(admitAll(T0)).containsExactly("b");
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    @DisplayName("H41, H68, H69: whatever happens, no node is overbooked, no limit broken, nobody lost")
    void randomLivesNeverOverbook(long seed) {
        Random random = new Random(seed);
        Map<String, Integer> nodes = Map.of("n1", 4, "n2", 2, "n3", 8);
        pool(2, nodes);
        Map<String, Integer> waiting = new HashMap<>();
        Map<String, Integer> live = new HashMap<>();
        Set<String> warming = new HashSet<>();
        for (int step = 0; step < 2_000; step++) {
            Instant now = T0.plusMillis(step * 50L);
            String pod = "p" + random.nextInt(40);
            switch (random.nextInt(3)) {
                case 0 -> {
                    if (!live.containsKey(pod)) {
                        int gpus = waiting.computeIfAbsent(pod, name -> 1 + random.nextInt(4));
                        ask(pod, gpus, now);
                    }
                }
                case 1 -> {
                    if (warming.remove(pod)) {
                        scheduler.complete(id(pod), now);
                    }
                }
                default -> {
                    live.remove(pod);
                    waiting.remove(pod);
                    warming.remove(pod);
                    scheduler.complete(id(pod), now);
                    scheduler.vacate(id(pod).model(), Set.of());
                }
            }
            for (String admitted : admitAll(now)) {
                int gpus = Objects.requireNonNull(waiting.remove(admitted), admitted);
                live.put(admitted, gpus);
                warming.add(admitted);
                scheduler.occupy(id(admitted), gpus, node(admitted));
            }
            Map<String, Integer> used = new HashMap<>();
            Map<String, Integer> busy = new HashMap<>();
            live.forEach((name, gpus) -> used.merge(String.valueOf(node(name)), gpus, Integer::sum));
            warming.forEach(name -> busy.merge(String.valueOf(node(name)), 1, Integer::sum));
            assertThat(used).allSatisfy((node, gpus) -> assertThat(gpus).isLessThanOrEqualTo(nodes.get(node)));
            assertThat(busy).allSatisfy((node, count) -> assertThat(count).isLessThanOrEqualTo(2));
            assertThat(scheduler.gpusInUse()).isEqualTo(live.values().stream().mapToInt(g -> g).sum());
            assertThat(scheduler.queued()).hasSize(waiting.size());
        }
    }

    private void pool(int perNode, Map<String, Integer> nodes) {
        scheduler.observe(WarmupLimits.ofConcurrent(100, perNode),
                new RoomLimits(true, "p", "nvidia.com/gpu", nodes, 0));
    }

    private void ask(String pod, int gpus, Instant now) {
        scheduler.schedule(new WarmupRequest(id(pod), Urgency.Demand, 0, LEASE, gpus), now);
    }

    private List<String> admitAll(Instant now) {
        List<String> pods = new ArrayList<>();
        for (Optional<ReplicaId> next = scheduler.next(now); next.isPresent(); next = scheduler.next(now)) {
            pods.add(next.get().pod());
        }
        return pods;
    }

    private String reason(String pod) {
        return scheduler.position(id(pod)).orElseThrow().reason();
    }

    private @Nullable String node(String pod) {
        return scheduler.node(id(pod)).orElse(null);
    }

    private static ReplicaId id(String pod) {
        return new ReplicaId(new ModelKey("demo", pod), pod);
    }
}

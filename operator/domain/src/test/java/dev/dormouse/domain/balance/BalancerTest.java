package dev.dormouse.domain.balance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BalancerTest {
    private static List<Candidate> idle(String... pods) {
        return List.of(pods).stream().map(pod -> new Candidate(pod, 0, 1)).toList();
    }

    static List<Strategy> strategies() {
        return List.of(new Strategy.LeastLoad(), new Strategy.RoundRobin(), new Strategy.Weighted(),
                new Strategy.PrefixHash(125));
    }

    @ParameterizedTest
    @MethodSource("strategies")
    @DisplayName("W37, L53: whatever the strategy, a replica with room is found if there is one, and no other")
    void roomIsAlwaysFound(Strategy strategy) {
        Random random = new Random(7);
        Balancer balancer = new Balancer(strategy);
        for (int round = 0; round < 5000; round++) {
            List<Candidate> candidates = IntStream.range(0, random.nextInt(6))
                    .mapToObj(i -> new Candidate("p" + random.nextInt(3) + i, random.nextInt(5), 1 + random.nextInt(9)))
                    .toList();
            int capacity = 1 + random.nextInt(4);
            List<String> roomy = candidates.stream().filter(c -> c.load() < capacity).map(Candidate::pod).toList();

            String chosen = balancer.choose(candidates, capacity, random.nextInt(3));

            if (roomy.isEmpty()) {
                assertThat(chosen).isNull();
            } else {
                assertThat(chosen).isIn(roomy);
            }
        }
    }

    @Test
    @DisplayName("W38: least load, equals in turns")
    void leastLoad() {
        Balancer balancer = new Balancer(Strategy.DEFAULT);
        List<Candidate> candidates = List.of(new Candidate("a", 1, 1), new Candidate("b", 0, 1),
                new Candidate("c", 0, 1));

        assertThat(balancer.choose(candidates, 9, 0)).isEqualTo("b");
        assertThat(balancer.choose(candidates, 9, 0)).isEqualTo("c");
        assertThat(balancer.choose(candidates, 9, 0)).isEqualTo("b");
    }

    @Test
    @DisplayName("W37: in turns; one that is full is passed over and keeps its turn")
    void roundRobin() {
        Balancer balancer = new Balancer(new Strategy.RoundRobin());
        List<String> chosen = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            chosen.add(balancer.choose(idle("a", "b", "c"), 1, 0));
        }
        assertThat(chosen).containsExactly("a", "b", "c", "a");
        assertThat(balancer.choose(List.of(new Candidate("a", 0, 1), new Candidate("b", 1, 1)), 1, 0)).isEqualTo("a");
        assertThat(balancer.choose(idle("a", "b", "c"), 1, 0)).isEqualTo("b");
    }

    @Test
    @DisplayName("W37: by weight, evenly mixed")
    void weighted() {
        Balancer balancer = new Balancer(new Strategy.Weighted());
        List<Candidate> candidates = List.of(new Candidate("a", 0, 5), new Candidate("b", 0, 1),
                new Candidate("c", 0, 1));
        StringBuilder chosen = new StringBuilder();
        for (int i = 0; i < 7; i++) {
            chosen.append(balancer.choose(candidates, 1, 0));
        }
        assertThat(chosen.toString()).isEqualTo("aabacaa");
    }

    @Test
    @DisplayName("Alike goes to the same replica, moves little when one leaves, and never overloads one")
    void prefixHash() {
        Balancer balancer = new Balancer(new Strategy.PrefixHash(125));
        Map<Long, String> before = new HashMap<>();
        for (long prefix = 1; prefix <= 900; prefix++) {
            before.put(prefix, balancer.choose(idle("a", "b", "c"), 9, prefix));
            assertThat(balancer.choose(idle("c", "b", "a"), 9, prefix)).isEqualTo(before.get(prefix));
        }
        assertThat(before.values()).containsOnly("a", "b", "c");
        for (String pod : List.of("a", "b", "c")) {
            assertThat(before.values().stream().filter(pod::equals).count()).isBetween(225L, 375L);
        }
        before.forEach((prefix, pod) -> {
            if (!pod.equals("c")) {
                assertThat(balancer.choose(idle("a", "b"), 9, prefix)).isEqualTo(pod);
            }
        });

        Map<String, Integer> load = new HashMap<>();
        for (int i = 0; i < 90; i++) {
            List<Candidate> candidates = List.of("a", "b", "c")
                    .stream()
                    .map(pod -> new Candidate(pod, load.getOrDefault(pod, 0), 1))
                    .toList();
            load.merge(balancer.choose(candidates, 1000, 42), 1, Integer::sum);
        }
        assertThat(load.values()).allSatisfy(carried -> assertThat(carried).isLessThanOrEqualTo(38));
        assertThatThrownBy(() -> new Strategy.PrefixHash(100)).hasMessageContaining("above 100");
    }
}

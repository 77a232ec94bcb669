package dev.dormouse.domain.replica;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.replica.ReplicaLifecycle.Step;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ReplicaLifecycleTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    @ParameterizedTest(name = "{0} seen as {1} is {2}")
    @DisplayName("Design §5: every phase × every sight is decided")
    @CsvSource({"Pending,Pending,Pending", "Pending,Warming,Warming", "Pending,Ready,Ready", "Pending,Failed,Failed",
            "Pending,Terminating,Terminating", "Warming,Pending,Pending", "Warming,Warming,Warming",
            "Warming,Ready,Ready", "Warming,Failed,Failed", "Warming,Terminating,Terminating", "Ready,Pending,Pending",
            "Ready,Warming,Warming", "Ready,Ready,Ready", "Ready,Failed,Failed", "Ready,Terminating,Terminating",
            "Failed,Pending,Failed", "Failed,Warming,Failed", "Failed,Ready,Ready", "Failed,Failed,Failed",
            "Failed,Terminating,Terminating", "Terminating,Pending,Terminating", "Terminating,Warming,Terminating",
            "Terminating,Ready,Terminating", "Terminating,Failed,Terminating", "Terminating,Terminating,Terminating"})
    void everySightIsDecided(Phase known, Phase seen, Phase expected) {
        assertThat(ReplicaLifecycle.next(known, seen)).isEqualTo(expected);
    }

    @ParameterizedTest(name = "{0}, draining {1}, wanted {2}, released {3}: {4}")
    @DisplayName("Every phase × mark × wish × release is decided")
    @CsvSource({"Pending,false,true,false,Keep", "Pending,false,true,true,Keep", "Pending,false,false,false,Delete",
            "Pending,false,false,true,Delete", "Pending,true,true,false,Delete", "Pending,true,true,true,Delete",
            "Pending,true,false,false,Delete", "Pending,true,false,true,Delete", "Warming,false,true,false,Keep",
            "Warming,false,true,true,Keep", "Warming,false,false,false,Drain", "Warming,false,false,true,Drain",
            "Warming,true,true,false,Await", "Warming,true,true,true,Delete", "Warming,true,false,false,Await",
            "Warming,true,false,true,Delete", "Ready,false,true,false,Keep", "Ready,false,true,true,Keep",
            "Ready,false,false,false,Drain", "Ready,false,false,true,Drain", "Ready,true,true,false,Await",
            "Ready,true,true,true,Delete", "Ready,true,false,false,Await", "Ready,true,false,true,Delete",
            "Failed,false,true,false,Keep", "Failed,false,true,true,Keep", "Failed,false,false,false,Delete",
            "Failed,false,false,true,Delete", "Failed,true,true,false,Delete", "Failed,true,true,true,Delete",
            "Failed,true,false,false,Delete", "Failed,true,false,true,Delete", "Terminating,false,true,false,Await",
            "Terminating,false,true,true,Await", "Terminating,false,false,false,Await",
            "Terminating,false,false,true,Await", "Terminating,true,true,false,Await",
            "Terminating,true,true,true,Await", "Terminating,true,false,false,Await",
            "Terminating,true,false,true,Await"})
    void everyStepIsDecided(Phase phase, boolean draining, boolean wanted, boolean released, Step expected) {
        assertThat(ReplicaLifecycle.step(replica(phase, draining), wanted, released)).isEqualTo(expected);
    }

    @ParameterizedTest
    @EnumSource(Phase.class)
    @DisplayName("Every path ends: from each phase the end can be reached, and from the end nothing else")
    void everyPathEnds(Phase from) {
        Set<Phase> reachable = EnumSet.of(from);
        boolean grew = true;
        while (grew) {
            Set<Phase> more = EnumSet.copyOf(reachable);
            for (Phase known : reachable) {
                for (Phase seen : Phase.values()) {
                    more.add(ReplicaLifecycle.next(known, seen));
                }
            }
            grew = reachable.addAll(more);
        }

        assertThat(reachable).contains(Phase.Terminating);
        assertThat(reachable.size() == 1).isEqualTo(from == Phase.Terminating);
    }

    @Test
    @DisplayName("What makes no progress holds no warmup slot, a crash loop included")
    void withoutProgressNoSlot() {
        Replica looping = new Replica("p", "u", "t", Phase.Warming, false, T0, null, false,
                new Problem("CrashLoop", "exit code 1"));

        assertThat(looping.holdsWarmupSlot()).isFalse();
        assertThat(replica(Phase.Warming, false).holdsWarmupSlot()).isTrue();
    }

    private static Replica replica(Phase phase, boolean draining) {
        return new Replica("p", "u", "t", phase, draining, T0, phase == Phase.Ready ? T0 : null, true, null);
    }
}

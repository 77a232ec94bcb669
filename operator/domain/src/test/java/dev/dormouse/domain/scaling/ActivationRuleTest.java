package dev.dormouse.domain.scaling;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.scaling.Activation.Reason;
import dev.dormouse.domain.scaling.ActivationDecision.Asleep;
import dev.dormouse.domain.scaling.ActivationDecision.Awake;
import dev.dormouse.domain.scaling.ActivationDecision.Sleep;
import dev.dormouse.domain.scaling.ActivationDecision.Wake;
import dev.dormouse.domain.scaling.ActivationRule.Situation;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class ActivationRuleTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration IDLE = Duration.ofSeconds(30);
    private static final ScalingPolicy AUTOMATIC = new ScalingPolicy(0, 0, 1, 10, IDLE);
    private static final Load.NoGateway NO_GATEWAY = new Load.NoGateway();
    private static final Instant LAST_END = T0.minusSeconds(50);
    private static final Activation FINISHED = new Activation(3, Reason.Demand, T0.minusSeconds(100), LAST_END);

    @Nested
    class WhileAsleep {

        @Test
        @DisplayName("A demand newer than the end of the last activation wakes")
        void newDemandWakes() {
            ActivationDecision decision = decide(AUTOMATIC, LAST_END.plusNanos(1000), FINISHED,
                    InitialStart.Done,
                    NO_GATEWAY);

            assertThat(decision).isInstanceOfSatisfying(Wake.class,
                    wake -> assertThat(wake.activation()).isEqualTo(new Activation(4, Reason.Demand, T0, null)));
        }

        @Test
        @DisplayName("A demand that the last activation has served wakes nobody")
        void oldDemandDoesNot() {
            assertThat(decide(AUTOMATIC, LAST_END, FINISHED, InitialStart.Done, NO_GATEWAY))
                    .isInstanceOf(Asleep.class);
        }

        @Test
        @DisplayName("Requests that a gateway holds wake, even if its clock is behind ours")
        void heldRequestsWake() {
            assertThat(decide(AUTOMATIC, FINISHED.startedAt(), FINISHED, InitialStart.Done, known(0, 1, null, IDLE)))
                    .isInstanceOfSatisfying(Wake.class,
                            wake -> assertThat(wake.activation().reason()).isEqualTo(Reason.Demand));
        }

        @Test
        @DisplayName("Lower bounds and the first start wake; a demand is the better reason")
        void otherReasons() {
            assertThat(reason(new ScalingPolicy(2, 0, 1, 10, IDLE), null, InitialStart.Done))
                    .isEqualTo(Reason.Replicas);
            assertThat(reason(new ScalingPolicy(0, 1, 1, 10, IDLE), null, InitialStart.Done))
                    .isEqualTo(Reason.MinReplicas);
            assertThat(reason(AUTOMATIC, null, InitialStart.Pending)).isEqualTo(Reason.InitialStart);
            assertThat(reason(AUTOMATIC, T0, InitialStart.Pending)).isEqualTo(Reason.Demand);
        }

        @Test
        @DisplayName("Without any reason it stays at zero, a failed first start included")
        void staysAsleep() {
            assertThat(decide(AUTOMATIC, null, null, InitialStart.Never, NO_GATEWAY)).isInstanceOf(Asleep.class);
            assertThat(decide(AUTOMATIC, null, null, InitialStart.Failed, NO_GATEWAY)).isInstanceOf(Asleep.class);
        }

        private Reason reason(ScalingPolicy policy, @Nullable Instant demand, InitialStart initialStart) {
            return ((Wake) decide(policy, demand, null, initialStart, NO_GATEWAY)).activation().reason();
        }
    }

    @Nested
    class WhileAwake {
        private final Activation demanded = new Activation(1, Reason.Demand, T0.minusSeconds(100), null);
        private final Activation first = new Activation(1, Reason.InitialStart, T0.minusSeconds(100), null);

        @Test
        @DisplayName("After the idle time without a request it sleeps, and not a moment earlier")
        void sleepsAfterTheIdleTime() {
            Instant lastRequest = T0.minus(IDLE);
            Load quiet = known(0, 0, lastRequest, Duration.ofHours(1));
            Load lately = known(0, 0, lastRequest.plusMillis(1), Duration.ofHours(1));

            assertThat(decide(AUTOMATIC, null, demanded, InitialStart.Done, quiet, ready(T0.minusSeconds(90))))
                    .isInstanceOfSatisfying(Sleep.class, sleep -> assertThat(sleep.ended().endedAt()).isEqualTo(T0));
            assertThat(decide(AUTOMATIC, null, demanded, InitialStart.Done, lately, ready(T0.minusSeconds(90))))
                    .isInstanceOfSatisfying(Awake.class,
                            awake -> assertThat(awake.recheckAt()).contains(T0.plusMillis(1)));
        }

        @Test
        @DisplayName("Requests in flight or held keep it awake, however old the demand")
        void requestsKeepItAwake() {
            Instant longAgo = T0.minusSeconds(99);
            assertThat(
                    decide(AUTOMATIC, longAgo, demanded, InitialStart.Done, known(1, 0, longAgo, Duration.ofHours(1)),
                            ready(longAgo)))
                    .isInstanceOf(Awake.class);
            assertThat(
                    decide(AUTOMATIC, longAgo, demanded, InitialStart.Done, known(0, 1, longAgo, Duration.ofHours(1)),
                            ready(longAgo)))
                    .isInstanceOf(Awake.class);
        }

        @Test
        @DisplayName("What is not known counts as use: a silent gateway keeps it awake")
        void theUnknownKeepsItAwake() {
            assertThat(decide(AUTOMATIC, null, demanded, InitialStart.Done, new Load.Unknown("no answer"),
                    ready(T0.minusSeconds(99)))).isInstanceOf(Awake.class);
        }

        @Test
        @DisplayName("A gateway that has just begun to count proves no idleness before a full window")
        void aYoungGatewayProvesNothing() {
            Load young = known(0, 0, null, Duration.ofSeconds(10));

            assertThat(decide(AUTOMATIC, null, demanded, InitialStart.Done, young, ready(T0.minusSeconds(99))))
                    .isInstanceOfSatisfying(Awake.class,
                            awake -> assertThat(awake.recheckAt()).contains(T0.plusSeconds(20)));
        }

        @Test
        @DisplayName("Without gateways the idle time runs from the newest demand and the newest ready replica")
        void withoutGateways() {
            assertThat(decide(AUTOMATIC, T0.minusSeconds(29), demanded, InitialStart.Done, NO_GATEWAY,
                    ready(T0.minusSeconds(90)))).isInstanceOf(Awake.class);
            assertThat(decide(AUTOMATIC, T0.minusSeconds(90), demanded, InitialStart.Done, NO_GATEWAY,
                    ready(T0.minusSeconds(29)))).isInstanceOf(Awake.class);
            assertThat(decide(AUTOMATIC, T0.minusSeconds(90), demanded, InitialStart.Done, NO_GATEWAY,
                    ready(T0.minusSeconds(30)))).isInstanceOf(Sleep.class);
        }

        @Test
        @DisplayName("A lower bound never sleeps")
        void lowerBoundsNeverSleep() {
            ScalingPolicy one = new ScalingPolicy(0, 1, 1, 10, IDLE);
            assertThat(decide(one, null, demanded, InitialStart.Done, NO_GATEWAY, ready(T0.minusSeconds(99))))
                    .isInstanceOf(Awake.class);
        }

        @Test
        @DisplayName("The first start goes on until it is done or failed, then sleeps at once")
        void theFirstStartSleepsWhenDone() {
            assertThat(decide(AUTOMATIC, null, first, InitialStart.Pending, NO_GATEWAY, ready(T0)))
                    .as("its snapshot is still being saved")
                    .isInstanceOf(Awake.class);
            assertThat(decide(AUTOMATIC, null, first, InitialStart.Done, NO_GATEWAY, ready(T0)))
                    .isInstanceOf(Sleep.class);
            assertThat(decide(AUTOMATIC, null, first, InitialStart.Failed, NO_GATEWAY)).isInstanceOf(Sleep.class);
        }

        @Test
        @DisplayName("A first start during which a request came goes by the idle time like any other")
        void aUsedFirstStartStays() {
            assertThat(decide(AUTOMATIC, T0.minusSeconds(5), first, InitialStart.Done, NO_GATEWAY, ready(T0)))
                    .isInstanceOf(Awake.class);
            assertThat(decide(AUTOMATIC, null, first, InitialStart.Done,
                    known(0, 0, T0.minusSeconds(1), Duration.ofHours(1)), ready(T0))).isInstanceOf(Awake.class);
        }

        @Test
        @DisplayName("A wake whose client left is finished; one that waits for its slot is given up")
        void aWakeWhoseClientLeft() {
            Load nobody = known(0, 0, null, Duration.ofHours(1));
            assertThat(decide(AUTOMATIC, T0.minusSeconds(99), demanded, InitialStart.Done, nobody,
                    replica(Phase.Warming, null, null))).isInstanceOf(Awake.class);
            assertThat(decide(AUTOMATIC, T0.minusSeconds(99), demanded, InitialStart.Done, nobody))
                    .isInstanceOf(Sleep.class);
        }

        @Test
        @DisplayName("A pod that the cluster cannot start does not keep its model awake when nobody asks")
        void aHopelessPodIsGivenUp() {
            Replica hopeless = replica(Phase.Pending, null, new Problem("ImagePullFailed", "no such image"));

            assertThat(decide(AUTOMATIC, T0.minusSeconds(99), demanded, InitialStart.Done, NO_GATEWAY, hopeless))
                    .isInstanceOf(Sleep.class);
        }
    }

    @Nested
    class ToldToSleep {
        private static final Activation OPEN = new Activation(3, Reason.Demand, T0.minusSeconds(100), null);
        private static final Load BUSY = known(3, 0, null, IDLE);

        private ActivationDecision decide(@Nullable Instant demand, Instant sleep, Activation last, Load load) {
            return ActivationRule.decide(
                    new Situation(AUTOMATIC, demand, sleep, last, InitialStart.Done, load, List.of(ready(T0)),
                            Optional.empty()),
                    T0);
        }

        @Test
        @DisplayName("L20: told to sleep, it sleeps, whatever runs: its replicas drain")
        void sleepsAtOnce() {
            assertThat(decide(T0.minusSeconds(9), T0.minusSeconds(1), OPEN, BUSY)).isInstanceOf(Sleep.class);
            assertThat(decide(null, T0.minusSeconds(1), OPEN, BUSY)).isInstanceOf(Sleep.class);
        }

        @Test
        @DisplayName("L20: a request that came after the order, and an order of an earlier time awake, count for nothing")
        void laterDemand() {
            assertThat(decide(T0.minusMillis(1), T0.minusSeconds(1), OPEN, BUSY)).isInstanceOf(Awake.class);
            assertThat(decide(null, T0.minusSeconds(101), OPEN, BUSY)).isInstanceOf(Awake.class);
        }

        @Test
        @DisplayName("A lower bound holds it awake")
        void lowerBound() {
            ScalingPolicy bound = new ScalingPolicy(0, 1, 1, 10, IDLE);

            assertThat(ActivationRule.decide(
                    new Situation(bound, null, T0, OPEN, InitialStart.Done, BUSY, List.of(ready(T0)),
                            Optional.empty()),
                    T0))
                    .isInstanceOf(Awake.class);
        }

        @Test
        @DisplayName("A count of waiting requests that is older than the order wakes nobody; one that lasts does")
        void oldCounts() {
            Load waiting = known(0, 1, null, IDLE);

            assertThat(decide(null, T0.minusSeconds(14), FINISHED, waiting)).isInstanceOf(Asleep.class);
            assertThat(decide(null, T0.minusSeconds(15), FINISHED, waiting)).isInstanceOf(Wake.class);
            assertThat(decide(T0, T0.minusSeconds(1), FINISHED, waiting)).isInstanceOf(Wake.class);
        }
    }

    @Test
    @DisplayName("The first start is done once a replica is ready and its snapshot settled, failed after three attempts")
    void theFirstStartsCourse() {
        Replica saving = new Replica("p", "u", "t", Phase.Ready, false, T0, T0, false, null);

        assertThat(InitialStart.Pending.next(List.of(saving), 0)).isEqualTo(InitialStart.Pending);
        assertThat(InitialStart.Pending.next(List.of(ready(T0)), 0)).isEqualTo(InitialStart.Done);
        assertThat(InitialStart.Pending.next(List.of(), 2)).isEqualTo(InitialStart.Pending);
        assertThat(InitialStart.Pending.next(List.of(), 3)).isEqualTo(InitialStart.Failed);
        assertThat(InitialStart.Failed.next(List.of(ready(T0)), 0)).as("a later wake proves it")
                .isEqualTo(InitialStart.Done);
        assertThat(InitialStart.Never.next(List.of(ready(T0)), 0)).isEqualTo(InitialStart.Never);
    }

    private static ActivationDecision decide(ScalingPolicy policy, @Nullable Instant demand, @Nullable Activation last,
            InitialStart initialStart, Load load, Replica... replicas) {
        return ActivationRule.decide(new Situation(policy, demand, last, initialStart, load, List.of(replicas)), T0);
    }

    private static Load known(int inFlight, int queued, @Nullable Instant lastRequestAt, Duration watched) {
        return new Load.Known(inFlight, queued, lastRequestAt, watched, Map.of(), Set.of());
    }

    private static Replica ready(Instant at) {
        return replica(Phase.Ready, at, null);
    }

    private static Replica replica(Phase phase, @Nullable Instant readyAt, @Nullable Problem problem) {
        return new Replica("p", "u", "t", phase, false, T0.minusSeconds(100), readyAt, phase == Phase.Ready, problem);
    }
}

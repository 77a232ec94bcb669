package dev.dormouse.domain.replica;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.replica.ReplicaAction.Delete;
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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A request comes while its model is being put to sleep. The operator looks at what it can see at one moment; the
 * gateway's demand lands before that moment or after it, stamped by a clock that is not the operator's.
 */
class WakeAndSleepRaceTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration IDLE = Duration.ofSeconds(30);
    private static final Duration RENEWAL = Duration.ofSeconds(5);
    private static final ScalingPolicy POLICY = new ScalingPolicy(0, 0, 1, 10, IDLE);
    private static final Activation OPEN = new Activation(4, Activation.Reason.Demand, T0.minusSeconds(600), null);
    private static final Replica SERVING = new Replica("old", "old", "t", Phase.Ready, false, T0.minusSeconds(600),
            T0.minusSeconds(590), true, null);
    private static final Load QUIET = known(0);

    @ParameterizedTest(name = "demand stamped {0} ms after the decision, visible to it: {1}, scrape sees the waiting: {2}")
    @DisplayName("Design §2: at every interleaving the wake wins, at the latest with the first renewal of the demand")
    @CsvSource({"-4000,true,true", "-4000,true,false", "-4000,false,true", "-4000,false,false", "-1,true,true",
            "-1,true,false", "-1,false,true", "-1,false,false", "0,true,true", "0,true,false", "0,false,true",
            "0,false,false", "1,false,true", "1,false,false", "4000,true,true", "4000,true,false", "4000,false,true",
            "4000,false,false"})
    void theWakeWins(long offsetMillis, boolean visible, boolean scraped) {
        Instant demand = T0.plusMillis(offsetMillis);

        ActivationDecision first = decide(OPEN, visible ? demand : null, visible && scraped ? known(1) : QUIET, T0,
                SERVING);

        if (visible) {
            assertThat(first).as("what is seen is never slept over").isInstanceOf(Awake.class);
            return;
        }
        assertThat(first).isInstanceOf(Sleep.class);
        Activation ended = ((Sleep) first).ended();
        Replica draining = new Replica("old", "old", "t", Phase.Ready, true, SERVING.createdAt(), SERVING.readyAt(),
                true,
                null);
        Instant soon = T0.plusMillis(10);
        ActivationDecision second = decide(ended, demand, scraped ? known(1) : QUIET, soon, draining);
        if (offsetMillis > 0 || scraped) {
            assertThat(second).as("the first look after the demand landed").isInstanceOf(Wake.class);
        }
        Instant renewed = soon.plus(RENEWAL);
        ActivationDecision third = second instanceof Wake
                ? second
                : decide(ended, demand.plus(RENEWAL), QUIET, renewed, draining);

        assertThat(third).isInstanceOfSatisfying(Wake.class,
                wake -> assertThat(wake.activation().number()).isEqualTo(OPEN.number() + 1));
        ReplicaPlan plan = ReplicaPlanner.plan(new ReplicaPlanner.Situation("m", "uid", POLICY,
                ((Wake) third).activation(), "t", List.of(draining), known(1), Optional.empty(), Backoff.none("t"),
                Urgency.Demand, Rollout.WhenIdle), renewed);
        assertThat(plan.creations()).as("a new replica comes; the draining one is not taken back").hasSize(1);
        assertThat(plan.actions()).as("no gateway has let go of the old one").noneMatch(Delete.class::isInstance);
    }

    @ParameterizedTest
    @CsvSource({"0", "10", "29"})
    @DisplayName("Design §5: after a leader change nothing sleeps before one full window has been watched")
    void aNewLeaderWatchesAFullWindow(long watchedSeconds) {
        Load young = new Load.Known(0, 0, null, Duration.ofSeconds(watchedSeconds), Map.of(), Set.of());

        assertThat(decide(OPEN, null, young, T0, SERVING)).isInstanceOf(Awake.class);
        assertThat(decide(OPEN, null, new Load.Unknown("no gateway has been found yet"), T0, SERVING))
                .isInstanceOf(Awake.class);
    }

    @ParameterizedTest
    @CsvSource({"0,true", "59,true", "60,false"})
    @DisplayName("Design §5: what another leader woke is not put to sleep before this one has watched a full window")
    void whatAnotherLeaderWokeSleepsAfterAFullWindow(long watchedSeconds, boolean awake) {
        Instant since = T0.minusSeconds(watchedSeconds);
        Optional<ActivationRule.Watching> watching = Optional
                .of(new ActivationRule.Watching(since, Duration.ofSeconds(60)));

        for (Load load : List.of(QUIET, new Load.NoGateway())) {
            ActivationDecision decision = ActivationRule.decide(new ActivationRule.Situation(POLICY, null, null, OPEN,
                    InitialStart.Done, load, List.of(SERVING), watching), T0);
            assertThat(decision).isInstanceOf(awake ? Awake.class : Sleep.class);
        }
        Activation ours = new Activation(OPEN.number(), OPEN.reason(), since.plusMillis(1), null);
        if (!since.plusMillis(1).plus(IDLE).isAfter(T0)) {
            assertThat(ActivationRule
                    .decide(new ActivationRule.Situation(POLICY, null, null, ours, InitialStart.Done, QUIET,
                            List.of(SERVING), watching), T0))
                    .as("what it woke itself it has watched")
                    .isInstanceOf(Sleep.class);
        }
    }

    private static ActivationDecision decide(Activation last, @Nullable Instant demand, Load load, Instant now,
            Replica... replicas) {
        return ActivationRule.decide(
                new ActivationRule.Situation(POLICY, demand, last, InitialStart.Done, load, List.of(replicas)), now);
    }

    private static Load known(int queued) {
        return new Load.Known(0, queued, T0.minusSeconds(300), Duration.ofHours(1), Map.of(), Set.of());
    }
}

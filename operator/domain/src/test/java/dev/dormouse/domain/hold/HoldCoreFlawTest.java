package dev.dormouse.domain.hold;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.Effect.Demand;
import dev.dormouse.domain.hold.Effect.Grant;
import dev.dormouse.domain.hold.Effect.Reason;
import dev.dormouse.domain.hold.Effect.Reject;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Faults of the scheduler that this one was drawn after (L47–L60), as far as a gateway can have them and
 * {@link HoldCoreTest} does not show them. L54 and the planner's part of L48 and L60 are the operator's.
 */
class HoldCoreFlawTest {
    private static final ModelKey A = new ModelKey("default", "a");
    private static final ModelKey B = new ModelKey("default", "b");
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    private final HoldCore core = new HoldCore(HoldLimits.ofRequests(20_000, 40_000).withBytes(1 << 30));

    private static HeldRequest request(long id, ModelKey model, int priority, Duration after) {
        return new HeldRequest(id, model, priority, T0.plus(after), T0.plusSeconds(3600), 10, true, 0);
    }

    private static HeldRequest request(long id, ModelKey model) {
        return request(id, model, 0, Duration.ofMillis(id));
    }

    @Test
    @DisplayName("L47: a place is reserved on arrival, so that nobody who was let wait is told 429 in the end")
    void reservedOnArrival() {
        core.model(A, ModelLimits.ofConcurrency(2));
        core.arrived(request(1, A));
        core.arrived(request(2, A));
        assertThat(core.arrived(request(3, A))).containsExactly(new Reject(3, Reason.OverLimit));

        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(1, "p"), new Grant(2, "p"));
    }

    @Test
    @DisplayName("L48: steady traffic to an awake model cannot keep those who wait for it waiting")
    void noneOvertakesOnTheFastPath() {
        core.model(A, new ModelLimits(1, true, 100));
        core.replicas(A, List.of("p"));
        core.arrived(request(1, A));
        core.arrived(request(2, A));
        List<Effect> effects = new ArrayList<>();
        for (long id = 3; id < 20; id++) {
            effects.addAll(core.served(id - 2));
            effects.addAll(core.arrived(request(id, A)));
        }
        effects.removeIf(Demand.class::isInstance);

        assertThat(effects).containsExactlyElementsOf(
                LongStream.range(2, 19).<Effect>mapToObj(id -> new Grant(id, "p")).toList());
    }

    @Test
    @DisplayName("L49: however many of higher priority come, the wait of a lower one is bounded by ageing")
    void boundedStarvation() {
        core.model(A, new ModelLimits(1, true, 10_000));
        core.replicas(A, List.of("p"));
        core.arrived(request(1, A, 3, Duration.ZERO));
        core.arrived(request(2, A, 0, Duration.ZERO));
        // One of priority 3 a second; three points are worth 30 s.
        long serving = 1;
        for (long id = 3; serving != 2; id++) {
            assertThat(id).isLessThanOrEqualTo(33);
            core.arrived(request(id, A, 3, Duration.ofSeconds(id)));
            serving = core.served(serving).contains(new Grant(2, "p")) ? 2 : id;
        }
    }

    @Test
    @DisplayName("L50: what is said of an older attempt, or twice of one, is no news")
    void oldNews() {
        core.model(A, ModelLimits.ofConcurrency(5));
        core.arrived(request(1, A));
        assertThat(core.wakeFailed(A, new Wake(T0, 2), T0)).containsExactly(new Reject(1, Reason.WakeFailed));
        HeldRequest later = request(2, A, 0, Duration.ofSeconds(5));
        assertThat(core.arrived(later)).containsExactly(new Demand(A));

        assertThat(core.wakeFailed(A, new Wake(T0, 2), T0.plusSeconds(5))).isEmpty();
        assertThat(core.wakeFailed(A, new Wake(T0, 1), T0.plusSeconds(5))).isEmpty();
        assertThat(core.replicas(A, List.of("p"))).containsExactly(new Grant(2, "p"));
    }

    @Test
    @DisplayName("L52: a queue cannot keep a failing model failing: after a failure nobody demands it for a while")
    void failingModelRests() {
        core.model(A, ModelLimits.ofConcurrency(100));
        core.arrived(request(1, A));
        core.wakeFailed(A, new Wake(T0, 1), T0.plusMillis(1));

        for (long id = 2; id < 50; id++) {
            assertThat(core.arrived(request(id, A))).containsExactly(new Reject(id, Reason.WakeFailed));
        }
    }

    @Test
    @DisplayName("L22, L57: while one model is told to sleep, every other one is served")
    void unloadingBlocksNobody() {
        core.model(A, ModelLimits.ofConcurrency(5));
        core.model(B, ModelLimits.ofConcurrency(5));
        core.replicas(A, List.of("a"));
        core.replicas(B, List.of("b"));
        core.arrived(request(1, A));

        assertThat(core.unloaded(A, Optional.empty())).as("the running one runs on").isEmpty();
        core.replicas(A, List.of());
        assertThat(core.arrived(request(2, B))).containsExactly(new Grant(2, "b"));
        assertThat(core.serving(A)).isEqualTo(1);
        assertThat(core.served(1)).isEmpty();
    }

    @Test
    @DisplayName("L58: a freed place is offered to its own model's queue, whoever else waits")
    void onlyItsOwnQueue() {
        core.model(A, new ModelLimits(1, true, 20_000));
        core.model(B, new ModelLimits(20_000, true, 20_000));
        core.replicas(A, List.of("p"));
        core.arrived(request(1, A));
        core.arrived(request(2, A));
        LongStream.range(100, 10_100).forEach(id -> core.arrived(request(id, B)));

        assertThat(core.served(1)).containsExactly(new Grant(2, "p"));
        assertThat(core.waiting(B)).isEqualTo(10_000);
    }

    @Test
    @DisplayName("L33, L34, L59: a position counts those of the same model that go earlier, and nobody else")
    void positionsByModel() {
        core.model(A, ModelLimits.ofConcurrency(5));
        core.model(B, ModelLimits.ofConcurrency(5));
        core.arrived(request(1, B));
        core.arrived(request(2, A));
        core.arrived(request(3, A, 1, Duration.ofMillis(3)));

        assertThat(core.queued(A).stream().map(HeldRequest::id)).containsExactly(3L, 2L);
        assertThat(core.queued(B).stream().map(HeldRequest::id)).containsExactly(1L);
        core.cancelled(3);
        assertThat(core.queued(A).stream().map(HeldRequest::id)).containsExactly(2L);
        core.removed(B);
        assertThat(core.queued(B)).isEmpty();
        assertThat(core.queued(A).stream().map(HeldRequest::id)).as("told anew, whoever left").containsExactly(2L);
    }
}

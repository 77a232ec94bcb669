package dev.dormouse.gateway.wake;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class DemandScheduleTest {
    private static final ModelKey MODEL = new ModelKey("default", "a");
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    private final DemandSchedule schedule = new DemandSchedule();
    private boolean waiting = true;
    private boolean answered;

    private List<ModelKey> dueAt(long millis) {
        return schedule.due(T0.plusMillis(millis), model -> waiting, (model, since) -> answered);
    }

    /** Writes whatever is due, every 10 ms, and says when. */
    private List<Long> writes(long from, long to, boolean succeeding) {
        List<Long> times = new ArrayList<>();
        for (long now = from; now < to; now += 10) {
            if (!dueAt(now).isEmpty()) {
                times.add(now);
                if (succeeding) {
                    schedule.written(MODEL, T0.plusMillis(now));
                } else {
                    schedule.failed(MODEL, T0.plusMillis(now));
                }
            }
        }
        return times;
    }

    @Test
    @DisplayName("A demand is written at once and renewed every 5 s while somebody waits and nothing answers")
    void renewed() {
        schedule.wanted(MODEL, T0);

        assertThat(writes(0, 11_000, true)).containsExactly(0L, 5_000L, 10_000L);
    }

    @Test
    @DisplayName("L15: nobody waits, nothing is written; a model that woke is not demanded again")
    void stops() {
        schedule.wanted(MODEL, T0);
        assertThat(dueAt(0)).containsExactly(MODEL);
        schedule.written(MODEL, T0);
        answered = true;
        assertThat(writes(10, 20_000, true)).isEmpty();
        answered = false;
        waiting = false;

        assertThat(writes(20_000, 40_000, true)).isEmpty();
    }

    @Test
    @DisplayName("An activation that ends while somebody waits is noticed within 250 ms")
    void endedActivation() {
        schedule.wanted(MODEL, T0);
        dueAt(0);
        schedule.written(MODEL, T0);
        answered = true;
        assertThat(dueAt(5_000)).isEmpty();
        answered = false;

        assertThat(dueAt(5_249)).isEmpty();
        assertThat(dueAt(5_250)).containsExactly(MODEL);
    }

    @Test
    @DisplayName("A write that fails is tried again with growing pauses, at most 5 s")
    void retried() {
        schedule.wanted(MODEL, T0);

        assertThat(writes(0, 17_000, false)).containsExactly(0L, 100L, 300L, 700L, 1_500L, 3_100L, 6_300L, 11_300L,
                16_300L);
    }

    @Test
    @DisplayName("While a write is under way there is no second one; who came meanwhile gets one after it")
    void oneAtATime() {
        schedule.wanted(MODEL, T0);
        dueAt(0);
        schedule.wanted(MODEL, T0.plusMillis(40));
        assertThat(dueAt(50)).isEmpty();

        schedule.written(MODEL, T0.plusMillis(60));

        assertThat(writes(60, 1_000, true)).containsExactly(310L);
    }

    @Test
    @DisplayName("Clients that come and go cause at most four writes per second")
    void flood() {
        List<Long> times = new ArrayList<>();
        for (long now = 0; now < 1_000; now += 10) {
            waiting = true;
            schedule.wanted(MODEL, T0.plusMillis(now));
            times.addAll(writes(now, now + 1, true));
            waiting = false;
            assertThat(dueAt(now + 5)).isEmpty();
        }

        assertThat(times).containsExactly(0L, 250L, 500L, 750L);
    }
}

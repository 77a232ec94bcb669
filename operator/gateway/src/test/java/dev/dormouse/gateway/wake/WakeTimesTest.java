package dev.dormouse.gateway.wake;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class WakeTimesTest {
    private static final ModelKey A = new ModelKey("default", "a");
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    private final WakeTimes wakes = new WakeTimes();

    private void wake(int seconds) {
        wakes.demanded(A, T0);
        wakes.demanded(A, T0.plusSeconds(1));
        wakes.awake(A, T0.plusSeconds(seconds));
        wakes.awake(A, T0.plusSeconds(1000));
    }

    @Test
    @DisplayName("L59: nine of ten past wakes were no longer; the operator's word counts until one was seen here")
    void learned() {
        assertThat(wakes.remaining(A, T0, Optional.empty())).isEmpty();
        assertThat(wakes.remaining(A, T0, Optional.of(Duration.ofSeconds(7)))).contains(Duration.ofSeconds(7));
        for (int seconds = 1; seconds <= 10; seconds++) {
            wake(seconds);
        }
        assertThat(wakes.remaining(A, T0, Optional.of(Duration.ofSeconds(70)))).contains(Duration.ofSeconds(9));
    }

    @Test
    @DisplayName("A wake under way has so much less to go, and never less than nothing")
    void underWay() {
        wake(5);
        wakes.demanded(A, T0);

        assertThat(wakes.remaining(A, T0.plusSeconds(2), Optional.empty())).contains(Duration.ofSeconds(3));
        assertThat(wakes.remaining(A, T0.plusSeconds(9), Optional.empty())).contains(Duration.ZERO);
    }

    @Test
    @DisplayName("A wake that failed teaches nothing, and only the newest twenty count")
    void failedAndForgotten() {
        wakes.demanded(A, T0);
        wakes.abandoned(A);
        wakes.awake(A, T0.plusSeconds(99));
        assertThat(wakes.remaining(A, T0, Optional.empty())).isEmpty();

        wake(500);
        for (int i = 0; i < 20; i++) {
            wake(2);
        }
        assertThat(wakes.remaining(A, T0, Optional.empty())).contains(Duration.ofSeconds(2));
    }
}

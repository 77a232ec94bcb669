package dev.dormouse.domain.balance;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** W37: health beyond the probe. */
class OutlierEjectionTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final List<String> PODS = List.of("a", "b", "c");

    private final OutlierEjection ejection = new OutlierEjection(3, Duration.ofSeconds(30));

    private void fail(String pod, Instant now) {
        while (!ejection.failed(pod, now)) {
            // again and again
        }
    }

    @Test
    @DisplayName("Three failures in a row leave a replica out; a success between them does not count on")
    void failuresInARow() {
        ejection.failed("a", T0);
        ejection.failed("a", T0);
        ejection.succeeded("a");
        assertThat(ejection.failed("a", T0)).isFalse();
        assertThat(ejection.failed("a", T0)).isFalse();
        assertThat(ejection.failed("a", T0)).isTrue();

        assertThat(ejection.admitted(PODS, T0)).containsExactly("b", "c");
    }

    @Test
    @DisplayName("It comes back after its time, and one more failure puts it out for twice as long")
    void readmission() {
        fail("a", T0);
        Instant back = T0.plusSeconds(30);
        assertThat(ejection.admitted(PODS, back)).containsExactlyElementsOf(PODS);

        assertThat(ejection.failed("a", back)).isTrue();
        assertThat(ejection.isEjected("a", back.plusSeconds(59))).isTrue();
        assertThat(ejection.isEjected("a", back.plusSeconds(60))).isFalse();
        ejection.succeeded("a");
        assertThat(ejection.failed("a", back.plusSeconds(61))).isFalse();
    }

    @Test
    @DisplayName("At most half are left out, the newest outliers; a single replica never is")
    void atMostHalf() {
        fail("a", T0);
        fail("b", T0.plusSeconds(1));

        assertThat(ejection.admitted(PODS, T0.plusSeconds(2))).containsExactly("a", "c");
        assertThat(ejection.admitted(List.of("a"), T0.plusSeconds(2))).containsExactly("a");
    }
}

package dev.dormouse.domain.pattern;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HistoryTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    @ParameterizedTest
    @CsvSource({"999, 999", "1000, 1000", "1001, 500", "1500, 999", "1501, 1000", "1502, 500"})
    @DisplayName("W49, X7: one more than 1000 leaves the newest 500")
    void bounded(int added, int kept) {
        History<Integer> history = new History<>(1000, Duration.ofHours(24));
        IntStream.range(0, added).forEach(i -> history.add(T0, i));

        assertThat(history.size()).isEqualTo(kept);
        assertThat(history.all()).last().isEqualTo(added - 1);
        assertThat(history.all()).first().isEqualTo(added - kept);
    }

    @Test
    @DisplayName("W73: what is 24 hours old is forgotten, what is newer by a nanosecond is kept")
    void aged() {
        History<String> history = new History<>(10, Duration.ofHours(24));
        history.add(T0, "old");
        history.add(T0.plusNanos(1), "newer");

        history.trim(T0.plus(Duration.ofHours(24)));

        assertThat(history.all()).containsExactly("newer");
    }
}

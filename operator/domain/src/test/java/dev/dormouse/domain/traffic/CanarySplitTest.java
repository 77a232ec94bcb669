package dev.dormouse.domain.traffic;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Optional;
import java.util.function.LongPredicate;
import java.util.stream.LongStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** BL18, W48: A/B and canary. */
class CanarySplitTest {

    private static CanarySplit percent(int percent) {
        return new CanarySplit(percent, Optional.empty());
    }

    private static long count(LongPredicate takes) {
        return LongStream.range(0, 10_000).filter(takes).count();
    }

    @Test
    @DisplayName("Requests without identity are split by the percentage, also over a short while")
    void split() {
        for (int percent : new int[]{0, 1, 10, 50, 99, 100}) {
            assertThat(count(turn -> percent(percent).takes(Optional.empty(), Optional.empty(), turn)))
                    .isBetween(percent * 100L - 60, percent * 100L + 60);
        }
        assertThat(LongStream.range(0, 200).filter(turn -> percent(10).takes(Optional.empty(), Optional.empty(), turn)))
                .hasSizeBetween(12, 28);
    }

    @Test
    @DisplayName("Who was taken once is taken always, and a higher percentage moves nobody back")
    void sticky() {
        for (long user = 0; user < 2000; user++) {
            Optional<String> identity = Optional.of("user-" + user);
            boolean before = percent(10).takes(Optional.empty(), identity, user);
            assertThat(percent(10).takes(Optional.empty(), identity, user + 77)).isEqualTo(before);
            assertThat(percent(30).takes(Optional.empty(), identity, user) || !before).isTrue();
        }
        assertThat(count(user -> percent(10).takes(Optional.empty(), Optional.of("user-" + user), 0)))
                .isBetween(850L, 1150L);
    }

    @Test
    @DisplayName("A header decides, with its value or with any")
    void header() {
        CanarySplit exact = new CanarySplit(0, Optional.of(new CanarySplit.HeaderRule("X-Try", Optional.of("new"))));
        CanarySplit any = new CanarySplit(0, Optional.of(new CanarySplit.HeaderRule("X-Try", Optional.empty())));

        assertThat(exact.takes(Optional.of("new"), Optional.empty(), 1)).isTrue();
        assertThat(exact.takes(Optional.of("old"), Optional.empty(), 1)).isFalse();
        assertThat(any.takes(Optional.of("old"), Optional.empty(), 1)).isTrue();
        assertThat(any.takes(Optional.empty(), Optional.empty(), 1)).isFalse();
        assertThatThrownBy(() -> percent(101)).hasMessageContaining("0 to 100");
    }
}

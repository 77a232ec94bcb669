package dev.dormouse.domain.warmup;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.warmup.Ladder.Climb;
import dev.dormouse.domain.warmup.Ladder.Fall;
import dev.dormouse.domain.warmup.Ladder.Rung;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LadderTest {

    @ParameterizedTest(name = "{0} s, snapshots {1}, last replica on {2}, overran {3}: {4}")
    @DisplayName("Design §5: each rung has its own deadline; a replica that hung after its restore is followed by one from source")
    @CsvSource({"600, true,,, 'Volume 300, Cold 600', false", "600, false,,, 'Cold 600', false",
            "600, true, Volume, true, 'Cold 600', true", "600, true, Volume, false, 'Volume 300, Cold 600', false",
            "600, true, Cold, true, 'Volume 300, Cold 600', false",
            "600, true, Cold, false, 'Volume 300, Cold 600', false", "600, false, Volume, true, 'Cold 600', false",
            "1, true,,, 'Volume 0.5, Cold 1', false", "86400, true,,, 'Volume 43200, Cold 86400', false"})
    void everyCase(long seconds, boolean snapshots, @Nullable Rung from, @Nullable Boolean overran, String expected,
            boolean said) {
        Optional<Fall> last = Optional.ofNullable(from).map(rung -> new Fall(rung, Boolean.TRUE.equals(overran)));

        Climb climb = Ladder.climb(Duration.ofSeconds(seconds), snapshots, last);

        assertThat(climb.rungs().stream().map(rung -> rung + " " + seconds(climb.deadline(rung))).toList())
                .containsExactlyElementsOf(Arrays.asList(expected.split(", ")));
        assertThat(climb.why().isPresent()).as("%s", climb.why()).isEqualTo(said);
    }

    @ParameterizedTest
    @CsvSource({"1", "7", "600", "86400"})
    @DisplayName("H66: the last rung's deadline is the warmup's, and every rung gets some of it")
    void theLastRungHasTheWarmupsDeadline(long seconds) {
        for (boolean snapshots : new boolean[]{true, false}) {
            Climb climb = Ladder.climb(Duration.ofSeconds(seconds), snapshots, Optional.empty());
            assertThat(climb.deadline(climb.rungs().getLast())).isEqualTo(Duration.ofSeconds(seconds));
            Duration before = Duration.ZERO;
            for (Rung rung : climb.rungs()) {
                assertThat(climb.deadline(rung)).isGreaterThan(before);
                before = climb.deadline(rung);
            }
        }
    }

    private static String seconds(Duration duration) {
        return duration.toMillis() % 1000 == 0
                ? Long.toString(duration.toSeconds())
                : Double.toString(duration.toMillis() / 1e3);
    }
}

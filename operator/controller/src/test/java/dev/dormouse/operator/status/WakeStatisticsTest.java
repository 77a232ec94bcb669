package dev.dormouse.operator.status;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.api.v1alpha1.ModelStatus.Wakes;
import java.util.Objects;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WakeStatisticsTest {

    @ParameterizedTest
    @CsvSource({"1,0", "2,1", "10,9", "19,18", "20,18", "21,19", "40,37", "60,56", "100,94", "1000,949"})
    @DisplayName("D1, H57, H64, H72, X5: nearest rank, over the values 1..n")
    void thePercentileIsOfNearestRank(int n, int index) {
        assertThat(WakeStatistics.p95(LongStream.rangeClosed(1, n).boxed().toList())).isEqualTo(index + 1);
    }

    @Test
    @DisplayName("H54, H56, H63, H73, X7: each wake counts once; the fraction is of all, the percentile of the last hundred")
    void eachWakeCountsOnce() {
        Wakes wakes = null;
        LastWake last = null;
        for (int i = 0; i < 250; i++) {
            LastWake now = new LastWake("at " + i, i % 5 == 0 ? "Cold" : "Volume", (long) i, null, null, null, "p");
            wakes = WakeStatistics.after(wakes, last, now);
            wakes = WakeStatistics.after(wakes, now, now);
            last = now;
        }

        assertThat(wakes).isNotNull();
        Wakes all = Objects.requireNonNull(wakes);
        assertThat(all.count()).isEqualTo(250);
        assertThat(all.coldStartFraction()).isEqualTo(0.2);
        assertThat(all.recentMs()).hasSize(100).first().isEqualTo(150L);
        assertThat(all.p95ColdStartMs()).isEqualTo(244);
    }

    @Test
    @DisplayName("H57, H64: before the first wake there is nothing to tell")
    void beforeTheFirstWakeThereIsNothingToTell() {
        @Nullable
        Wakes none = WakeStatistics.after(null, null, null);

        assertThat(none).isNull();
    }
}

package dev.dormouse.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SummaryTest {

    @ParameterizedTest(name = "{0} samples: p95 is sample {1}")
    @CsvSource({"1, 1", "2, 2", "10, 10", "19, 19", "20, 19", "21, 20", "40, 38", "60, 57", "100, 95", "1000, 950"})
    @DisplayName("D1, H57: the 95th percentile is the nearest rank, a sample that was measured")
    void percentileIsTheNearestRank(int n, double expected) {
        List<Double> samples = IntStream.rangeClosed(1, n).mapToObj(Double::valueOf).toList().reversed();

        assertThat(Summary.of(samples).p95()).isEqualTo(expected);
    }

    @Test
    @DisplayName("R6: min, max, mean, median and deviation")
    void describesSamples() {
        Summary summary = Summary.of(List.of(2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0));

        assertThat(summary.min()).isEqualTo(2);
        assertThat(summary.max()).isEqualTo(9);
        assertThat(summary.mean()).isEqualTo(5);
        assertThat(summary.median()).isEqualTo(4.5);
        assertThat(summary.stddev()).isCloseTo(2.138, within(0.001));
    }

    @Test
    void nothingIsSaidAboutNothing() {
        assertThatThrownBy(() -> Summary.of(List.of())).isInstanceOf(IllegalArgumentException.class);
    }
}

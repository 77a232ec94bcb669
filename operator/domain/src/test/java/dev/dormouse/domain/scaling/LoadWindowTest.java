package dev.dormouse.domain.scaling;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class LoadWindowTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration WIDTH = Duration.ofSeconds(30);

    private final LoadWindow window = new LoadWindow();

    @Test
    @DisplayName("There is no peak before a full window has been watched, also after a gap")
    void noPeakBeforeAFullWindow() {
        window.record(load(5), WIDTH, T0);
        assertThat(window.peak(T0.plusSeconds(29))).isEmpty();
        assertThat(window.peak(T0.plusSeconds(30))).hasValue(5);

        window.record(new Load.Unknown("gap"), WIDTH, T0.plusSeconds(31));
        window.record(load(1), WIDTH, T0.plusSeconds(32));
        assertThat(window.peak(T0.plusSeconds(60))).isEmpty();
        assertThat(window.peak(T0.plusSeconds(62))).hasValue(1);
    }

    @Test
    @DisplayName("Property: the peak is the maximum of the samples in force during the window")
    void thePeakIsTheMaximum() {
        Random random = new Random(7);
        record Sample(Instant at, int requests) {}
        List<Sample> all = new ArrayList<>();
        Instant now = T0;
        for (int i = 0; i < 500; i++) {
            now = now.plusMillis(random.nextInt(3000));
            int requests = random.nextInt(100);
            window.record(load(requests), WIDTH, now);
            all.add(new Sample(now, requests));
            Instant from = now.minus(WIDTH);
            if (all.getFirst().at().isAfter(from)) {
                continue;
            }
            int max = all.stream().filter(s -> s.at().isAfter(from)).mapToInt(Sample::requests).max().orElse(0);
            int before = all.stream().filter(s -> !s.at().isAfter(from)).toList().getLast().requests();
            assertThat(window.peak(now).orElseThrow()).isBetween(max, Math.max(max, before));
        }
    }

    private static Load load(int requests) {
        return new Load.Known(requests, 0, null, Duration.ofHours(1), Map.of(), Set.of());
    }
}

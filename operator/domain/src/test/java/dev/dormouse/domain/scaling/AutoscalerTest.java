package dev.dormouse.domain.scaling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.dormouse.domain.scaling.Autoscaler.Settings;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AutoscalerTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Settings TEN = Settings.of(10, Duration.ZERO);

    private final Autoscaler autoscaler = new Autoscaler();

    @ParameterizedTest
    @CsvSource({
            // requests, ready, target → wanted: ceil(requests / target), half the ready replicas stay at least
            "0,1,10,0", "1,1,10,1", "10,1,10,1", "11,2,10,2", "100,5,10,10", "5,8,10,4", "0,9,10,4", "70,1,0.7,100",
            "3000,2,1,2000"})
    void aSteadyLoadIsDividedByTheTarget(int requests, int ready, double target, int wanted) {
        Settings settings = Settings.of(target, Duration.ZERO);
        for (int second = 0; second <= 200; second += 10) {
            autoscaler.record(load(requests), settings, T0.plusSeconds(second));
        }

        assertThat(autoscaler.advise(ready, settings, T0.plusSeconds(200)).orElseThrow().wanted()).isEqualTo(wanted);
    }

    @Test
    @DisplayName("A burst: 6 s of the panic window see what 60 s of the stable one average away; the number holds for a window")
    void aBurstPanicsAndHolds() {
        for (int second = 0; second < 120; second++) {
            autoscaler.record(load(5), TEN, T0.plusSeconds(second));
        }
        assertThat(advise(1, 119).panicking()).isFalse();
        autoscaler.record(load(80), TEN, T0.plusSeconds(120));

        // panic: (5·3 + 80·3)/6 = 42.5 → 5 ≥ 2·1 ready; stable: (5·57 + 80·3)/60 = 8.75 → 1
        assertThat(advise(1, 123)).isEqualTo(new ScaleAdvice(5, OptionalInt.of(5), true));
        // panic: 80 → 8; stable: (5·54 + 80·6)/60 = 12.5 → 2
        assertThat(advise(5, 126).wanted()).isEqualTo(8);
        autoscaler.record(load(0), TEN, T0.plusSeconds(127));
        assertThat(advise(8, 140)).as("nothing is taken away in panic")
                .isEqualTo(new ScaleAdvice(8, OptionalInt.of(8), true));
        // the last burst was seen at 123: 5/1 ≥ 2; at 126 8/5 < 2
        assertThat(advise(8, 183).panicking()).isTrue();
        assertThat(advise(8, 184)).as("half of eight stay at least")
                .isEqualTo(new ScaleAdvice(4, OptionalInt.of(4), false));
    }

    @Test
    void theFirstNumberCountsForTheWholeWindow() {
        autoscaler.record(load(35), TEN, T0);

        assertThat(advise(0, 0).wanted()).isEqualTo(4);
        assertThat(advise(0, 0).keep()).as("nothing may be taken away yet").isEmpty();
    }

    @Test
    @DisplayName("A replica goes only after a full stable window and the delay")
    void theDelayKeepsTheMost() {
        Settings slow = Settings.of(10, Duration.ofSeconds(90));
        autoscaler.record(load(40), slow, T0);
        assertThat(advise(4, slow, 0).wanted()).isEqualTo(4);
        autoscaler.record(load(0), slow, T0.plusSeconds(1));

        assertThat(advise(4, slow, 62).keep()).isEmpty();
        for (int second = 62; second <= 240; second++) {
            ScaleAdvice advice = advise(4, slow, second);
            if (second >= 90 && second < 62 + 90) {
                assertThat(advice.keep().orElseThrow()).as("second %s", second).isGreaterThanOrEqualTo(2);
            }
        }
        assertThat(advise(4, slow, 241).keep()).hasValue(2);
    }

    @Test
    @DisplayName("A missing gateway makes numbers older, not zero")
    void whatIsUnknownIsNotZero() {
        for (int second = 0; second <= 100; second++) {
            autoscaler.record(load(50), TEN, T0.plusSeconds(second));
        }
        ScaleAdvice before = advise(5, 100);

        autoscaler.record(new Load.Unknown("a gateway has not answered lately"), TEN, T0.plusSeconds(101));
        assertThat(advise(5, 10_000)).isEqualTo(before);
        autoscaler.record(load(0), TEN, T0.plusSeconds(10_000));

        assertThat(advise(5, 10_000).wanted()).isEqualTo(5);
        assertThat(advise(5, 10_030).wanted()).as("half of the window is zero").isEqualTo(3);
    }

    @Test
    void nothingIsAdvisedBeforeAnythingIsKnownOrAfterForgetting() {
        autoscaler.record(new Load.Unknown("new"), TEN, T0);
        assertThat(autoscaler.advise(1, TEN, T0)).isEmpty();
        autoscaler.record(load(1), TEN, T0);
        assertThat(autoscaler.advise(1, TEN, T0)).isPresent();

        autoscaler.forget();

        assertThat(autoscaler.advise(1, TEN, T0)).isEmpty();
    }

    @Test
    void impossibleSettingsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Settings.of(0, Duration.ZERO))
                .withMessageContaining("target 0");
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    @DisplayName("Random loads agree with a plain re-calculation that sums every tenth of a second anew")
    void agreesWithAnIndependentCalculation(long seed) {
        Random random = new Random(seed);
        Settings settings = new Settings(1 + random.nextInt(20), Duration.ofSeconds(20 + random.nextInt(60)),
                Duration.ofSeconds(2 + random.nextInt(8)), 1.5 + random.nextInt(3), 3 + random.nextInt(4), 2,
                Duration.ofSeconds(random.nextInt(40)));
        int steps = 4_000;
        int[] known = new int[steps];
        PlainCalculation plain = new PlainCalculation(settings, known);
        int ready = 1;
        int requests = 0;
        for (int step = 0; step < steps; step++) {
            if (step == 0 || random.nextInt(30) == 0) {
                requests = random.nextInt(8) == 0 ? random.nextInt(500) : random.nextInt(30);
                autoscaler.record(load(requests), settings, at(step));
            }
            known[step] = requests;
            if (random.nextInt(10) == 0) {
                ready = Math.max(0, ready + random.nextInt(5) - 2);
                Optional<ScaleAdvice> advice = autoscaler.advise(ready, settings, at(step));

                assertThat(advice.orElseThrow()).as("seed %s, step %s", seed, step)
                        .isEqualTo(plain.advise(ready, step));
            }
        }
    }

    /** The same rules over an array of tenths of a second, without any cleverness. */
    private static final class PlainCalculation {
        private final Settings settings;
        private final int[] known;
        private final int[] wanted;
        private int panicAt = -1;
        private int most;

        PlainCalculation(Settings settings, int[] known) {
            this.settings = settings;
            this.known = known;
            this.wanted = new int[known.length];
        }

        ScaleAdvice advise(int readyPods, int now) {
            double ready = Math.max(1, readyPods);
            double up = Math.ceil(settings.maxScaleUpRate() * ready);
            double down = Math.floor(ready / settings.maxScaleDownRate());
            double stableRaw = Math.ceil(mean(settings.stableWindow(), now) / settings.target());
            double panicRaw = Math.ceil(mean(settings.panicWindow(), now) / settings.target());
            int stable = (int) Math.min(up, Math.max(stableRaw, down));
            int panic = (int) Math.min(up, Math.max(panicRaw, down));
            int window = (int) settings.stableWindow().toSeconds() * 10;
            if (panicRaw / ready >= settings.panicThreshold()) {
                panicAt = now;
            } else if (panicAt >= 0 && now - panicAt > window) {
                panicAt = -1;
                most = 0;
            }
            int result = stable;
            if (panicAt >= 0) {
                most = Math.max(most, Math.max(stable, panic));
                result = most;
            }
            wanted[now] = result + 1;
            int delay = (int) settings.scaleDownDelay().toSeconds() * 10;
            int keep = result;
            for (int step = Math.max(0, now - delay + 1); step < now; step++) {
                keep = Math.max(keep, wanted[step] - 1);
            }
            OptionalInt kept = now < Math.max(window, delay) ? OptionalInt.empty() : OptionalInt.of(keep);
            return new ScaleAdvice(result, kept, panicAt >= 0);
        }

        private double mean(Duration window, int now) {
            int from = Math.max(0, now - (int) window.toSeconds() * 10);
            if (from == now) {
                return known[now];
            }
            long sum = 0;
            for (int step = from; step < now; step++) {
                sum += known[step];
            }
            return sum / (double) (now - from);
        }
    }

    private static Instant at(int tenths) {
        return T0.plusMillis(tenths * 100L);
    }

    private ScaleAdvice advise(int ready, long second) {
        return advise(ready, TEN, second);
    }

    private ScaleAdvice advise(int ready, Settings settings, long second) {
        return autoscaler.advise(ready, settings, T0.plusSeconds(second)).orElseThrow();
    }

    private static Load load(int requests) {
        return new Load.Known(requests, 0, null, Duration.ofHours(1), Map.of(), Set.of());
    }
}

package dev.dormouse.cli.bench.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.cli.wake.WakeTrace;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class SamplesTest {
    private static final SidecarStatus SIDECAR = new SidecarStatus(9, "i", "uid", "ns/m", "a", ReplicaPhase.Ready, 100,
            0,
            Rung.Volume, 90_000_000, List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 200_000),
                    PhaseTiming.done(PhaseTiming.POOL_ALLOC, 10_000), PhaseTiming.skipped(PhaseTiming.CUSTOM_INIT),
                    PhaseTiming.done(PhaseTiming.WARMUP_INFERENCE, 90_000)),
            new SnapshotReport("s", SnapshotReport.State.Restored, 90_000_000, 90_000_000, 100_000, null, null), null,
            0, 2,
            45_000, 5_400_000, 6_700_000, null, null);
    private static final WakeTrace WAKE = new WakeTrace(5_000_000, 5_030_000, 5_080_000, 5_100_000, 6_750_000, SIDECAR,
            List.of());

    @Test
    @DisplayName("D2, R3, R4: the steps of a wake follow each other and add up to its total; a skipped phase is no sample")
    void theClockAddsUp() {
        Samples samples = new Samples();
        samples.wake(Kind.Restore, true, WAKE);
        Map<String, Measurement> measured = samples.measurements();

        List<String> steps = List.of("request_to_decision", "decision_to_pod", "pod_to_node", "node_to_sidecar",
                "outside_phases", "weight_load", "pool_alloc", "warmup_inference", "ready_to_answer");
        assertThat(steps.stream().map(step -> first(measured, "restore." + step))).containsExactly(30.0, 50.0, 20.0,
                300.0, 1000.0, 200.0, 10.0, 90.0, 50.0);
        assertThat(steps.stream().mapToDouble(step -> first(measured, "restore." + step)).sum())
                .isCloseTo(first(measured, "restore.total"), within(1e-9));
        assertThat(measured).doesNotContainKeys("restore.custom_init", "restore.kernel_compile");
        assertThat(first(measured, "restore.request_to_ready")).isEqualTo(1700);
        assertThat(first(measured, "restore.pod_to_ready")).isEqualTo(1620);
        assertThat(first(measured, "restore.first_inference")).isEqualTo(45);
        assertThat(first(measured, "restore.bytes")).isEqualTo(90_000_000);
        assertThat(first(measured, "restore.rate")).isEqualTo(0.9);
    }

    @Test
    @DisplayName("R24: warm-ups are kept apart, and no figure counts them")
    void warmupsAreApart() {
        Samples samples = new Samples();
        samples.millis("cold.total", false, 9_000_000);
        samples.millis("cold.total", true, 3_000_000);
        samples.millis("cold.total", true, 3_200_000);

        Measurement total = Objects.requireNonNull(samples.measurements().get("cold.total"));
        assertThat(total.samples()).containsExactly(3000.0, 3200.0);
        assertThat(total.discarded()).containsExactly(9000.0);
        assertThat(samples.median("cold.total")).hasValue(3100);
    }

    @Test
    @DisplayName("Ratios are of one run: each sample over a figure beside it, none where there is none")
    void ratiosStayWithinARun() {
        Samples samples = new Samples();
        samples.wake(Kind.Restore, true, WAKE);
        samples.ratio("restore.of_plain_read", Better.Higher, "restore.rate", 1.8);
        samples.ratio("restore.to_cold", Better.Lower, "restore.total", samples.median("cold.total").orElse(0));

        assertThat(first(samples.measurements(), "restore.of_plain_read")).isEqualTo(0.5);
        assertThat(samples.measurements()).doesNotContainKey("restore.to_cold");
    }

    @Test
    @DisplayName("R28: totals that lie far apart are said to, and phases are not")
    void noiseIsSaid() {
        Samples samples = new Samples();
        for (long millis : new long[]{1000, 1010, 990, 3000}) {
            samples.millis("restore.total", true, millis * 1000);
            samples.millis("restore.weight_load", true, millis * 1000);
            samples.millis("cold.total", true, 2_000_000 + millis);
        }

        assertThat(BenchSession.noise(samples.measurements())).singleElement()
                .asString()
                .startsWith("restore.total varies by 67 % of its mean (990 to 3000 ms)");
    }

    private static double first(Map<String, Measurement> measured, String key) {
        return Objects.requireNonNull(measured.get(key), key).samples().getFirst();
    }
}

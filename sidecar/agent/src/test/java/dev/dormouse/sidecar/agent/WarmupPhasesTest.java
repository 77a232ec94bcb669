package dev.dormouse.sidecar.agent;

import static dev.dormouse.sidecar.api.PhaseTiming.CUSTOM_INIT;
import static dev.dormouse.sidecar.api.PhaseTiming.KERNEL_COMPILE;
import static dev.dormouse.sidecar.api.PhaseTiming.POOL_ALLOC;
import static dev.dormouse.sidecar.api.PhaseTiming.WARMUP_INFERENCE;
import static dev.dormouse.sidecar.api.PhaseTiming.WEIGHT_LOAD;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PhaseTiming.State;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class WarmupPhasesTest {
    private static final WarmupSettings ALL = settings(true, true, true);
    private static final List<PhaseTiming> REPORTED = List.of(PhaseTiming.done(KERNEL_COMPILE, 30),
            PhaseTiming.done(WEIGHT_LOAD, 10), PhaseTiming.done(POOL_ALLOC, 20));

    @Test
    @DisplayName("H19: nothing is listed before anything has begun")
    void nothingIsListedBeforeAnythingHasBegun() {
        assertThat(WarmupPhases.none().timings()).isEmpty();
    }

    @Test
    @DisplayName("H23, H36: phases stand in their fixed order, in whatever order the engine reports them")
    void phasesStandInTheirFixedOrder() {
        WarmupPhases phases = WarmupPhases.ofEngine(ALL, REPORTED, null).with(PhaseTiming.done(WARMUP_INFERENCE, 50));

        assertThat(phases.timings()).extracting(PhaseTiming::name).isEqualTo(PhaseTiming.NAMES);
        assertThat(phases.timings()).extracting(PhaseTiming::micros).containsExactly(10L, 20L, 30L, 0L, 50L);
    }

    @Test
    @DisplayName("H3, H24, H29: weight_load that is switched off is Skipped and takes no time")
    void weightLoadCanBeSwitchedOff() {
        assertThat(WarmupPhases.ofEngine(settings(false, true, true), REPORTED, null).timings())
                .contains(PhaseTiming.skipped(WEIGHT_LOAD), PhaseTiming.done(POOL_ALLOC, 20));
    }

    @Test
    @DisplayName("H4, H25, H29: pool_alloc that is switched off is Skipped")
    void poolAllocCanBeSwitchedOff() {
        assertThat(WarmupPhases.ofEngine(settings(true, false, true), REPORTED, null).timings())
                .contains(PhaseTiming.skipped(POOL_ALLOC), PhaseTiming.done(WEIGHT_LOAD, 10));
    }

    @Test
    @DisplayName("H5, H26, H29: kernel_compile that is switched off is Skipped")
    void kernelCompileCanBeSwitchedOff() {
        assertThat(WarmupPhases.ofEngine(settings(true, true, false), REPORTED, null).timings())
                .contains(PhaseTiming.skipped(KERNEL_COMPILE), PhaseTiming.done(POOL_ALLOC, 20));
    }

    @Test
    @DisplayName("H27: custom_init is always listed")
    void customInitIsAlwaysListed() {
        assertThat(WarmupPhases.ofEngine(ALL, List.of(), null).timings()).contains(PhaseTiming.skipped(CUSTOM_INIT));
    }

    @Test
    void afterARestoreTheTimeOfWeightLoadIsTheRestores() {
        WarmupPhases phases = WarmupPhases.ofEngine(ALL, REPORTED, PhaseTiming.done(WEIGHT_LOAD, 777));

        assertThat(phases.timings()).contains(PhaseTiming.done(WEIGHT_LOAD, 777));
    }

    @Test
    void aPhaseTheEngineDoesNotKnowIsSkipped() {
        assertThat(WarmupPhases.ofEngine(ALL, List.of(), null).timings()).extracting(PhaseTiming::state)
                .containsOnly(State.Skipped);
    }

    @Test
    @DisplayName("H30, H31: a failed phase is listed with its error and ends the list; earlier phases stay")
    void aFailureEndsTheList() {
        var failed = new PhaseTiming(POOL_ALLOC, State.Failed, 5, "no memory");

        WarmupPhases phases = WarmupPhases.ofEngine(ALL,
                List.of(PhaseTiming.done(WEIGHT_LOAD, 10), failed, PhaseTiming.done(KERNEL_COMPILE, 30)), null);

        assertThat(phases.timings()).containsExactly(PhaseTiming.done(WEIGHT_LOAD, 10), failed);
        assertThat(phases.failure()).contains(failed);
    }

    @Test
    void whatRunsIsWhatFails() {
        WarmupPhases phases = WarmupPhases.begun(ALL).failed(WARMUP_INFERENCE, "too late");

        assertThat(phases.failure().orElseThrow().name()).isEqualTo(WEIGHT_LOAD);
        assertThat(phases.failure().orElseThrow().error()).isEqualTo("too late");
    }

    @Test
    @DisplayName("H65: a phase is never listed twice")
    void aPhaseIsNeverListedTwice() {
        WarmupPhases phases = WarmupPhases.begun(ALL)
                .with(PhaseTiming.done(WEIGHT_LOAD, 1))
                .with(PhaseTiming.done(WEIGHT_LOAD, 2));

        assertThat(phases.timings()).containsExactly(PhaseTiming.done(WEIGHT_LOAD, 2));
    }

    private static WarmupSettings settings(boolean weights, boolean pools, boolean kernels) {
        return new WarmupSettings(weights, pools, kernels, 1, 1, Duration.ofSeconds(1));
    }
}

package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.PhaseTiming;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The phases of one warmup attempt, always in their fixed order (H23) and each at most once; a second attempt begins
 * with a fresh object (H65). Immutable.
 */
record WarmupPhases(List<PhaseTiming> timings) {
    private static final WarmupPhases NONE = new WarmupPhases(List.of());

    WarmupPhases {
        timings = List.copyOf(timings);
    }

    /** Before anything has begun: nothing is listed yet, except what will not run. */
    static WarmupPhases none() {
        return NONE;
    }

    /** The first thing that happens: weights are on their way, or are not the sidecar's business. */
    static WarmupPhases begun(WarmupSettings settings) {
        return new WarmupPhases(List.of(settings.preloadWeights()
                ? running(PhaseTiming.WEIGHT_LOAD)
                : PhaseTiming.skipped(PhaseTiming.WEIGHT_LOAD)));
    }

    /**
     * The first four phases, once the engine serves: what it timed itself, cut down to what is switched on.
     *
     * @param reported by the engine, in any order; a phase it does not know counts as skipped
     * @param restore the sidecar's own time for the weights; absent when the engine loaded them
     */
    static WarmupPhases ofEngine(WarmupSettings settings, List<PhaseTiming> reported, @Nullable PhaseTiming restore) {
        List<PhaseTiming> phases = new ArrayList<>();
        phases.add(!settings.preloadWeights()
                ? PhaseTiming.skipped(PhaseTiming.WEIGHT_LOAD)
                : restore != null ? restore : find(PhaseTiming.WEIGHT_LOAD, reported));
        phases.add(settings.preallocatePools()
                ? find(PhaseTiming.POOL_ALLOC, reported)
                : PhaseTiming.skipped(PhaseTiming.POOL_ALLOC));
        phases.add(settings.precompileKernels()
                ? find(PhaseTiming.KERNEL_COMPILE, reported)
                : PhaseTiming.skipped(PhaseTiming.KERNEL_COMPILE));
        // Runs after the engine's own phases and takes its place then, if there is one (H27).
        phases.add(PhaseTiming.skipped(PhaseTiming.CUSTOM_INIT));
        return new WarmupPhases(phases).upToFailure();
    }

    /** Puts a phase in its place, instead of an earlier word about it. */
    WarmupPhases with(PhaseTiming phase) {
        List<PhaseTiming> changed = new ArrayList<>();
        for (String name : PhaseTiming.NAMES) {
            if (name.equals(phase.name())) {
                changed.add(phase);
            } else {
                timings.stream().filter(known -> known.name().equals(name)).forEach(changed::add);
            }
        }
        return new WarmupPhases(changed);
    }

    /** Whatever runs now has failed; without such a phase the named one. */
    WarmupPhases failed(String otherwise, String error) {
        PhaseTiming running = timings.stream()
                .filter(phase -> phase.state() == PhaseTiming.State.Running)
                .findFirst()
                .orElse(running(otherwise));
        return with(new PhaseTiming(running.name(), PhaseTiming.State.Failed, running.micros(), error));
    }

    Optional<PhaseTiming> failure() {
        return timings.stream().filter(phase -> phase.state() == PhaseTiming.State.Failed).findFirst();
    }

    /** Whether the engine has loaded weights in this attempt. */
    boolean loaded() {
        return timings.stream()
                .anyMatch(phase -> phase.name().equals(PhaseTiming.WEIGHT_LOAD)
                        && phase.state() == PhaseTiming.State.Done);
    }

    static PhaseTiming running(String name) {
        return new PhaseTiming(name, PhaseTiming.State.Running, 0, null);
    }

    /** H31: the first failure ends the list. */
    private WarmupPhases upToFailure() {
        Optional<PhaseTiming> failure = failure();
        return failure.isEmpty() ? this : new WarmupPhases(timings.subList(0, timings.indexOf(failure.get()) + 1));
    }

    private static PhaseTiming find(String name, List<PhaseTiming> reported) {
        return reported.stream()
                .filter(phase -> phase.name().equals(name))
                .findFirst()
                .orElse(PhaseTiming.skipped(name));
    }
}

package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * One warmup phase of requirements H23–H30.
 *
 * @param name one of {@link #NAMES}
 * @param micros duration in microseconds; 0 for a skipped phase
 * @param error what failed; absent unless {@code state} is {@code Failed}
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record PhaseTiming(String name, State state, long micros, @Nullable String error) {

    public static final String WEIGHT_LOAD = "weight_load";
    public static final String POOL_ALLOC = "pool_alloc";
    public static final String KERNEL_COMPILE = "kernel_compile";
    public static final String CUSTOM_INIT = "custom_init";
    public static final String WARMUP_INFERENCE = "warmup_inference";

    /** The phases in their fixed order (H23). */
    public static final java.util.List<String> NAMES = java.util.List.of(WEIGHT_LOAD, POOL_ALLOC, KERNEL_COMPILE,
            CUSTOM_INIT, WARMUP_INFERENCE);

    public enum State {
        Running, Done, Skipped, Failed
    }

    public static PhaseTiming done(String name, long micros) {
        return new PhaseTiming(name, State.Done, micros, null);
    }

    public static PhaseTiming skipped(String name) {
        return new PhaseTiming(name, State.Skipped, 0, null);
    }
}

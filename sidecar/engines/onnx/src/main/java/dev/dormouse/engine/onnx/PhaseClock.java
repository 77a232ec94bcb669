package dev.dormouse.engine.onnx;

import dev.dormouse.sidecar.api.PhaseTiming;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How long the engine's own warmup phases take: one at a time, each in as many pieces as it needs. For one thread. */
final class PhaseClock {
    private static final List<String> OURS = List.of(PhaseTiming.WEIGHT_LOAD, PhaseTiming.POOL_ALLOC,
            PhaseTiming.KERNEL_COMPILE);

    private final Map<String, Long> nanos = new HashMap<>();
    private @Nullable String phase;
    private long since;

    /** What follows belongs to {@code next}. */
    void enter(String next) {
        end();
        phase = next;
    }

    /** What follows belongs to no phase. */
    void end() {
        long now = System.nanoTime();
        if (phase != null) {
            nanos.merge(phase, now - since, Long::sum);
        }
        phase = null;
        since = now;
    }

    /** In the fixed order (H23); a phase that was never entered was skipped. */
    List<PhaseTiming> timings() {
        return OURS.stream().map(name -> {
            Long spent = nanos.get(name);
            return spent == null ? PhaseTiming.skipped(name) : PhaseTiming.done(name, spent / 1_000);
        }).toList();
    }
}

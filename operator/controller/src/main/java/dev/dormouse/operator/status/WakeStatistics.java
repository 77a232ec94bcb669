package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.api.v1alpha1.ModelStatus.Wakes;
import dev.dormouse.sidecar.api.Rung;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** H54–H57, H72, H73: counts wakes and keeps a bounded number of them, so that a percentile survives a restart. */
final class WakeStatistics {
    static final int KEPT = 100;

    private WakeStatistics() {}

    /** @return what is known after this wake; the same as before when it is not a new one */
    static @Nullable Wakes after(@Nullable Wakes before, @Nullable LastWake last, @Nullable LastWake now) {
        if (now == null || last != null && Objects.equals(last.at(), now.at())) {
            return before;
        }
        List<Long> recent = new ArrayList<>(before == null ? List.of() : before.recentMs());
        recent.add(now.coldStartMs());
        List<Long> kept = recent.subList(Math.max(0, recent.size() - KEPT), recent.size());
        long count = (before == null ? 0 : before.count()) + 1;
        long cold = (before == null ? 0 : before.cold()) + (now.rung().equals(Rung.Cold.name()) ? 1 : 0);
        return new Wakes(count, cold, cold / (double) count, p95(kept), List.copyOf(kept));
    }

    /** D1: nearest rank, of at least one value. */
    static long p95(List<Long> values) {
        List<Long> sorted = values.stream().sorted().toList();
        // ceil(0.95 n) - 1, without the rounding of a product of doubles.
        return sorted.get(Math.ceilDiv(95 * sorted.size(), 100) - 1);
    }
}

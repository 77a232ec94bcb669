package dev.dormouse.engine.onnx.graph;

import java.util.ArrayList;
import java.util.List;

/**
 * Where weights go: a few large allocations, because each costs the sidecar a descriptor and on a GPU at least 2 MiB.
 *
 * @param allocations size of each, in bytes
 * @param places one per weight, in the order given
 */
public record WeightLayout(List<Long> allocations, List<Place> places) {
    /** One cache line; also what ONNX Runtime's kernels align to. */
    public static final long ALIGNMENT = 64;

    /** @param allocation index into {@link WeightLayout#allocations} */
    public record Place(int allocation, long offset) {}

    public WeightLayout {
        allocations = List.copyOf(allocations);
        places = List.copyOf(places);
    }

    /**
     * Packs in the given order, which is the order in which a session reads them.
     *
     * @param lengths bytes of each weight
     * @param preferred size at which an allocation counts as full; a longer weight gets one of its own
     */
    public static WeightLayout pack(List<Long> lengths, long preferred) {
        List<Long> allocations = new ArrayList<>();
        List<Place> places = new ArrayList<>(lengths.size());
        long end = 0;
        for (long length : lengths) {
            long offset = Math.ceilDiv(end, ALIGNMENT) * ALIGNMENT;
            if (end > 0 && offset + length > preferred) {
                allocations.add(end);
                offset = 0;
            }
            places.add(new Place(allocations.size(), offset));
            end = offset + length;
        }
        if (end > 0) {
            allocations.add(end);
        }
        return new WeightLayout(allocations, places);
    }
}

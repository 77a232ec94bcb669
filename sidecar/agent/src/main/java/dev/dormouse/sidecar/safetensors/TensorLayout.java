package dev.dormouse.sidecar.safetensors;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the tensors of some files lie in device memory: packed by element width, since an allocation has one, and each
 * at a multiple of {@link #ALIGNMENT}. Pure arithmetic.
 *
 * @param allocations their sizes, and what lies in them
 * @param buffers file by file in the order of their data; {@code allocation} is an index
 */
record TensorLayout(List<Region> allocations, List<BufferMeta> buffers) {
    /** What {@code cudaMalloc} promises (CUDA programming guide, "Device Memory Accesses"). */
    static final int ALIGNMENT = 256;

    /** A larger tensor has an allocation of its own. */
    static final long ALLOCATION_BYTES = 1L << 30;

    /** @param extents what of it belongs to a file */
    record Region(long bytes, BufferType type, List<Extent> extents) {}

    /**
     * @param place in its allocation
     * @param file index
     * @param position in the file
     */
    record Extent(long place, int file, long position, long length) {}

    static TensorLayout of(List<Header> files) {
        var packing = new Packing();
        for (int file = 0; file < files.size(); file++) {
            Header header = files.get(file);
            for (Tensor tensor : header.tensors()) {
                packing.add(tensor, file, header.bytes().length + tensor.offset());
            }
        }
        return packing.layout();
    }

    private static final class Packing {
        private final List<Long> sizes = new ArrayList<>();
        private final List<List<Extent>> extents = new ArrayList<>();
        private final Map<Integer, Integer> openByWidth = new LinkedHashMap<>();
        private final List<BufferMeta> buffers = new ArrayList<>();

        void add(Tensor tensor, int file, long position) {
            Integer allocation = openByWidth.get(tensor.dtype().width());
            if (allocation == null || sizes.get(allocation) + tensor.length() > ALLOCATION_BYTES) {
                allocation = sizes.size();
                sizes.add(0L);
                extents.add(new ArrayList<>());
                openByWidth.put(tensor.dtype().width(), allocation);
            }
            long place = sizes.get(allocation);
            if (tensor.length() > 0) {
                extents.get(allocation).add(new Extent(place, file, position, tensor.length()));
            }
            // An allocation is never empty, not even one of empty tensors.
            sizes.set(allocation, Math.max(ALIGNMENT, Math.ceilDiv(place + tensor.length(), (long) ALIGNMENT)
                    * ALIGNMENT));
            buffers.add(new BufferMeta(tensor.name(), allocation, place, tensor.length(), BufferType.Weights,
                    tensor.dtype().buffer(), tensor.shape(), false));
        }

        TensorLayout layout() {
            var regions = new ArrayList<Region>();
            for (int i = 0; i < sizes.size(); i++) {
                regions.add(new Region(sizes.get(i), BufferType.Weights, List.copyOf(extents.get(i))));
            }
            return new TensorLayout(List.copyOf(regions), List.copyOf(buffers));
        }
    }
}

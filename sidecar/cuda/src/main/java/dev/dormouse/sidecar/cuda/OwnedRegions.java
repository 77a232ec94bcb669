package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.EngineMessage.AllocationMeta;
import dev.dormouse.sidecar.transport.Descriptor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Blocks of the sidecar, mapped here: they outlive this process. Read-only is this engine's promise, kept by its mapping. */
final class OwnedRegions implements EngineRegions {
    private final CudaContext context;
    private final List<AddressRange> ranges = new ArrayList<>();
    private final List<Writable> writable = new ArrayList<>();

    private record Writable(AddressRange range, CudaBlock block) {}

    OwnedRegions(CudaContext context) {
        this.context = context;
    }

    @Override
    public DeviceRegion allocate(int id, long bytes, @Nullable Descriptor descriptor) {
        if (descriptor == null) {
            throw new IllegalArgumentException("allocation " + id + " came without its descriptor");
        }
        AddressRange range = AddressRange.reserve(context, bytes);
        CudaBlock block = CudaBlock.imported(context, descriptor.number(), bytes);
        range.map(0, block);
        range.access(0, bytes, true);
        ranges.add(range);
        // Kept to be mapped again, read-only, at the same address.
        writable.add(new Writable(range, block));
        return new DeviceRegion(id, range.address(), bytes);
    }

    /** One range, one call for the right to read: that is what makes an attach cheap. */
    @Override
    public List<DeviceRegion> attach(List<AllocationMeta> allocations, List<Descriptor> descriptors) {
        long total = allocations.stream().mapToLong(AllocationMeta::bytes).sum();
        if (total == 0) {
            return List.of();
        }
        AddressRange range = AddressRange.reserve(context, total);
        ranges.add(range);
        List<DeviceRegion> regions = new ArrayList<>();
        long offset = 0;
        for (int i = 0; i < allocations.size(); i++) {
            AllocationMeta allocation = allocations.get(i);
            try (CudaBlock block = CudaBlock.imported(context, descriptors.get(i).number(), allocation.bytes())) {
                range.map(offset, block);
            }
            regions.add(new DeviceRegion(allocation.allocation(), range.address() + offset, allocation.bytes()));
            offset += allocation.bytes();
        }
        range.access(0, total, false);
        return regions;
    }

    @Override
    public void freeze() {
        for (Writable region : writable) {
            region.range.unmap(0, region.block.bytes());
            region.range.map(0, region.block);
            region.range.access(0, region.block.bytes(), false);
            region.block.close();
        }
        writable.clear();
    }

    @Override
    public void close() {
        for (AddressRange range : ranges) {
            range.unmap(0, range.bytes());
            range.close();
        }
        writable.forEach(region -> region.block.close());
        ranges.clear();
        writable.clear();
    }
}

package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.EngineMessage.AllocationMeta;
import dev.dormouse.sidecar.transport.Descriptor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Memory that this engine allocates itself, zeroed; it ends with the engine. */
final class OwnRegions implements EngineRegions {
    private final CudaContext context;
    private final List<Long> addresses = new ArrayList<>();

    OwnRegions(CudaContext context) {
        this.context = context;
    }

    @Override
    public DeviceRegion allocate(int id, long bytes, @Nullable Descriptor descriptor) {
        return new DeviceRegion(id, zeroed(bytes), bytes);
    }

    /** Before the sidecar has given it a number. */
    long zeroed(long bytes) {
        long address = context.allocate(bytes);
        addresses.add(address);
        try (CudaStream stream = new CudaStream(context)) {
            stream.zero(address, bytes);
            stream.synchronize();
        }
        return address;
    }

    @Override
    public List<DeviceRegion> attach(List<AllocationMeta> allocations, List<Descriptor> descriptors) {
        return allocations.stream()
                .map(allocation -> allocate(allocation.allocation(), allocation.bytes(), null))
                .toList();
    }

    @Override
    public void freeze() {
        // Nobody else can write to it.
    }

    @Override
    public void close() {
        addresses.forEach(context::free);
        addresses.clear();
    }
}

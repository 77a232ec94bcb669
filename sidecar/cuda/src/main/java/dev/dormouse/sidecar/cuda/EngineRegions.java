package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.EngineMessage.AllocationMeta;
import dev.dormouse.sidecar.transport.Descriptor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where an engine's allocations lie: in blocks of the sidecar, or in memory of its own. */
sealed interface EngineRegions extends AutoCloseable permits OwnedRegions, OwnRegions {
    /**
     * Memory to fill.
     *
     * @param descriptor of the block, closed by the caller; absent in memory of the engine's own
     */
    DeviceRegion allocate(int id, long bytes, @Nullable Descriptor descriptor);

    /**
     * Memory that holds a snapshot, or will.
     *
     * @param descriptors one per allocation, in order; none in memory of the engine's own
     */
    List<DeviceRegion> attach(List<AllocationMeta> allocations, List<Descriptor> descriptors);

    /** Nobody writes to what was allocated any more. */
    void freeze();

    /** Unmaps or frees everything. No work on it may be in flight. */
    @Override
    void close();
}

package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import java.io.IOException;

/**
 * The memory of one device. {@link HostDevice} stands in for a GPU; a GPU's differs in where bytes pass on their way
 * in, not in who owns them.
 */
public interface DeviceMemory {

    /**
     * Fresh memory, all zero.
     *
     * @throws OutOfDeviceMemoryException when the device has not that much left
     */
    Allocation allocate(long bytes, BufferType type) throws IOException;

    /** Bytes of allocations that are not closed. */
    long usedBytes();
}

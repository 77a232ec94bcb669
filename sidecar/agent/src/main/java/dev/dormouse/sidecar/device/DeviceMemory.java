package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** A device's memory as far as snapshots need it. Thread-safe. */
public interface DeviceMemory extends AutoCloseable {
    /**
     * Memory that reads as zero until it is written, for one type of buffers.
     *
     * @param bytes ≥ 0; the device may round up
     * @throws OutOfDeviceMemoryException when it does not fit
     */
    Allocation allocate(long bytes, BufferType type);

    /**
     * A way to copy to and from allocations of this device, for the calling thread alone (a CUDA context belongs to a
     * thread).
     *
     * @param slotBytes the most that one copy moves
     */
    Lane openLane(int slotBytes);

    /** Bytes of all allocations that are not closed. */
    long usedBytes();

    long capacityBytes();

    /** Frees all allocations. */
    @Override
    void close();
}

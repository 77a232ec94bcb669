package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** An allocation with an address on the device, as far as {@link CudaLane} needs it. Thread-safe. */
abstract class CudaRange extends DeviceAllocation {
    CudaRange(int id, long bytes, BufferType type) {
        super(id, bytes, type);
    }

    /**
     * The address of the first byte, which stays valid until {@link #leave}. Waits for an engine that has not said yet
     * where the memory is.
     *
     * @throws AllocationLostException when there is none, or not any more
     */
    abstract long enter();

    abstract void leave();

    /** Whether what has not been written reads as zeros. */
    abstract boolean fresh();

    abstract Object device();

    void refuseIfSealed() {
        if (sealed()) {
            throw new IllegalStateException("allocation " + id() + " is sealed");
        }
    }
}

package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** An allocation with an address on the device, as far as {@link CudaLane} needs it. Thread-safe. */
abstract class CudaRange implements Allocation {
    private final int id;
    private final long bytes;
    private final BufferType type;
    private volatile boolean sealed;

    CudaRange(int id, long bytes, BufferType type) {
        this.id = id;
        this.bytes = bytes;
        this.type = type;
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

    @Override
    public int id() {
        return id;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public BufferType type() {
        return type;
    }

    /** On a GPU nothing keeps an engine that holds the descriptor from writing: it has promised not to. */
    @Override
    public void sealForOthers() {
        // A promise of the engine's, not ours to keep.
    }

    @Override
    public void seal() {
        sealed = true;
    }

    void refuseIfSealed() {
        if (sealed) {
            throw new IllegalStateException("allocation " + id + " is sealed");
        }
    }
}

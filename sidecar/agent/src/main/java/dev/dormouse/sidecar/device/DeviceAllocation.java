package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** What allocations on a GPU have in common, whoever holds the memory: a number, a size, and whether it may still be written. */
abstract class DeviceAllocation implements Allocation {
    private final int id;
    private final long bytes;
    private final BufferType type;
    private volatile boolean sealed;

    DeviceAllocation(int id, long bytes, BufferType type) {
        this.id = id;
        this.bytes = bytes;
        this.type = type;
    }

    @Override
    public final int id() {
        return id;
    }

    @Override
    public final long bytes() {
        return bytes;
    }

    @Override
    public final BufferType type() {
        return type;
    }

    /** On a GPU nothing keeps an engine from writing: it has promised not to. */
    @Override
    public final void sealForOthers() {
        // A promise of the engine's, not ours to keep.
    }

    @Override
    public final void seal() {
        sealed = true;
    }

    final boolean sealed() {
        return sealed;
    }
}

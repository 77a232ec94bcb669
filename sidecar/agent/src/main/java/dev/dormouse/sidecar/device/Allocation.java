package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** A range of device memory, shared by descriptor. Thread-safe. */
public interface Allocation extends AutoCloseable {
    /** Unique within its device. */
    int id();

    long bytes();

    BufferType type();

    /** Memory that an engine holds has no descriptor. */
    int NO_DESCRIPTOR = -1;

    /**
     * Descriptor to hand to an engine. It stays the allocation's own: send it, do not close it. {@link #NO_DESCRIPTOR}
     * where the engine holds the memory.
     */
    int fd();

    /**
     * Nobody needs the contents any more: whoever waits to copy to or from it, or until something has landed in it, gets
     * {@link AllocationLostException}. The memory stays until {@link #close}.
     */
    default void abandon() {
        // Nobody ever waits for memory of the sidecar's own.
    }

    /**
     * Nobody but this process can write or resize from now on: processes that hold the descriptor can only map it
     * read-only. Mappings made before stay writable, this process's too. On a GPU this is the engine's own promise, not protection.
     */
    void sealForOthers();

    /** Like {@link #sealForOthers}, and no lane writes any more. For good; sealing again does nothing. */
    void seal();

    /** Frees the memory here; engines that have it mapped keep it. No copy to or from it may be in flight. */
    @Override
    void close();
}

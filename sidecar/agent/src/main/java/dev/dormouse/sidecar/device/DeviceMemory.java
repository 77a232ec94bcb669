package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.cuda.GpuFigure;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A device's memory as far as snapshots need it. Thread-safe. */
public interface DeviceMemory extends AutoCloseable {
    /** Who holds the bytes, and how an engine gets at them. */
    default Memory mode() {
        return Memory.Host;
    }

    /** UUID of the GPU, as nvidia-smi writes it; absent without one. */
    default @Nullable String uuid() {
        return null;
    }

    /** What is measured of the device now; empty without a GPU, or without its management library. */
    default Map<GpuFigure, Double> figures() {
        return Map.of();
    }

    /** The GPU; absent without one. */
    default Optional<Accelerator> accelerator() {
        return Optional.empty();
    }

    /**
     * The engine's connection has ended. Where the engine holds the memory it is gone: whoever waits for it gets
     * {@link AllocationLostException}. Elsewhere this means nothing.
     */
    default void engineGone() {
        // The sidecar's own memory outlives engines.
    }

    /** A save has ended, well or not: what the engine and this process keep only for it may go. */
    default void saved() {
        // Most devices read by themselves.
    }

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

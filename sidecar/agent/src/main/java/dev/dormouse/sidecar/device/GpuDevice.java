package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import dev.dormouse.sidecar.cuda.GpuFigure;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A GPU that this process sees, whoever owns the memory: its figures, page-locked slots for its copies, and the account of
 * what is allocated.
 *
 * @param <A> its allocations
 */
abstract class GpuDevice<A extends CudaRange> implements DeviceMemory {
    private final CudaContext context;
    private final PinnedSlots pinned;
    private final GpuGauges gauges;
    private final AtomicLong usedBytes = new AtomicLong();
    private final AtomicInteger nextId = new AtomicInteger();
    private final Set<A> open = ConcurrentHashMap.newKeySet();

    /** @param context closed with this device */
    GpuDevice(CudaContext context) {
        this.context = context;
        this.pinned = new PinnedSlots(context);
        this.gauges = new GpuGauges(context.uuid());
    }

    final CudaContext context() {
        return context;
    }

    final int nextId() {
        return nextId.getAndIncrement();
    }

    final A opened(A allocation) {
        open.add(allocation);
        usedBytes.addAndGet(allocation.bytes());
        return allocation;
    }

    final void released(A allocation) {
        if (open.remove(allocation)) {
            usedBytes.addAndGet(-allocation.bytes());
        }
    }

    final Set<A> open() {
        return open;
    }

    @Override
    public final String uuid() {
        return context.uuid();
    }

    @Override
    public final Map<GpuFigure, Double> figures() {
        return gauges.now();
    }

    @Override
    public final Optional<Accelerator> accelerator() {
        try {
            return Optional.of(new Accelerator(context.name(), context.uuid(), context.architecture(),
                    context.totalBytes(), gauges.driver(), CudaContext.driverVersion()));
        } catch (CudaUnavailableException e) {
            throw new IllegalStateException("a device is open without a driver", e);
        }
    }

    @Override
    public final Lane openLane(int slotBytes) {
        return new CudaLane(this, context, pinned, slotBytes);
    }

    @Override
    public final long usedBytes() {
        return usedBytes.get();
    }

    @Override
    public final long capacityBytes() {
        return context.totalBytes();
    }

    /** Frees all allocations, then the page-locked memory and the device. No lane may be open. */
    @Override
    public final void close() {
        open.forEach(CudaRange::close);
        gauges.close();
        pinned.close();
        closeAddresses();
        context.close();
    }

    /** What else ends before the context does. */
    void closeAddresses() {}
}

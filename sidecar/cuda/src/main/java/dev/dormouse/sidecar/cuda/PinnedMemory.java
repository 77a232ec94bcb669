package dev.dormouse.sidecar.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/** Page-locked host memory, which the device copies to and from while the CPU does something else. */
public final class PinnedMemory implements AutoCloseable {
    private final CudaContext context;
    private final Pointer pointer;
    private final MemorySegment segment;
    private boolean closed;

    PinnedMemory(CudaContext context, Pointer pointer, MemorySegment segment) {
        this.context = context;
        this.pointer = pointer;
        this.segment = segment;
    }

    public MemorySegment segment() {
        return segment;
    }

    /** No copy may be in flight, and nobody may touch the segment afterwards. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            context.bind();
            Driver.check("cuMemFreeHost", JCudaDriver.cuMemFreeHost(pointer));
        }
    }
}

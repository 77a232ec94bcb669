package dev.dormouse.sidecar.cuda;

import static dev.dormouse.sidecar.cuda.Driver.check;

import java.lang.foreign.MemorySegment;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * Copies in order, beside those of other streams. Belongs to the thread that opened it. Copies of page-locked host memory
 * return at once: that memory is the device's until an event recorded after them is reached.
 */
public final class CudaStream implements AutoCloseable {
    private static final int NON_BLOCKING = 1;

    private final CUstream stream = new CUstream();

    public CudaStream(CudaContext context) {
        context.bind();
        check("cuStreamCreate", JCudaDriver.cuStreamCreate(stream, NON_BLOCKING));
    }

    CUstream stream() {
        return stream;
    }

    public void toDevice(long target, MemorySegment source) {
        check("cuMemcpyHtoDAsync", JCudaDriver.cuMemcpyHtoDAsync(new Driver.Address(target),
                new Driver.HostPointer(source.address()), source.byteSize(), stream));
    }

    public void toHost(MemorySegment target, long source) {
        check("cuMemcpyDtoHAsync", JCudaDriver.cuMemcpyDtoHAsync(new Driver.HostPointer(target.address()),
                new Driver.Address(source), target.byteSize(), stream));
    }

    public void zero(long target, long bytes) {
        check("cuMemsetD8Async",
                JCudaDriver.cuMemsetD8Async(new Driver.Address(target), (byte) 0, bytes, stream));
    }

    /** Waits for all that was submitted. */
    public void synchronize() {
        check("cuStreamSynchronize", JCudaDriver.cuStreamSynchronize(stream));
    }

    /** Does not wait; what was submitted is still done. */
    @Override
    public void close() {
        check("cuStreamDestroy", JCudaDriver.cuStreamDestroy(stream));
    }
}

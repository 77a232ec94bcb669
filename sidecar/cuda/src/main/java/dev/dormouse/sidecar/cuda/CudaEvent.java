package dev.dormouse.sidecar.cuda;

import static dev.dormouse.sidecar.cuda.Driver.check;

import jcuda.driver.CUevent;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** A place in a stream's work that can be waited for. */
public final class CudaEvent implements AutoCloseable {
    private static final int DISABLE_TIMING = 2;

    private final CUevent event = new CUevent();

    public CudaEvent(CudaContext context) {
        context.bind();
        check("cuEventCreate", JCudaDriver.cuEventCreate(event, DISABLE_TIMING));
    }

    /** Marks the end of what the stream has been given so far. */
    public void record(CudaStream stream) {
        check("cuEventRecord", JCudaDriver.cuEventRecord(event, stream.stream()));
    }

    /** Whether the stream has come so far. */
    public boolean reached() {
        int result = JCudaDriver.cuEventQuery(event);
        if (result == CUresult.CUDA_ERROR_NOT_READY) {
            return false;
        }
        check("cuEventQuery", result);
        return true;
    }

    /** Waits until the stream has come so far; an error of the work before it is thrown here. */
    public void synchronize() {
        check("cuEventSynchronize", JCudaDriver.cuEventSynchronize(event));
    }

    @Override
    public void close() {
        check("cuEventDestroy", JCudaDriver.cuEventDestroy(event));
    }
}

package dev.dormouse.sidecar.cuda;

import static dev.dormouse.sidecar.cuda.Driver.check;

import jcuda.driver.CUmemAllocationProp;
import jcuda.driver.CUmemLocation;
import jcuda.driver.JCudaDriver;

/**
 * Device memory without an address ({@code cuMemCreate}), which may be mapped by several processes. It lives until every
 * handle is released, every mapping gone and every exported descriptor closed, whichever process holds them.
 */
public final class CudaBlock implements AutoCloseable {
    static final int POSIX_DESCRIPTOR = 1;
    static final int DEVICE = 1;
    private static final int PINNED = 1;
    private static final int MINIMUM = 0;

    private final Driver.Handle handle;
    private final long bytes;
    private boolean closed;

    private CudaBlock(Driver.Handle handle, long bytes) {
        this.handle = handle;
        this.bytes = bytes;
    }

    private static CUmemAllocationProp properties(int ordinal) {
        CUmemAllocationProp properties = new CUmemAllocationProp();
        properties.type = PINNED;
        properties.requestedHandleTypes = POSIX_DESCRIPTOR;
        properties.location = new CUmemLocation(DEVICE, ordinal);
        return properties;
    }

    static long granularity(int ordinal) {
        long[] bytes = new long[1];
        check("cuMemGetAllocationGranularity",
                JCudaDriver.cuMemGetAllocationGranularity(bytes, properties(ordinal), MINIMUM));
        return bytes[0];
    }

    /**
     * Memory with undefined contents.
     *
     * @param bytes a multiple of {@link CudaContext#granularity}
     */
    public static CudaBlock create(CudaContext context, long bytes) {
        context.bind();
        Driver.Handle handle = new Driver.Handle();
        check("cuMemCreate", JCudaDriver.cuMemCreate(handle, bytes, properties(context.ordinal()), 0));
        return new CudaBlock(handle, bytes);
    }

    /**
     * Memory of another process.
     *
     * @param descriptor stays the caller's, who may close it at once
     * @param bytes what the other process says that it has; a lie shows when it is mapped
     */
    public static CudaBlock imported(CudaContext context, int descriptor, long bytes) {
        context.bind();
        Driver.Handle handle = new Driver.Handle();
        check("cuMemImportFromShareableHandle", JCudaDriver.cuMemImportFromShareableHandle(handle,
                new Driver.HostPointer(descriptor), POSIX_DESCRIPTOR));
        return new CudaBlock(handle, bytes);
    }

    public long bytes() {
        return bytes;
    }

    Driver.Handle handle() {
        return handle;
    }

    /** A descriptor to send to another process; the caller's to close. */
    public int export() {
        return Driver.export(handle.value());
    }

    /** Gives up the handle. Where it is mapped it stays. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            check("cuMemRelease", JCudaDriver.cuMemRelease(handle));
        }
    }
}

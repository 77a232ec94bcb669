package dev.dormouse.sidecar.cuda;

import static dev.dormouse.sidecar.cuda.Driver.check;

import jcuda.driver.CUmemAccess_flags;
import jcuda.driver.JCudaDriver;

/** Addresses of a device, reserved: {@link CudaBlock}s are mapped into them, whole, and unmapped again. */
public final class AddressRange implements AutoCloseable {
    private final CudaContext context;
    private final long address;
    private final long bytes;
    private boolean closed;

    private AddressRange(CudaContext context, long address, long bytes) {
        this.context = context;
        this.address = address;
        this.bytes = bytes;
    }

    /** @param bytes a multiple of {@link CudaContext#granularity}; costs no memory */
    public static AddressRange reserve(CudaContext context, long bytes) {
        context.bind();
        Driver.Address address = new Driver.Address();
        check("cuMemAddressReserve",
                JCudaDriver.cuMemAddressReserve(address, bytes, 0, new Driver.Address(0), 0));
        return new AddressRange(context, address.value(), bytes);
    }

    public long address() {
        return address;
    }

    public long bytes() {
        return bytes;
    }

    /** Maps a block, with no right to touch it yet. */
    public void map(long offset, CudaBlock block) {
        context.bind();
        check("cuMemMap",
                JCudaDriver.cuMemMap(new Driver.Address(address + offset), block.bytes(), 0, block.handle(), 0));
    }

    /** Lets this device read, or read and write, a part that is mapped without a gap. */
    public void access(long offset, long length, boolean write) {
        context.bind();
        Driver.setAccess(address + offset, length, context.ordinal(), write
                ? CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
                : CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READ);
    }

    /** Unmaps whole blocks. No copy to or from them may be in flight. */
    public void unmap(long offset, long length) {
        context.bind();
        check("cuMemUnmap", JCudaDriver.cuMemUnmap(new Driver.Address(address + offset), length));
    }

    /** Everything must have been unmapped. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            context.bind();
            check("cuMemAddressFree", JCudaDriver.cuMemAddressFree(new Driver.Address(address), bytes));
        }
    }
}

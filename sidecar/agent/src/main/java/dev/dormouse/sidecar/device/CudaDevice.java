package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.cuda.AddressRange;
import dev.dormouse.sidecar.cuda.CudaBlock;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaException;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.transport.Descriptor;
import org.jspecify.annotations.Nullable;

/**
 * A GPU whose memory this process owns and lends to engines as descriptors: it outlives them. Each allocation is one block
 * of the driver's granularity, mapped into one range of addresses as large as the device. Mode {@code Owned}.
 */
public final class CudaDevice extends GpuDevice<CudaDevice.OwnedAllocation> {
    private final AddressRange addresses;
    private final FreeRanges room;

    /** @param context closed with this device */
    public CudaDevice(CudaContext context) {
        super(context);
        // Twice the memory, so that no order of freeing leaves memory without a place to map it.
        this.addresses = AddressRange.reserve(context, rounded(context.totalBytes()) * 2);
        this.room = new FreeRanges(addresses.bytes());
    }

    private long rounded(long bytes) {
        return Math.ceilDiv(Math.max(1, bytes), context().granularity()) * context().granularity();
    }

    @Override
    public Memory mode() {
        return Memory.Owned;
    }

    @Override
    public Allocation allocate(long bytes, BufferType type) {
        if (bytes < 0) {
            throw new IllegalArgumentException("an allocation of " + bytes + " bytes");
        }
        long whole = rounded(bytes);
        long offset = room.take(whole);
        if (offset < 0) {
            throw full(whole, null);
        }
        CudaBlock block;
        try {
            block = CudaBlock.create(context(), whole);
        } catch (CudaException e) {
            room.giveBack(offset, whole);
            if (e.code() == CudaException.OUT_OF_MEMORY) {
                throw full(whole, e);
            }
            throw e;
        }
        boolean mapped = false;
        try {
            addresses.map(offset, block);
            mapped = true;
            addresses.access(offset, whole, true);
            zero(addresses.address() + offset, whole);
            return opened(new OwnedAllocation(this, nextId(), whole, type, block, offset,
                    Descriptor.owned(block.export())));
        } catch (CudaException e) {
            if (mapped) {
                addresses.unmap(offset, whole);
            }
            block.close();
            room.giveBack(offset, whole);
            throw e;
        }
    }

    /** Whose memory it was before, and what it held, is nobody's business. */
    private void zero(long address, long bytes) {
        try (CudaStream stream = new CudaStream(context())) {
            stream.zero(address, bytes);
            stream.synchronize();
        }
    }

    private OutOfDeviceMemoryException full(long bytes, @Nullable CudaException cause) {
        String message = "an allocation of " + bytes + " bytes does not fit on " + context().name() + " " + uuid()
                + ": " + context().freeBytes() + " of " + capacityBytes() + " bytes are free, " + usedBytes()
                + " are this sidecar's";
        return cause == null
                ? new OutOfDeviceMemoryException(message)
                : new OutOfDeviceMemoryException(message, cause);
    }

    @Override
    void closeAddresses() {
        addresses.close();
    }

    /** One block, mapped for as long as the allocation is open. */
    static final class OwnedAllocation extends CudaRange {
        private final CudaDevice device;
        private final CudaBlock block;
        private final long offset;
        private final Descriptor descriptor;
        private boolean closed;

        OwnedAllocation(CudaDevice device, int id, long bytes, BufferType type, CudaBlock block, long offset,
                Descriptor descriptor) {
            super(id, bytes, type);
            this.device = device;
            this.block = block;
            this.offset = offset;
            this.descriptor = descriptor;
        }

        @Override
        long enter() {
            return device.addresses.address() + offset;
        }

        @Override
        void leave() {
            // Stays mapped until it is closed, which nobody may do during a copy.
        }

        @Override
        boolean fresh() {
            return true;
        }

        @Override
        Object device() {
            return device;
        }

        @Override
        public int fd() {
            return descriptor.number();
        }

        @Override
        public synchronized void close() {
            if (closed) {
                return;
            }
            closed = true;
            device.addresses.unmap(offset, bytes());
            device.room.giveBack(offset, bytes());
            block.close();
            descriptor.close();
            device.released(this);
        }
    }
}

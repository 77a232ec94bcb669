package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.transport.Descriptor;
import dev.dormouse.sidecar.transport.Mapping;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** The sidecar's ring of host memory, mapped and page-locked here once: the device copies from and to its slots. */
final class SharedRing implements AutoCloseable {
    private final CudaContext context;
    private final Mapping mapping;
    private final int slots;
    private final int slotBytes;

    /** @param descriptor stays the caller's */
    SharedRing(CudaContext context, Descriptor descriptor, int slots, int slotBytes) throws IOException {
        if (slots <= 0 || slotBytes <= 0) {
            throw new IOException("A ring of " + slots + " slots of " + slotBytes + " bytes");
        }
        this.context = context;
        this.slots = slots;
        this.slotBytes = slotBytes;
        this.mapping = Mapping.readWrite(descriptor.number(), (long) slots * slotBytes);
        try {
            context.register(mapping.segment());
        } catch (CudaException e) {
            mapping.close();
            throw e;
        }
    }

    MemorySegment slot(int slot, int length) throws IOException {
        if (slot < 0 || slot >= slots || length < 0 || length > slotBytes) {
            throw new IOException("Slot " + slot + " with " + length + " bytes of a ring of " + slots + " slots of "
                    + slotBytes);
        }
        return mapping.segment().asSlice((long) slot * slotBytes, length);
    }

    @Override
    public void close() {
        context.unregister(mapping.segment());
        mapping.close();
    }
}

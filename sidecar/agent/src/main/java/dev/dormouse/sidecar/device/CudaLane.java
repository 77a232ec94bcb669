package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaEvent;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * A worker's stream and its page-locked slots. A slot is filled while the ones before it are on their way to the device,
 * and is handed out again when its event says that it has arrived. It begins with one slot and takes more when it would
 * have to wait for the device: page-locking is so slow that a first restore should not begin with it.
 */
final class CudaLane implements Lane {
    private final Object device;
    private final CudaContext context;
    private final PinnedSlots pool;
    private final int slotBytes;
    private final CudaStream stream;
    private final List<Slot> slots = new ArrayList<>();
    private final Queue<Slot> free = new ArrayDeque<>();
    private final Queue<Slot> onTheirWay = new ArrayDeque<>();
    private @Nullable Slot prepared;

    private static final class Slot {
        final PinnedMemory memory;
        final CudaEvent arrived;
        @Nullable
        CudaRange target;
        long offset;
        int length;
        Runnable landed = () -> {
        };

        Slot(PinnedMemory memory, CudaEvent arrived) {
            this.memory = memory;
            this.arrived = arrived;
        }
    }

    CudaLane(Object device, CudaContext context, PinnedSlots pool, int slotBytes) {
        this.device = device;
        this.context = context;
        this.pool = pool;
        this.slotBytes = slotBytes;
        this.stream = new CudaStream(context);
        grow();
    }

    private void grow() {
        PinnedMemory memory = pool.take(slotBytes, slots.size());
        if (memory != null) {
            Slot slot = new Slot(memory, new CudaEvent(context));
            slots.add(slot);
            free.add(slot);
        }
    }

    @Override
    public MemorySegment slot(Allocation target, long offset, int length) {
        CudaRange range = own(target, offset, length);
        range.refuseIfSealed();
        Slot slot = prepared == null ? next() : prepared;
        prepared = slot;
        slot.target = range;
        slot.offset = offset;
        slot.length = length;
        return slot.memory.segment().asSlice(0, length);
    }

    @Override
    public void submit(Runnable landed) {
        Slot slot = prepared;
        if (slot == null || slot.target == null) {
            throw new IllegalStateException("no slot was taken");
        }
        CudaRange target = slot.target;
        long address = target.enter();
        try {
            stream.toDevice(address + slot.offset, slot.memory.segment().asSlice(0, slot.length));
        } finally {
            target.leave();
        }
        send(slot, landed);
    }

    private void send(Slot slot, Runnable landed) {
        slot.arrived.record(stream);
        slot.landed = landed;
        prepared = null;
        onTheirWay.add(slot);
    }

    @Override
    public void zero(Allocation target, long offset, int length, Runnable landed) {
        CudaRange range = own(target, offset, length);
        range.refuseIfSealed();
        if (range.fresh()) {
            landed.run();
            return;
        }
        Slot slot = prepared == null ? next() : prepared;
        long address = range.enter();
        try {
            stream.zero(address + offset, length);
        } finally {
            range.leave();
        }
        send(slot, landed);
    }

    @Override
    public MemorySegment read(Allocation source, long offset, int length) {
        CudaRange range = own(source, offset, length);
        drain();
        MemorySegment bytes = slots.getFirst().memory.segment().asSlice(0, length);
        long address = range.enter();
        try {
            stream.toHost(bytes, address + offset);
            stream.synchronize();
        } finally {
            range.leave();
        }
        return bytes.asReadOnly();
    }

    private CudaRange own(Allocation allocation, long offset, int length) {
        if (!(allocation instanceof CudaRange range) || range.device() != device) {
            throw new IllegalArgumentException("allocation " + allocation.id() + " belongs to another device");
        }
        Objects.checkFromIndexSize(offset, length, range.bytes());
        Objects.checkFromIndexSize(0L, length, slots.getFirst().memory.segment().byteSize());
        return range;
    }

    /** Lands what has arrived, and what must arrive to make room. */
    private Slot next() {
        while (!onTheirWay.isEmpty() && onTheirWay.element().arrived.reached()) {
            land(onTheirWay.remove());
        }
        if (free.isEmpty()) {
            grow();
        }
        if (free.isEmpty()) {
            land(onTheirWay.remove());
        }
        return free.remove();
    }

    private void land(Slot slot) {
        slot.arrived.synchronize();
        free.add(slot);
        slot.landed.run();
    }

    @Override
    public void drain() {
        while (!onTheirWay.isEmpty()) {
            land(onTheirWay.remove());
        }
    }

    @Override
    public void close() {
        try {
            // Whatever becomes of the bytes: the device must be done with the slots before others get them.
            stream.synchronize();
        } finally {
            stream.close();
            for (Slot slot : slots) {
                slot.arrived.close();
                pool.giveBack(slot.memory);
            }
        }
    }
}

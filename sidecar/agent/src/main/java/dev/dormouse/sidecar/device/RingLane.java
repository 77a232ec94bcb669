package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.EngineMessage.Piece;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** A worker's way into the ring and, for saving, out of it. */
final class RingLane implements Lane {
    private static final int NONE = -1;

    private final RingDevice device;
    private final int slotBytes;
    private final Queue<Runnable> arrivals = new ArrayDeque<>();
    private @Nullable Ring ring;
    private int held = NONE;
    private @Nullable RingAllocation target;
    private long offset;
    private int length;
    private SaveRing.@Nullable Seat seat;

    RingLane(RingDevice device, int slotBytes) {
        this.device = device;
        this.slotBytes = slotBytes;
    }

    private Ring ring() {
        if (ring == null) {
            ring = device.ring(slotBytes);
        }
        return ring;
    }

    /** By whichever thread hears from the engine. */
    void arrived(Runnable landed) {
        synchronized (arrivals) {
            arrivals.add(landed);
        }
    }

    private void land() {
        while (true) {
            Runnable landed;
            synchronized (arrivals) {
                landed = arrivals.poll();
            }
            if (landed == null) {
                return;
            }
            landed.run();
        }
    }

    @Override
    public MemorySegment slot(Allocation allocation, long offset, int length) {
        RingAllocation own = own(allocation, offset, length);
        refuseIfSealed(own);
        land();
        if (held == NONE) {
            held = ring().take(this, own);
        }
        this.target = own;
        this.offset = offset;
        this.length = length;
        return ring().bytes(held, length);
    }

    @Override
    public void submit(Runnable landed) {
        RingAllocation own = target;
        if (held == NONE || own == null) {
            throw new IllegalStateException("no slot was taken");
        }
        int slot = held;
        held = NONE;
        ring().submit(slot, own, offset, length, landed);
    }

    @Override
    public void zero(Allocation allocation, long offset, int length, Runnable landed) {
        RingAllocation own = own(allocation, offset, length);
        refuseIfSealed(own);
        ring().zeros(own, offset, length);
        landed.run();
    }

    @Override
    public MemorySegment read(Allocation source, long offset, int length) {
        RingAllocation own = own(source, offset, length);
        if (seat == null) {
            seat = device.saveRing(slotBytes).seat();
        }
        return seat.fetch(new Piece(seat.slot(), own.id(), offset, length));
    }

    private RingAllocation own(Allocation allocation, long offset, int length) {
        if (!(allocation instanceof RingAllocation own) || own.device() != device) {
            throw new IllegalArgumentException("allocation " + allocation.id() + " belongs to another device");
        }
        Objects.checkFromIndexSize(offset, length, own.bytes());
        Objects.checkFromIndexSize(0, length, slotBytes);
        return own;
    }

    private static void refuseIfSealed(RingAllocation allocation) {
        if (allocation.sealed()) {
            throw new IllegalStateException("allocation " + allocation.id() + " is sealed");
        }
    }

    @Override
    public void drain() {
        Ring mine = ring;
        if (mine != null) {
            mine.drain(this);
        }
        land();
    }

    @Override
    public void close() {
        Ring mine = ring;
        if (mine != null) {
            mine.giveUp(this);
            device.leave(mine);
        }
        if (seat != null) {
            seat.close();
        }
    }
}

package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.EngineMessage.Piece;
import dev.dormouse.sidecar.transport.Mapping;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Slots of shared memory on their way to one engine. Lanes fill them before the engine has even connected; what is filled
 * by then is sent in one go. A slot is free again when the engine has copied it, or when nobody wants its allocation any
 * more. One lock for all: a slot is some megabytes, so this is asked a few thousand times a second.
 */
final class Ring {
    private enum State {
        Free, Held, Early, Sent
    }

    private final class Slot {
        final int number;
        State state = State.Free;
        @Nullable
        RingAllocation target;
        @Nullable
        RingLane lane;
        Runnable landed = () -> {
        };

        Slot(int number) {
            this.number = number;
        }
    }

    private final int slotBytes;
    private final MemoryFile memory;
    private final Mapping mapping;
    private final List<Slot> slots = new ArrayList<>();
    private final Queue<Slot> free = new ArrayDeque<>();
    private final List<Piece> early = new ArrayList<>();
    private @Nullable RingPeer peer;
    private boolean lost;

    Ring(int count, int slotBytes) {
        this.slotBytes = slotBytes;
        try {
            this.memory = MemoryFile.create("dormouse-ring", (long) count * slotBytes);
            memory.sealSize();
            this.mapping = memory.mapReadWrite();
        } catch (IOException e) {
            throw new UncheckedIOException("no memory for a ring of " + count + " slots", e);
        }
        for (int i = 0; i < count; i++) {
            Slot slot = new Slot(i);
            slots.add(slot);
            free.add(slot);
        }
    }

    int slotBytes() {
        return slotBytes;
    }

    /** Hands the ring to the engine, with all that is filled already. */
    synchronized void connect(RingPeer engine) throws IOException {
        engine.ring(slots.size(), slotBytes, memory.descriptor().number());
        peer = engine;
        List<Piece> pieces = List.copyOf(early);
        early.clear();
        for (Piece piece : pieces) {
            if (piece.slot() >= 0) {
                slots.get(piece.slot()).state = State.Sent;
            }
        }
        if (!pieces.isEmpty()) {
            engine.copy(pieces);
        }
    }

    /** A slot to fill, by its number; waits while all are on their way. */
    synchronized int take(RingLane lane, RingAllocation target) {
        while (free.isEmpty() && !gone(target)) {
            await();
        }
        refuseIfGone(target);
        Slot slot = free.remove();
        slot.state = State.Held;
        slot.lane = lane;
        slot.target = target;
        return slot.number;
    }

    MemorySegment bytes(int slot, int length) {
        return mapping.segment().asSlice((long) slot * slotBytes, length);
    }

    synchronized void submit(int number, RingAllocation target, long offset, int length, Runnable landed) {
        Slot slot = slots.get(number);
        slot.landed = landed;
        slot.target = target;
        if (gone(target)) {
            release(slot);
            refuseIfGone(target);
        }
        send(new Piece(number, target.id(), offset, length), slot);
    }

    /** Tells the engine of zeros, which need no slot. */
    synchronized void zeros(RingAllocation target, long offset, int length) {
        refuseIfGone(target);
        send(new Piece(Piece.ZEROS, target.id(), offset, length), null);
    }

    private void send(Piece piece, @Nullable Slot slot) {
        RingPeer engine = peer;
        if (slot != null) {
            slot.state = engine == null ? State.Early : State.Sent;
        }
        if (engine == null) {
            early.add(piece);
            return;
        }
        try {
            engine.copy(List.of(piece));
        } catch (IOException e) {
            lose();
            throw new AllocationLostException("the engine cannot be reached: " + e.getMessage(), e);
        }
    }

    /** The engine has copied these. A number that is not on its way is that of an earlier conversation. */
    synchronized void landed(List<Integer> numbers) {
        for (int number : numbers) {
            if (number >= 0 && number < slots.size() && slots.get(number).state == State.Sent) {
                Slot slot = slots.get(number);
                if (slot.lane != null) {
                    slot.lane.arrived(slot.landed);
                }
                release(slot);
            }
        }
    }

    private void release(Slot slot) {
        slot.state = State.Free;
        slot.target = null;
        slot.lane = null;
        free.add(slot);
        notifyAll();
    }

    /** Waits until nothing of this lane is on its way. */
    synchronized void drain(RingLane lane) {
        while (slots.stream()
                .anyMatch(slot -> slot.lane == lane && slot.state != State.Free
                        && slot.state != State.Held)) {
            if (lost) {
                throw new AllocationLostException("the engine that held the memory is gone");
            }
            await();
        }
    }

    /** The lane is closed: what it holds is free, and nobody is told of what it has sent. */
    synchronized void giveUp(RingLane lane) {
        for (Slot slot : slots) {
            if (slot.lane == lane && slot.state != State.Free) {
                early.removeIf(piece -> piece.slot() == slot.number);
                release(slot);
            }
        }
    }

    /** Nobody wants the contents of this allocation. */
    synchronized void abandon(RingAllocation allocation) {
        for (Slot slot : slots) {
            if (slot.target == allocation && (slot.state == State.Early || slot.state == State.Sent)) {
                early.removeIf(piece -> piece.slot() == slot.number);
                release(slot);
            }
        }
        early.removeIf(piece -> piece.allocation() == allocation.id());
        notifyAll();
    }

    /** The engine is gone. */
    synchronized void lose() {
        lost = true;
        peer = null;
        notifyAll();
    }

    /** No lane uses it. An engine that has it mapped keeps the memory. */
    void close() {
        mapping.close();
        memory.close();
    }

    private boolean gone(RingAllocation target) {
        return lost || target.abandoned();
    }

    private void refuseIfGone(RingAllocation target) {
        if (gone(target)) {
            throw new AllocationLostException("the engine that held allocation " + target.id() + " is gone");
        }
    }

    private void await() {
        try {
            wait();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AllocationLostException("interrupted while waiting for the engine", e);
        }
    }
}

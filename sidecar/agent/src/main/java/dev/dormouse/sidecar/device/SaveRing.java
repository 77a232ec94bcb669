package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.EngineMessage.Piece;
import dev.dormouse.sidecar.transport.Mapping;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Slots that one engine fills with what is to be saved, one per lane. Handed to it once. Thread-safe. */
final class SaveRing {
    private static final Logger LOG = LoggerFactory.getLogger(SaveRing.class);
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final int slotBytes;
    private final int slots;
    private final RingPeer peer;
    private final MemoryFile memory;
    private final Mapping mapping;
    private final BitSet taken = new BitSet();
    private final BitSet filled = new BitSet();
    private @Nullable String lost;
    private boolean closed;

    SaveRing(int slots, int slotBytes, RingPeer peer) {
        this.slots = slots;
        this.slotBytes = slotBytes;
        this.peer = peer;
        try {
            this.memory = MemoryFile.create("dormouse-save-ring", (long) slots * slotBytes);
            memory.sealSize();
            this.mapping = memory.mapReadWrite();
            peer.saveRing(slots, slotBytes, memory.descriptor().number());
        } catch (IOException e) {
            throw new UncheckedIOException("no ring to save through", e);
        }
    }

    int slotBytes() {
        return slotBytes;
    }

    /** One lane's slot. */
    final class Seat implements AutoCloseable {
        private final int slot;

        private Seat(int slot) {
            this.slot = slot;
        }

        int slot() {
            return slot;
        }

        /** The bytes of a range, until the next call. */
        MemorySegment fetch(Piece piece) {
            return SaveRing.this.fetch(piece);
        }

        @Override
        public void close() {
            free(slot);
        }
    }

    synchronized Seat seat() {
        int slot = taken.nextClearBit(0);
        while (slot >= slots && lost == null) {
            pause(0);
            slot = taken.nextClearBit(0);
        }
        refuseIfLost();
        taken.set(slot);
        return new Seat(slot);
    }

    private synchronized void free(int slot) {
        taken.clear(slot);
        notifyAll();
        if (lost != null && taken.isEmpty()) {
            release();
        }
    }

    private MemorySegment fetch(Piece piece) {
        synchronized (this) {
            refuseIfLost();
            filled.clear(piece.slot());
        }
        try {
            peer.fetch(slots, slotBytes, List.of(piece));
        } catch (IOException e) {
            lose("the engine cannot be reached: " + e.getMessage());
        }
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        synchronized (this) {
            while (lost == null && !filled.get(piece.slot())) {
                long left = (deadline - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    throw new AllocationLostException(
                            "the engine did not bring " + piece + " within " + PATIENCE.toSeconds() + " s");
                }
                pause(left);
            }
            refuseIfLost();
            return mapping.segment().asSlice((long) piece.slot() * slotBytes, piece.length()).asReadOnly();
        }
    }

    synchronized void filled(List<Piece> pieces) {
        for (Piece piece : pieces) {
            if (piece.slot() >= 0 && piece.slot() < slots) {
                filled.set(piece.slot());
            }
        }
        notifyAll();
    }

    /** Everything is saved, or nothing more will be: the engine unmaps the ring, and what it has kept for it. */
    void end() {
        lose("the save is over");
        try {
            peer.fetch(0, 0, List.of());
        } catch (IOException e) {
            LOG.debug("the engine is gone, and its mapping with it: {}", e.getMessage());
        }
    }

    /** The engine is gone, or cannot. */
    synchronized void lose(String reason) {
        lost = reason;
        notifyAll();
        if (taken.isEmpty()) {
            release();
        }
    }

    private void release() {
        if (!closed) {
            closed = true;
            mapping.close();
            memory.close();
        }
    }

    private void refuseIfLost() {
        if (lost != null) {
            throw new AllocationLostException(lost);
        }
    }

    private void pause(long millis) {
        try {
            wait(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AllocationLostException("interrupted while waiting for the engine", e);
        }
    }
}

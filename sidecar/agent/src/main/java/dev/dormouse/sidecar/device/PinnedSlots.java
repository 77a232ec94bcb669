package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/**
 * Page-locked host memory for the lanes of a device, at most {@link #MAX_BYTES} of it. It is page-locked once and kept
 * for the lanes to come: locking a GiB takes about a second, copying it a fiftieth of that. Thread-safe.
 */
final class PinnedSlots implements AutoCloseable {
    static final long MAX_BYTES = 1L << 30;
    private static final int SLOTS = 3;

    private final CudaContext context;
    private final Map<Integer, Queue<PinnedMemory>> free = new HashMap<>();
    private final List<PinnedMemory> all = new ArrayList<>();
    private long lockedBytes;

    PinnedSlots(CudaContext context) {
        this.context = context;
    }

    /**
     * Memory for one slot; waits while lanes hold all there may be.
     *
     * @param slots how many the asking lane has already: one that has none may wait, others go on with fewer
     * @return null when this lane must do with what it has
     */
    synchronized @Nullable PinnedMemory take(int slotBytes, int slots) {
        if (slots >= SLOTS) {
            return null;
        }
        while (true) {
            PinnedMemory idle = free.computeIfAbsent(slotBytes, size -> new ArrayDeque<>()).poll();
            if (idle != null) {
                return idle;
            }
            if (lockedBytes + slotBytes > MAX_BYTES) {
                releaseIdle();
            }
            if (lockedBytes == 0 || lockedBytes + slotBytes <= MAX_BYTES) {
                PinnedMemory memory = context.pinned(slotBytes);
                all.add(memory);
                lockedBytes += slotBytes;
                return memory;
            }
            if (slots > 0) {
                return null;
            }
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while waiting for page-locked memory", e);
            }
        }
    }

    synchronized void giveBack(PinnedMemory memory) {
        free.computeIfAbsent((int) memory.segment().byteSize(), size -> new ArrayDeque<>()).add(memory);
        notifyAll();
    }

    private void releaseIdle() {
        for (Queue<PinnedMemory> idle : free.values()) {
            for (PinnedMemory memory = idle.poll(); memory != null; memory = idle.poll()) {
                all.remove(memory);
                lockedBytes -= memory.segment().byteSize();
                memory.close();
            }
        }
    }

    /** No lane may be open. */
    @Override
    public synchronized void close() {
        all.forEach(PinnedMemory::close);
        all.clear();
        free.clear();
        lockedBytes = 0;
    }
}

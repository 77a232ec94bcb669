package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.api.EngineMessage.Piece;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Memory that only the engine can reach: this process needs no GPU. Restored bytes go through a {@link Ring} of shared
 * memory, which is being filled while the engine still starts; saved ones come back through a {@link SaveRing}. Both serve
 * one connection. Mode {@code Staged}.
 */
public final class RingDevice implements DeviceMemory {
    private final int slots;
    private final AtomicLong usedBytes = new AtomicLong();
    private final AtomicInteger nextId = new AtomicInteger();
    private final Set<RingAllocation> open = ConcurrentHashMap.newKeySet();
    /** How many lanes use a ring; one that is not current any more is closed with the last of them. */
    private final Map<Ring, Integer> lanes = new HashMap<>();
    private @Nullable Ring current;
    private @Nullable RingPeer waiting;
    private @Nullable RingPeer engine;
    private @Nullable SaveRing saving;

    /** @param slots of a ring: three for each worker keep all of them busy */
    public RingDevice(int slots) {
        this.slots = slots;
    }

    @Override
    public Memory mode() {
        return Memory.Staged;
    }

    @Override
    public Allocation allocate(long bytes, BufferType type) {
        if (bytes < 0) {
            throw new IllegalArgumentException("an allocation of " + bytes + " bytes");
        }
        var allocation = new RingAllocation(this, nextId.getAndIncrement(), bytes, type);
        open.add(allocation);
        usedBytes.addAndGet(bytes);
        return allocation;
    }

    void released(RingAllocation allocation) {
        if (open.remove(allocation)) {
            usedBytes.addAndGet(-allocation.bytes());
        }
    }

    void abandoned(RingAllocation allocation) {
        List<Ring> rings;
        synchronized (this) {
            rings = List.copyOf(lanes.keySet());
        }
        rings.forEach(ring -> ring.abandon(allocation));
    }

    @Override
    public Lane openLane(int slotBytes) {
        return new RingLane(this, slotBytes);
    }

    /** The ring of the present connection, or of the one to come. */
    synchronized Ring ring(int slotBytes) {
        if (current == null || current.slotBytes() != slotBytes) {
            RingPeer asking = waiting;
            retire();
            waiting = asking;
            current = new Ring(slots, slotBytes);
            lanes.put(current, 0);
        }
        lanes.merge(current, 1, Integer::sum);
        if (waiting != null) {
            RingPeer peer = waiting;
            waiting = null;
            try {
                current.connect(peer);
            } catch (IOException e) {
                current.lose();
            }
        }
        return current;
    }

    synchronized void leave(Ring ring) {
        lanes.merge(ring, -1, Integer::sum);
        closeIfUnused(ring);
    }

    /** The restore has ended: nobody needs its ring any more. */
    public synchronized void retire() {
        Ring old = current;
        current = null;
        waiting = null;
        if (old != null) {
            closeIfUnused(old);
        }
    }

    private void closeIfUnused(Ring ring) {
        if (ring != current && lanes.getOrDefault(ring, -1) == 0) {
            lanes.remove(ring);
            ring.close();
        }
    }

    /** The engine wants to copy what is being restored. It is sent the ring now, or when the restore has one. */
    public synchronized void connect(RingPeer peer) throws IOException {
        if (current == null) {
            waiting = peer;
        } else {
            current.connect(peer);
        }
    }

    /** The engine gives slots back. */
    public void landed(List<Integer> numbers) {
        Ring ring;
        synchronized (this) {
            ring = current;
        }
        if (ring != null) {
            ring.landed(numbers);
        }
    }

    /** The engine is ready: from here on it brings bytes that are to be saved. */
    public synchronized void saveFrom(RingPeer peer) {
        engine = peer;
    }

    synchronized SaveRing saveRing(int slotBytes) {
        if (engine == null) {
            throw new AllocationLostException("the engine that held the memory is gone");
        }
        if (saving == null || saving.slotBytes() != slotBytes) {
            saving = new SaveRing(Math.max(1, slots / 3), slotBytes, engine);
        }
        return saving;
    }

    /** The engine has filled these for {@link RingPeer#fetch}. */
    public synchronized void filled(List<Piece> pieces) {
        if (saving != null) {
            saving.filled(pieces);
        }
    }

    /** The engine cannot bring what it was asked for. */
    public synchronized void refused(String reason) {
        if (saving != null) {
            saving.lose("the engine refused: " + reason);
            saving = null;
        }
    }

    /** No lane may be saving. */
    @Override
    public void saved() {
        SaveRing over;
        synchronized (this) {
            over = saving;
            saving = null;
        }
        if (over != null) {
            over.end();
        }
    }

    @Override
    public synchronized void engineGone() {
        engine = null;
        if (current != null) {
            current.lose();
        }
        retire();
        if (saving != null) {
            saving.lose("the engine that held the memory is gone");
            saving = null;
        }
    }

    @Override
    public long usedBytes() {
        return usedBytes.get();
    }

    /** The engine's business. */
    @Override
    public long capacityBytes() {
        return Long.MAX_VALUE;
    }

    @Override
    public void close() {
        engineGone();
        open.forEach(RingAllocation::close);
    }
}

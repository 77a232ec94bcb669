package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.transport.Mapping;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A device made of host memory: every allocation is an anonymous memory file that engines map. Unlike a GPU it really
 * protects what is sealed. Pages are taken when they are first written; the capacity bounds what is promised, because a
 * process that touches more than its container may use is killed without a word.
 */
public final class HostDevice implements DeviceMemory {
    private final long capacityBytes;
    private final AtomicLong usedBytes = new AtomicLong();
    private final AtomicInteger nextId = new AtomicInteger();
    private final Set<HostAllocation> open = ConcurrentHashMap.newKeySet();

    public HostDevice(long capacityBytes) {
        this.capacityBytes = capacityBytes;
    }

    @Override
    public Allocation allocate(long bytes, BufferType type) {
        if (bytes < 0) {
            throw new IllegalArgumentException("an allocation of " + bytes + " bytes");
        }
        reserve(bytes);
        try {
            var allocation = new HostAllocation(this, nextId.getAndIncrement(), bytes, type);
            open.add(allocation);
            return allocation;
        } catch (IOException e) {
            usedBytes.addAndGet(-bytes);
            throw new OutOfDeviceMemoryException("no " + bytes + " bytes of host memory: " + e.getMessage(), e);
        }
    }

    private void reserve(long bytes) {
        usedBytes.accumulateAndGet(bytes, (used, more) -> {
            if (more > capacityBytes - used) {
                throw new OutOfDeviceMemoryException("an allocation of " + more + " bytes does not fit: " + used
                        + " of " + capacityBytes + " bytes are in use");
            }
            return used + more;
        });
    }

    void released(HostAllocation allocation) {
        if (open.remove(allocation)) {
            usedBytes.addAndGet(-allocation.bytes());
        }
    }

    @Override
    public Lane openLane(int slotBytes) {
        return new HostLane(this);
    }

    @Override
    public long usedBytes() {
        return usedBytes.get();
    }

    @Override
    public long capacityBytes() {
        return capacityBytes;
    }

    @Override
    public void close() {
        open.forEach(HostAllocation::close);
    }

    /** Hands out the destination itself: what a worker reads from disk lands in place. */
    private record HostLane(HostDevice device) implements Lane {
        @Override
        public MemorySegment slot(Allocation target, long offset, int length) {
            return own(target).writable().asSlice(offset, length);
        }

        @Override
        public void submit(Runnable landed) {
            landed.run();
        }

        @Override
        public void zero(Allocation target, long offset, int length, Runnable landed) {
            landed.run();
        }

        @Override
        public MemorySegment read(Allocation source, long offset, int length) {
            return own(source).readable().asSlice(offset, length);
        }

        private HostAllocation own(Allocation allocation) {
            if (allocation instanceof HostAllocation host && host.device() == device) {
                return host;
            }
            throw new IllegalArgumentException("allocation " + allocation.id() + " belongs to another device");
        }

        @Override
        public void drain() {
            // Copies nothing, so nothing is ever in flight.
        }

        @Override
        public void close() {
            // No slots of its own.
        }
    }

    /** One memory file, mapped for as long as the allocation is open. */
    private static final class HostAllocation implements Allocation {
        private final HostDevice device;
        private final int id;
        private final BufferType type;
        private final MemoryFile memory;
        private final Mapping mapping;
        private volatile boolean sealed;
        private boolean sealedForOthers;
        private boolean closed;

        HostAllocation(HostDevice device, int id, long bytes, BufferType type) throws IOException {
            this.device = device;
            this.id = id;
            this.type = type;
            this.memory = MemoryFile.create("dormouse-" + type + "-" + id, bytes);
            try {
                this.mapping = memory.mapReadWrite();
            } catch (IOException e) {
                memory.close();
                throw e;
            }
        }

        HostDevice device() {
            return device;
        }

        MemorySegment writable() {
            if (sealed) {
                throw new IllegalStateException("allocation " + id + " is sealed");
            }
            return mapping.segment();
        }

        MemorySegment readable() {
            return mapping.segment().asReadOnly();
        }

        @Override
        public int id() {
            return id;
        }

        @Override
        public long bytes() {
            return memory.bytes();
        }

        @Override
        public BufferType type() {
            return type;
        }

        @Override
        public int fd() {
            return memory.descriptor().number();
        }

        @Override
        public synchronized void sealForOthers() {
            if (sealedForOthers) {
                return;
            }
            try {
                memory.seal();
            } catch (IOException e) {
                throw new UncheckedIOException("allocation " + id + " cannot be sealed", e);
            }
            sealedForOthers = true;
        }

        /** The mapping stays as it is, for readers may hold it; {@link #writable} is the only way to write to it. */
        @Override
        public synchronized void seal() {
            sealForOthers();
            sealed = true;
        }

        @Override
        public synchronized void close() {
            if (closed) {
                return;
            }
            closed = true;
            mapping.close();
            memory.close();
            device.released(this);
        }
    }
}

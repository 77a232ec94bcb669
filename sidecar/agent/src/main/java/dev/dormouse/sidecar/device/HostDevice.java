package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.transport.Memfd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Device memory in host memory: sealed memfd allocations. Pages are taken from the kernel when first touched. */
public final class HostDevice implements DeviceMemory {
    private final long capacity;
    private final AtomicLong used = new AtomicLong();
    private final AtomicInteger nextId = new AtomicInteger();

    /** @param capacity bytes that all allocations together may have */
    public HostDevice(long capacity) {
        this.capacity = capacity;
    }

    @Override
    public Allocation allocate(long bytes, BufferType type) throws IOException {
        reserve(bytes);
        try {
            int id = nextId.getAndIncrement();
            return new HostAllocation(id, type, Memfd.create("dormouse-" + type + "-" + id, bytes));
        } catch (IOException e) {
            used.addAndGet(-bytes);
            throw e;
        }
    }

    private void reserve(long bytes) throws OutOfDeviceMemoryException {
        long before;
        do {
            before = used.get();
            if (bytes < 0 || bytes > capacity - before) {
                throw new OutOfDeviceMemoryException(bytes, capacity - before);
            }
        } while (!used.compareAndSet(before, before + bytes));
    }

    @Override
    public long usedBytes() {
        return used.get();
    }

    private final class HostAllocation implements Allocation {
        private final int id;
        private final BufferType type;
        private final Memfd memory;
        private Arena arena = Arena.ofShared();
        private MemorySegment segment;
        private boolean frozen;
        private boolean sealed;
        private boolean closed;

        HostAllocation(int id, BufferType type, Memfd memory) throws IOException {
            this.id = id;
            this.type = type;
            this.memory = memory;
            this.segment = memory.map(true, arena);
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
            return memory.fd();
        }

        @Override
        public synchronized void seal() throws IOException {
            if (!sealed) {
                memory.seal();
                sealed = true;
            }
        }

        @Override
        public synchronized MemorySegment segment() {
            return segment;
        }

        @Override
        public synchronized void freeze() throws IOException {
            if (!frozen) {
                Arena reading = Arena.ofShared();
                segment = memory.map(false, reading);
                arena.close();
                arena = reading;
                frozen = true;
            }
        }

        @Override
        public synchronized void close() throws IOException {
            if (!closed) {
                closed = true;
                arena.close();
                memory.close();
                used.addAndGet(-memory.bytes());
            }
        }
    }
}

package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Queue;

/**
 * A device with the manners of a GPU: fresh memory holds garbage, copies go through a few slots of each lane, and arrive
 * late: when the slot is needed again, or when the lane is drained. Proves that callers of the port rely on nothing else.
 */
public final class StagedDevice implements DeviceMemory {
    private static final int SLOTS = 3;

    private final HostDevice memory;

    public StagedDevice(long capacityBytes) {
        this.memory = new HostDevice(capacityBytes);
    }

    @Override
    public Allocation allocate(long bytes, BufferType type) {
        Allocation allocation = memory.allocate(bytes, type);
        try (Lane direct = memory.openLane((int) bytes)) {
            direct.slot(allocation, 0, (int) bytes).fill((byte) 0xAA);
        }
        return allocation;
    }

    public HostDevice memory() {
        return memory;
    }

    @Override
    public Lane openLane(int slotBytes) {
        return new StagedLane(memory.openLane(slotBytes), slotBytes);
    }

    @Override
    public long usedBytes() {
        return memory.usedBytes();
    }

    @Override
    public long capacityBytes() {
        return memory.capacityBytes();
    }

    @Override
    public void close() {
        memory.close();
    }

    private static final class StagedLane implements Lane {
        private record Copy(MemorySegment slot, Allocation target, long offset, int length, Runnable landed) {}

        private final Lane direct;
        private final Arena arena = Arena.ofConfined();
        private final Queue<MemorySegment> free = new ArrayDeque<>();
        private final Queue<Copy> onTheirWay = new ArrayDeque<>();
        private Runnable submit = () -> {
            throw new IllegalStateException("no slot was taken");
        };
        private Runnable landed = () -> {
        };

        StagedLane(Lane direct, int slotBytes) {
            this.direct = direct;
            for (int i = 0; i < SLOTS; i++) {
                free.add(arena.allocate(slotBytes));
            }
        }

        @Override
        public MemorySegment slot(Allocation target, long offset, int length) {
            if (free.isEmpty()) {
                land();
            }
            MemorySegment slot = free.remove();
            submit = () -> onTheirWay.add(new Copy(slot, target, offset, length, landed));
            return slot.asSlice(0, length);
        }

        @Override
        public void submit(Runnable landed) {
            this.landed = landed;
            submit.run();
        }

        @Override
        public void zero(Allocation target, long offset, int length, Runnable landed) {
            slot(target, offset, length).fill((byte) 0);
            submit(landed);
        }

        private void land() {
            Copy copy = onTheirWay.remove();
            direct.slot(copy.target(), copy.offset(), copy.length()).copyFrom(copy.slot().asSlice(0, copy.length()));
            copy.slot().fill((byte) 0x55);
            free.add(copy.slot());
            copy.landed().run();
        }

        @Override
        public MemorySegment read(Allocation source, long offset, int length) {
            return direct.read(source, offset, length);
        }

        @Override
        public void drain() {
            while (!onTheirWay.isEmpty()) {
                land();
            }
        }

        @Override
        public void close() {
            drain();
            arena.close();
        }
    }
}

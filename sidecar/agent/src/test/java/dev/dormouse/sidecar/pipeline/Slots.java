package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.Lane;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Takes every chunk and keeps none: what remains is the pipeline's own cost. */
final class Slots implements DeviceMemory {
    private record Nowhere(int id, long bytes, BufferType type, int fd) implements Allocation {
        @Override
        public void sealForOthers() {
            // there is nobody else
        }

        @Override
        public void seal() {
            // there is nothing to write to
        }

        @Override
        public void close() {
            // there is nothing to free
        }
    }

    @Override
    public Allocation allocate(long bytes, BufferType type) {
        return new Nowhere(0, bytes, type, -1);
    }

    @Override
    public Lane openLane(int slotBytes) {
        Arena arena = Arena.ofConfined();
        MemorySegment slot = arena.allocate(slotBytes, 4096);
        return new Lane() {
            @Override
            public MemorySegment slot(Allocation target, long offset, int length) {
                return slot.asSlice(0, length);
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
                throw new UnsupportedOperationException("nothing is kept");
            }

            @Override
            public void drain() {
                // nothing is on its way
            }

            @Override
            public void close() {
                arena.close();
            }
        };
    }

    @Override
    public long usedBytes() {
        return 0;
    }

    @Override
    public long capacityBytes() {
        return Long.MAX_VALUE;
    }

    @Override
    public void close() {
        // nothing is held
    }
}

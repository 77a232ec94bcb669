package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/**
 * Committed or restoring memory, mapped read-only. Contents of a restore arrive while this is held: read a buffer or a
 * file only after {@link EngineClient#await}.
 *
 * @param allocations segment per allocation id
 * @param files segment per file name
 */
public record Attachment(Map<Integer, MemorySegment> allocations, List<BufferMeta> buffers,
        Map<String, MemorySegment> files) {

    public Attachment {
        allocations = Map.copyOf(allocations);
        buffers = List.copyOf(buffers);
        files = Map.copyOf(files);
    }

    /** The bytes of one buffer. */
    public MemorySegment bytes(BufferMeta buffer) {
        MemorySegment allocation = allocations.get(buffer.allocation());
        if (allocation == null) {
            throw new IllegalArgumentException(
                    "buffer " + buffer.name() + " lies in unknown allocation " + buffer.allocation());
        }
        return allocation.asSlice(buffer.offset(), buffer.length());
    }
}

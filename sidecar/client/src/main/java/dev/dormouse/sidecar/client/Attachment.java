package dev.dormouse.sidecar.client;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Memory that the sidecar fills from a snapshot, mapped read-only. Names, sizes and addresses are valid at once;
 * contents only after {@link EngineClient#await}.
 *
 * @param allocations by id
 * @param buffers by name, in the order in which the snapshot lists them
 * @param files the file set by name
 */
public record Attachment(Map<Integer, MemorySegment> allocations, Map<String, BufferMeta> buffers,
        Map<String, MemorySegment> files) {

    public Attachment {
        allocations = Map.copyOf(allocations);
        buffers = Collections.unmodifiableMap(new LinkedHashMap<>(buffers));
        files = Map.copyOf(files);
    }

    /** The bytes of one buffer. */
    public MemorySegment buffer(String name) {
        BufferMeta buffer = buffers.get(name);
        MemorySegment allocation = buffer == null ? null : allocations.get(buffer.allocation());
        if (buffer == null || allocation == null) {
            throw new NoSuchElementException("The snapshot has no buffer " + name);
        }
        return allocation.asSlice(buffer.offset(), buffer.length());
    }

    /** The bytes of one file; {@code file(name).asByteBuffer()} or a copy of them, as the engine likes. */
    public MemorySegment file(String name) {
        MemorySegment file = files.get(name);
        if (file == null) {
            throw new NoSuchElementException(
                    "The snapshot has no file " + name + ", only " + List.copyOf(files.keySet()));
        }
        return file;
    }
}

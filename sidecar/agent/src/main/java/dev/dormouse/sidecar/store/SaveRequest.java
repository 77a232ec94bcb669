package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;

/**
 * What to save.
 *
 * @param key the operator's part of the compatibility key
 * @param buffers {@code allocation} counts {@code allocations} from 0
 */
public record SaveRequest(String key, Map<String, String> compatibility, List<SourceFile> files,
        List<SourceAllocation> allocations, List<BufferMeta> buffers) {

    public SaveRequest {
        compatibility = Map.copyOf(compatibility);
        files = List.copyOf(files);
        allocations = List.copyOf(allocations);
        buffers = List.copyOf(buffers);
    }

    public record SourceFile(String name, MemorySegment bytes) {}

    public record SourceAllocation(BufferType type, MemorySegment bytes) {}

    long rawBytes() {
        return files.stream().mapToLong(file -> file.bytes().byteSize()).sum()
                + allocations.stream().mapToLong(allocation -> allocation.bytes().byteSize()).sum();
    }
}

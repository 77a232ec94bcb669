package dev.dormouse.sidecar.cuda;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * A snapshot's memory on the device. Names, sizes and addresses are valid at once; contents only after
 * {@link CudaEngineClient#await}.
 *
 * @param regions by allocation
 * @param buffers by name, in the order in which the snapshot lists them
 * @param files the file set by name, in host memory, read-only
 */
public record DeviceAttachment(Map<Integer, DeviceRegion> regions, Map<String, BufferMeta> buffers,
        Map<String, MemorySegment> files) {

    public DeviceAttachment {
        regions = Map.copyOf(regions);
        buffers = Collections.unmodifiableMap(new LinkedHashMap<>(buffers));
        files = Map.copyOf(files);
    }

    /** Where a buffer begins on the device. */
    public long address(String name) {
        BufferMeta buffer = buffers.get(name);
        DeviceRegion region = buffer == null ? null : regions.get(buffer.allocation());
        if (buffer == null || region == null) {
            throw new NoSuchElementException("The snapshot has no buffer " + name);
        }
        return region.address() + buffer.offset();
    }
}

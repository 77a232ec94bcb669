package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * What to save. Memory must not change while it is saved: seal it before.
 *
 * @param key which snapshots are interchangeable
 * @param compatibility the engine's part of the key
 * @param buffers in the order they shall be listed; types that are not saved are left out of the snapshot
 */
public record SaveRequest(String key, Map<String, String> compatibility, Instant createdAt, List<SavedBuffer> buffers,
        List<SavedFile> files) {

    public SaveRequest {
        compatibility = Map.copyOf(compatibility);
        buffers = List.copyOf(buffers);
        files = List.copyOf(files);
    }

    /** @param meta {@code allocation} is the id of {@code allocation} */
    public record SavedBuffer(BufferMeta meta, Allocation allocation) {
        public SavedBuffer {
            if (meta.allocation() != allocation.id()) {
                throw new IllegalArgumentException("buffer '" + meta.name() + "' names allocation " + meta.allocation()
                        + ", not " + allocation.id());
            }
        }
    }

    /** @param content read once; {@code /proc/self/fd/n} works */
    public record SavedFile(String name, Path content) {}
}

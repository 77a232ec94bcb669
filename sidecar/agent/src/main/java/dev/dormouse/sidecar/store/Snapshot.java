package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.format.Manifest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A published snapshot with a valid manifest. Its chunks are checked when they are restored.
 *
 * @param pinned retention leaves it alone
 */
public record Snapshot(Manifest manifest, boolean pinned) {
    public String id() {
        return manifest.id();
    }

    public String key() {
        return manifest.key();
    }

    public Map<String, String> compatibility() {
        return manifest.compatibility();
    }

    public Instant createdAt() {
        return manifest.createdAt();
    }

    /** Bytes of allocations and files before encoding. */
    public long rawBytes() {
        return manifest.rawBytes();
    }

    /** Bytes of all chunks on the volume. */
    public long storedBytes() {
        return manifest.storedBytes();
    }

    /** {@code allocation} is an index into {@link #allocations}. */
    public List<BufferMeta> buffers() {
        return manifest.buffers();
    }

    public List<Manifest.AllocationEntry> allocations() {
        return manifest.allocations();
    }

    public List<Manifest.FileEntry> files() {
        return manifest.files();
    }

    /**
     * What keeps an engine from using this snapshot: one sentence per entry of its compatibility that is another here,
     * missing here, or only here. Empty: it can be used.
     */
    public List<String> mismatches(Map<String, String> engine) {
        var names = new TreeMap<>(compatibility());
        names.putAll(engine);
        var mismatches = new ArrayList<String>();
        for (String name : names.keySet()) {
            String ours = compatibility().getOrDefault(name, "unset");
            String theirs = engine.getOrDefault(name, "unset");
            if (!ours.equals(theirs)) {
                mismatches.add(name + ": snapshot has " + ours + ", engine has " + theirs);
            }
        }
        return mismatches;
    }
}

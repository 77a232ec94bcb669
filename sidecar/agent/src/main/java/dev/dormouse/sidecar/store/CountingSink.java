package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.ChunkSink;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Writes nothing, and tells how many bytes of packs a save would have written. */
final class CountingSink implements ChunkSink {
    private final KnownChunks known;
    private final Set<Digest> counted = ConcurrentHashMap.newKeySet();
    private final AtomicLong bytes = new AtomicLong();

    CountingSink(KnownChunks known) {
        this.known = known;
    }

    @Override
    public @Nullable Chunk find(Digest digest, int rawLength) {
        return known.find(digest, rawLength);
    }

    @Override
    public Chunk append(Encoded chunk) {
        if (counted.add(chunk.digest())) {
            bytes.addAndGet(SnapshotFormat.aligned(chunk.stored().remaining()));
        }
        return chunk.at(Chunk.NO_PACK, 0);
    }

    long bytes() {
        return bytes.get();
    }
}

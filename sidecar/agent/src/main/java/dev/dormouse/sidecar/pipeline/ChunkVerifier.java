package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * Reads chunks and compares them with what their table says, checksum and identity: what a restore checks, and more than
 * an accident could pass. Belongs to one thread.
 */
public final class ChunkVerifier implements AutoCloseable {
    /** Confined: owned by the worker's thread. */
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment raw;
    private final ChunkDecoder decoder;

    /** @param key what encrypted chunks are opened with; absent when there are none */
    public ChunkVerifier(ChunkSource source, int chunkBytes, @Nullable VolumeKey key) {
        this.raw = arena.allocate(chunkBytes, 4096);
        this.decoder = new ChunkDecoder(source, Verification.Digest, chunkBytes, key);
    }

    /** @throws RestoreException naming where the chunk lies and what is wrong with it */
    public void verify(Chunk chunk) throws RestoreException {
        decoder.decode(chunk, raw.asSlice(0, chunk.rawLength()));
    }

    @Override
    public void close() {
        decoder.close();
        arena.close();
    }
}

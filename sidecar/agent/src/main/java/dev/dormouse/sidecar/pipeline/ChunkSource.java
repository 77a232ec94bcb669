package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.format.Chunk;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;

/** Where stored chunks are read from. Read by many threads at once. */
public interface ChunkSource extends Closeable {
    /**
     * Fills {@code into} with the chunk's stored bytes.
     *
     * @throws java.io.EOFException when there are fewer
     */
    void read(Chunk chunk, ByteBuffer into) throws IOException;

    /** How messages call the place, e.g. {@code packs/….pack at 4096}. */
    String describe(Chunk chunk);
}

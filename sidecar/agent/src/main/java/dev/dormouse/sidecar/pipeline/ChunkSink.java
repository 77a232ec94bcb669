package dev.dormouse.sidecar.pipeline;

import java.io.IOException;
import java.nio.ByteBuffer;

/** Where encoded chunks are written to. Written by many threads at once. */
public interface ChunkSink {
    /** @param pack index of the pack, from 0 */
    record Place(int pack, long offset) {}

    Place append(ByteBuffer stored) throws IOException;
}

package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Where encoded chunks are written to. Written by many threads at once. */
public interface ChunkSink {
    /**
     * A chunk as it will be stored.
     *
     * @param stored position to limit; belongs to the caller again when {@link #append} returns
     * @param crc32c of {@code stored}
     * @param digest of the raw bytes
     */
    record Encoded(ByteBuffer stored, Codec codec, int rawLength, boolean encrypted, int crc32c, Digest digest) {
        /** This chunk at its place. */
        public Chunk at(int pack, long offset) {
            return new Chunk(pack, offset, stored.remaining(), rawLength, codec, encrypted, crc32c, digest);
        }
    }

    /** The chunk with these raw bytes, if it is stored already: then it need not be encoded. */
    @Nullable
    Chunk find(Digest digest, int rawLength);

    /** Stores it, and says where. */
    Chunk append(Encoded chunk) throws IOException;
}

package dev.dormouse.sidecar.pipeline;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Turns raw chunks into stored ones: nothing for zeros and for what is stored already, zstd where it saves at least 3 %, else the bytes as they are
 * (decoding costs more than so little saves). Belongs to one thread.
 */
final class ChunkEncoder implements AutoCloseable {
    private static final int WORTH_PERCENT = 97;

    private final CRC32C crc = new CRC32C();
    private final MessageDigest sha = Digest.Algorithm.Sha256.start();
    /** Confined: owned by the worker's thread. */
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment zeros;
    private final ByteBuffer compressed;
    private final @Nullable ZstdCompressCtx zstd;

    /** @param level 1–22, for zstd */
    ChunkEncoder(Compression compression, int level, int chunkBytes) {
        this.zeros = arena.allocate(chunkBytes);
        this.zstd = switch (compression) {
            case None -> null;
            case Zstd -> new ZstdCompressCtx().setLevel(level);
        };
        this.compressed = zstd == null ? ByteBuffer.allocate(0) : arena.allocate(chunkBytes).asByteBuffer();
    }

    Chunk store(MemorySegment raw, ChunkSink sink) throws IOException {
        int length = Math.toIntExact(raw.byteSize());
        ByteBuffer bytes = raw.asByteBuffer();
        sha.update(bytes.duplicate());
        Digest digest = Digest.of(sha.digest());
        if (raw.mismatch(zeros.asSlice(0, length)) < 0) {
            return Chunk.zero(length, digest);
        }
        Chunk known = sink.find(digest, length);
        if (known != null) {
            return known;
        }
        ByteBuffer smaller = compress(bytes);
        ByteBuffer stored = smaller == null ? bytes : smaller;
        crc.reset();
        crc.update(stored.duplicate());
        Codec codec = smaller == null ? Codec.Raw : Codec.Zstd;
        return sink.append(new ChunkSink.Encoded(stored, codec, length, (int) crc.getValue(), digest));
    }

    private @Nullable ByteBuffer compress(ByteBuffer raw) {
        if (zstd == null) {
            return null;
        }
        int limit = (int) ((long) raw.remaining() * WORTH_PERCENT / 100);
        try {
            int length = zstd.compressDirectByteBuffer(compressed.clear(), 0, limit, raw, 0, raw.remaining());
            return compressed.slice(0, length);
        } catch (ZstdException e) {
            if (e.getErrorCode() == Zstd.errDstSizeTooSmall()) {
                return null;
            }
            throw e;
        }
    }

    @Override
    public void close() {
        if (zstd != null) {
            zstd.close();
        }
        arena.close();
    }
}

package dev.dormouse.sidecar.pipeline;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.Fault;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Reads chunks and compares them with what their table says, checksum and identity: what a restore checks, and more than
 * an accident could pass. Needs two chunks of memory. Belongs to one thread.
 */
public final class ChunkVerifier implements AutoCloseable {
    private final ChunkSource source;
    private final ByteBuffer stored;
    private final ByteBuffer raw;
    private final CRC32C crc = new CRC32C();
    private final MessageDigest sha = Digest.Algorithm.Sha256.start();
    /** Only made when needed: it loads a native library. */
    private @Nullable ZstdDecompressCtx zstd;

    public ChunkVerifier(ChunkSource source, int chunkBytes) {
        this.source = source;
        this.stored = ByteBuffer.allocateDirect(chunkBytes);
        this.raw = ByteBuffer.allocateDirect(chunkBytes);
    }

    /** @throws RestoreException naming where the chunk lies and what is wrong with it */
    public void verify(Chunk chunk) throws RestoreException {
        ByteBuffer content = switch (chunk.codec()) {
            case Zero -> zeros(chunk.rawLength());
            case Raw -> read(chunk);
            case Zstd -> decompress(chunk, read(chunk));
        };
        sha.update(content);
        if (!Digest.of(sha.digest()).equals(chunk.digest())) {
            throw new RestoreException(Fault.ChecksumMismatch,
                    (chunk.codec() == Codec.Zero ? "a chunk of zeros" : source.describe(chunk))
                            + ": the content is not what its digest says");
        }
    }

    private ByteBuffer zeros(int length) {
        raw.clear().limit(length);
        while (raw.remaining() >= Long.BYTES) {
            raw.putLong(0);
        }
        while (raw.hasRemaining()) {
            raw.put((byte) 0);
        }
        return raw.flip();
    }

    private ByteBuffer read(Chunk chunk) throws RestoreException {
        stored.clear().limit(chunk.storedLength());
        try {
            source.read(chunk, stored);
        } catch (EOFException e) {
            throw new RestoreException(Fault.InvalidPack, source.describe(chunk) + ": the pack ends inside the chunk",
                    e);
        } catch (IOException e) {
            throw new RestoreException(Fault.ReadFailed, source.describe(chunk) + ": " + e.getMessage(), e);
        }
        stored.flip();
        crc.reset();
        crc.update(stored.duplicate());
        if ((int) crc.getValue() != chunk.crc32c()) {
            throw new RestoreException(Fault.ChecksumMismatch,
                    "%s: CRC32C of %d stored bytes is %08x, %08x was written".formatted(source.describe(chunk),
                            chunk.storedLength(), (int) crc.getValue(), chunk.crc32c()));
        }
        return stored;
    }

    private ByteBuffer decompress(Chunk chunk, ByteBuffer from) throws RestoreException {
        try {
            if (zstd == null) {
                zstd = new ZstdDecompressCtx();
            }
            int length = zstd.decompressDirectByteBuffer(raw.clear(), 0, chunk.rawLength(), from, 0, from.limit());
            if (length == chunk.rawLength()) {
                return raw.limit(length);
            }
            throw new RestoreException(Fault.UndecodableChunk, source.describe(chunk) + ": decodes to " + length
                    + " bytes, not " + chunk.rawLength());
        } catch (ZstdException e) {
            throw new RestoreException(Fault.UndecodableChunk, source.describe(chunk) + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void close() {
        if (zstd != null) {
            zstd.close();
        }
    }
}

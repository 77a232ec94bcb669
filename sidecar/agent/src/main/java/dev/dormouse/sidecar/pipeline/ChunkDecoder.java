package dev.dormouse.sidecar.pipeline;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Fault;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** Brings one chunk after the other from its pack to its place. Belongs to one thread. */
final class ChunkDecoder implements AutoCloseable {
    private final ChunkSource source;
    private final boolean verify;
    private final int chunkBytes;
    private final CRC32C crc = new CRC32C();
    /** Confined: owned by the worker's thread. */
    private final Arena arena = Arena.ofConfined();
    private @Nullable MemorySegment scratch;
    private @Nullable ZstdDecompressCtx zstd;

    ChunkDecoder(ChunkSource source, boolean verify, int chunkBytes) {
        this.source = source;
        this.verify = verify;
        this.chunkBytes = chunkBytes;
    }

    /** @param landed runs when the chunk is in {@code target} and, if asked for, verified */
    void place(Chunk chunk, Lane lane, Allocation target, long offset, Runnable landed) throws RestoreException {
        if (chunk.codec() == Codec.Zero) {
            lane.zero(target, offset, chunk.rawLength(), landed);
            return;
        }
        ByteBuffer raw = lane.slot(target, offset, chunk.rawLength()).asByteBuffer();
        switch (chunk.codec()) {
            case Raw -> {
                read(chunk, raw);
                check(chunk, raw);
            }
            case Zstd -> {
                ByteBuffer stored = scratch().asSlice(0, chunk.storedLength()).asByteBuffer();
                read(chunk, stored);
                check(chunk, stored);
                decompress(chunk, stored, raw);
            }
            case Zero -> throw new IllegalStateException("placed above");
        }
        lane.submit(landed);
    }

    private void read(Chunk chunk, ByteBuffer into) throws RestoreException {
        try {
            source.read(chunk, into);
        } catch (EOFException e) {
            throw new RestoreException(Fault.InvalidPack, source.describe(chunk) + ": the pack ends inside the chunk",
                    e);
        } catch (IOException e) {
            throw new RestoreException(Fault.ReadFailed, source.describe(chunk) + ": " + e.getMessage(), e);
        }
        into.flip();
    }

    private void check(Chunk chunk, ByteBuffer stored) throws RestoreException {
        if (!verify) {
            return;
        }
        crc.reset();
        crc.update(stored.duplicate());
        if ((int) crc.getValue() != chunk.crc32c()) {
            throw new RestoreException(Fault.ChecksumMismatch,
                    "%s: CRC32C of %d stored bytes is %08x, %08x was written".formatted(source.describe(chunk),
                            chunk.storedLength(), (int) crc.getValue(), chunk.crc32c()));
        }
    }

    private void decompress(Chunk chunk, ByteBuffer stored, ByteBuffer raw) throws RestoreException {
        try {
            int length = zstd().decompressDirectByteBuffer(raw, 0, raw.capacity(), stored, 0, stored.limit());
            if (length != chunk.rawLength()) {
                throw new RestoreException(Fault.UndecodableChunk, source.describe(chunk) + ": decodes to " + length
                        + " bytes, not " + chunk.rawLength());
            }
        } catch (ZstdException e) {
            throw new RestoreException(Fault.UndecodableChunk, source.describe(chunk) + ": " + e.getMessage(), e);
        }
    }

    private MemorySegment scratch() {
        if (scratch == null) {
            scratch = arena.allocate(chunkBytes, 4096);
        }
        return scratch;
    }

    private ZstdDecompressCtx zstd() {
        if (zstd == null) {
            zstd = new ZstdDecompressCtx();
        }
        return zstd;
    }

    @Override
    public void close() {
        if (zstd != null) {
            zstd.close();
        }
        arena.close();
    }
}

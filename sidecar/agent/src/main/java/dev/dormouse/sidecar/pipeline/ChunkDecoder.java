package dev.dormouse.sidecar.pipeline;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.format.Blake3;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.ShuffleCodec;
import dev.dormouse.sidecar.format.ShuffleFrameException;
import dev.dormouse.sidecar.trust.ChunkCipher;
import dev.dormouse.sidecar.trust.TrustException;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Brings one chunk after the other from its pack to its place. Plain raw chunks are read straight into it; what each
 * further step needs is only made, and its libraries only loaded, when a chunk needs it. Belongs to one thread.
 */
final class ChunkDecoder implements AutoCloseable {
    private final ChunkSource source;
    private final Verification verification;
    private final int chunkBytes;
    private final @Nullable VolumeKey key;
    private final CRC32C crc = new CRC32C();
    /** Confined: owned by the worker's thread. */
    private final Arena arena = Arena.ofConfined();
    private long readNanos;
    private @Nullable MemorySegment scratch;
    private @Nullable MemorySegment opened;
    private @Nullable ZstdDecompressCtx zstd;
    private @Nullable ShuffleCodec shuffle;
    private @Nullable ChunkCipher cipher;
    private @Nullable Blake3 blake3;

    /** @param key what encrypted chunks are opened with; absent when there are none */
    ChunkDecoder(ChunkSource source, Verification verification, int chunkBytes, @Nullable VolumeKey key) {
        this.source = source;
        this.verification = verification;
        this.chunkBytes = chunkBytes;
        this.key = key;
    }

    /** @param landed runs when the chunk is in {@code target} and, if asked for, verified */
    void place(Chunk chunk, Lane lane, Allocation target, long offset, Runnable landed) throws RestoreException {
        if (chunk.codec() == Codec.Zero) {
            lane.zero(target, offset, chunk.rawLength(), landed);
            return;
        }
        decode(chunk, lane.slot(target, offset, chunk.rawLength()));
        lane.submit(landed);
    }

    /**
     * Reads, checks and decodes.
     *
     * @param raw receives the content; off the heap, exactly as long; undefined after a failure
     */
    void decode(Chunk chunk, MemorySegment raw) throws RestoreException {
        if (chunk.codec() == Codec.Zero) {
            raw.fill((byte) 0);
        } else if (chunk.codec() == Codec.Raw && !chunk.encrypted()) {
            read(chunk, raw);
        } else {
            MemorySegment stored = scratch().asSlice(0, chunk.storedLength());
            read(chunk, stored);
            if (chunk.codec() == Codec.Raw) {
                open(chunk, stored, raw);
            } else {
                decompress(chunk, chunk.encrypted() ? open(chunk, stored, opened(chunk)) : stored, raw);
            }
        }
        // The tag of an encrypted chunk has proven as much already.
        if (verification == Verification.Digest && !chunk.encrypted()) {
            prove(chunk, raw);
        }
    }

    private void read(Chunk chunk, MemorySegment into) throws RestoreException {
        ByteBuffer bytes = into.asByteBuffer();
        long start = System.nanoTime();
        try {
            source.read(chunk, bytes);
        } catch (EOFException e) {
            throw new RestoreException(Fault.InvalidPack, source.describe(chunk) + ": the pack ends inside the chunk",
                    e);
        } catch (IOException e) {
            throw new RestoreException(Fault.ReadFailed, source.describe(chunk) + ": " + e.getMessage(), e);
        }
        readNanos += System.nanoTime() - start;
        if (verification == Verification.None) {
            return;
        }
        crc.reset();
        crc.update(bytes.flip());
        if ((int) crc.getValue() != chunk.crc32c()) {
            throw new RestoreException(Fault.ChecksumMismatch,
                    "%s: CRC32C of %d stored bytes is %08x, %08x was written".formatted(source.describe(chunk),
                            chunk.storedLength(), (int) crc.getValue(), chunk.crc32c()));
        }
    }

    private MemorySegment open(Chunk chunk, MemorySegment stored, MemorySegment into) throws RestoreException {
        try {
            cipher().decrypt(stored, chunk.digest().bytes(), chunk.rawLength(), into);
            return into;
        } catch (TrustException e) {
            throw new RestoreException(e.fault(), source.describe(chunk) + ": " + e.getMessage(), e);
        }
    }

    private void decompress(Chunk chunk, MemorySegment from, MemorySegment raw) throws RestoreException {
        try {
            if (chunk.codec() == Codec.Shuffle) {
                shuffle().decode(from, raw);
                return;
            }
            int length = zstd().decompressDirectByteBuffer(raw.asByteBuffer(), 0, chunk.rawLength(),
                    from.asByteBuffer(), 0, (int) from.byteSize());
            if (length != chunk.rawLength()) {
                throw new RestoreException(Fault.UndecodableChunk, source.describe(chunk) + ": decodes to " + length
                        + " bytes, not " + chunk.rawLength());
            }
        } catch (ZstdException | ShuffleFrameException e) {
            throw new RestoreException(Fault.UndecodableChunk, source.describe(chunk) + ": " + e.getMessage(), e);
        }
    }

    private void prove(Chunk chunk, MemorySegment raw) throws RestoreException {
        if (blake3 == null) {
            blake3 = new Blake3();
        }
        if (!Digest.of(blake3.hash(raw)).equals(chunk.digest())) {
            throw new RestoreException(Fault.ChecksumMismatch,
                    (chunk.codec() == Codec.Zero ? "a chunk of zeros" : source.describe(chunk))
                            + ": the content is not what its digest says");
        }
    }

    /** Time spent waiting for the source. */
    long readNanos() {
        return readNanos;
    }

    private MemorySegment scratch() {
        if (scratch == null) {
            scratch = arena.allocate(chunkBytes + (key == null ? 0L : ChunkCipher.OVERHEAD), 4096);
        }
        return scratch;
    }

    private MemorySegment opened(Chunk chunk) {
        if (opened == null) {
            opened = arena.allocate(chunkBytes, 4096);
        }
        return opened.asSlice(0, chunk.encodedLength());
    }

    private ZstdDecompressCtx zstd() {
        if (zstd == null) {
            zstd = new ZstdDecompressCtx();
        }
        return zstd;
    }

    private ShuffleCodec shuffle() {
        if (shuffle == null) {
            shuffle = new ShuffleCodec(chunkBytes);
        }
        return shuffle;
    }

    private ChunkCipher cipher() throws TrustException {
        if (key == null) {
            throw new TrustException(Fault.KeyMissing, "the chunk is encrypted and there is no key");
        }
        if (cipher == null) {
            cipher = new ChunkCipher(key, new SecureRandom());
        }
        return cipher;
    }

    @Override
    public void close() {
        if (zstd != null) {
            zstd.close();
        }
        if (shuffle != null) {
            shuffle.close();
        }
        arena.close();
    }
}

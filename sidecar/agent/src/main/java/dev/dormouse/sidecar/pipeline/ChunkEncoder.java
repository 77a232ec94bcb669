package dev.dormouse.sidecar.pipeline;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.format.Blake3;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.ShuffleCodec;
import dev.dormouse.sidecar.trust.ChunkCipher;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.security.SecureRandom;
import java.util.OptionalInt;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Turns raw chunks into stored ones: nothing for zeros and for what is stored already, compressed where that saves at
 * least 3 % (decoding costs more than less saves), else the bytes as they are; then sealed, if there is a key. Belongs to
 * one thread.
 */
final class ChunkEncoder implements AutoCloseable {
    private static final int WORTH_PERCENT = 97;

    private record Encoding(MemorySegment bytes, Codec codec) {}

    private final CRC32C crc = new CRC32C();
    private final Blake3 blake3 = new Blake3();
    /** Confined: owned by the worker's thread. */
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment zeros;
    private final MemorySegment compressed;
    private final MemorySegment sealed;
    private final @Nullable ZstdCompressCtx zstd;
    private final @Nullable ShuffleCodec shuffle;
    private final @Nullable ChunkCipher cipher;

    ChunkEncoder(SavePipeline.Settings settings) {
        int chunkBytes = settings.chunkBytes();
        boolean compresses = settings.compression() == Compression.Zstd;
        this.zeros = arena.allocate(chunkBytes);
        this.compressed = arena.allocate(compresses ? chunkBytes : 0);
        this.zstd = compresses ? new ZstdCompressCtx().setLevel(settings.level()) : null;
        this.shuffle = compresses ? new ShuffleCodec(chunkBytes) : null;
        VolumeKey key = settings.key();
        this.sealed = arena.allocate(key == null ? 0 : chunkBytes + (long) ChunkCipher.OVERHEAD);
        this.cipher = key == null ? null : new ChunkCipher(key, new SecureRandom());
    }

    /** @param elementWidth bytes of one element of what the chunk holds */
    Chunk store(MemorySegment raw, int elementWidth, ChunkSink sink) throws IOException {
        int length = Math.toIntExact(raw.byteSize());
        Digest digest = Digest.of(blake3.hash(raw));
        if (raw.mismatch(zeros.asSlice(0, length)) < 0) {
            return Chunk.zero(length, digest);
        }
        Chunk known = sink.find(digest, length);
        if (known != null) {
            return known;
        }
        Encoding encoding = encode(raw, elementWidth);
        ByteBuffer stored = seal(encoding.bytes(), digest, length).asByteBuffer();
        crc.reset();
        crc.update(stored.duplicate());
        return sink.append(new ChunkSink.Encoded(stored, encoding.codec(), length, cipher != null, (int) crc.getValue(),
                digest));
    }

    private Encoding encode(MemorySegment raw, int elementWidth) {
        if (zstd == null || shuffle == null) {
            return new Encoding(raw, Codec.Raw);
        }
        MemorySegment into = compressed.asSlice(0, raw.byteSize() * WORTH_PERCENT / 100);
        if (elementWidth == 2 || elementWidth == 4) {
            OptionalInt length = shuffle.encode(raw, elementWidth, into);
            return length.isPresent()
                    ? new Encoding(into.asSlice(0, length.getAsInt()), Codec.Shuffle)
                    : new Encoding(raw, Codec.Raw);
        }
        try {
            int length = zstd.compressDirectByteBuffer(into.asByteBuffer(), 0, (int) into.byteSize(),
                    raw.asByteBuffer(), 0, (int) raw.byteSize());
            return new Encoding(into.asSlice(0, length), Codec.Zstd);
        } catch (ZstdException e) {
            if (e.getErrorCode() == Zstd.errDstSizeTooSmall()) {
                return new Encoding(raw, Codec.Raw);
            }
            throw e;
        }
    }

    private MemorySegment seal(MemorySegment encoded, Digest digest, int rawLength) {
        if (cipher == null) {
            return encoded;
        }
        MemorySegment into = sealed.asSlice(0, encoded.byteSize() + ChunkCipher.OVERHEAD);
        cipher.encrypt(encoded, digest.bytes(), rawLength, into);
        return into;
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

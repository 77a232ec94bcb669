package dev.dormouse.sidecar.store;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.sidecar.format.Checksums;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Pack;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** Writes chunks into packs, one thread, in order. Nothing it wrote counts before a manifest names it. */
final class SnapshotWriter implements AutoCloseable {
    /** Compression that saves less than this share is not worth its decoding. */
    private static final double WORTHWHILE = 0.97;

    private final SnapshotFiles files;
    private final IntFunction<Path> packPath;
    private final SaveOptions options;
    private final ByteBuffer staging;
    private final List<Path> packs = new ArrayList<>();
    private final List<Long> lengths = new ArrayList<>();
    private final List<Chunk> chunks = new ArrayList<>();
    private SnapshotFiles.Output pack;
    private long position;
    private long storedBytes;

    SnapshotWriter(SnapshotFiles files, IntFunction<Path> packPath, SaveOptions options) throws IOException {
        this.files = files;
        this.packPath = packPath;
        this.options = options;
        this.staging = ByteBuffer.allocateDirect((int) Zstd.compressBound(Pack.CHUNK));
        this.pack = openPack();
    }

    private SnapshotFiles.Output openPack() throws IOException {
        Path path = packPath.apply(packs.size());
        SnapshotFiles.Output output = files.create(path);
        packs.add(path);
        output.write(Pack.header(), 0);
        position = Pack.BLOCK;
        return output;
    }

    /** Cuts {@code bytes} into chunks and stores them. */
    void write(MemorySegment bytes) throws IOException {
        for (long at = 0; at < bytes.byteSize(); at += Pack.CHUNK) {
            writeChunk(bytes.asSlice(at, Math.min(Pack.CHUNK, bytes.byteSize() - at)));
        }
    }

    private void writeChunk(MemorySegment bytes) throws IOException {
        ByteBuffer raw = bytes.asByteBuffer();
        String digest = Checksums.sha256(raw);
        if (isZero(bytes)) {
            chunks.add(new Chunk(packs.size() - 1, Codec.Zero, 0, 0, raw.remaining(), 0, digest));
            return;
        }
        if (position + raw.remaining() + Pack.BLOCK > Pack.LARGEST) {
            finishPack();
            pack = openPack();
        }
        ByteBuffer compressed = compress(raw);
        boolean worthwhile = compressed.remaining() > 0 && compressed.remaining() < raw.remaining() * WORTHWHILE;
        ByteBuffer stored = worthwhile ? compressed : raw;
        chunks.add(new Chunk(packs.size() - 1, worthwhile ? Codec.Zstd : Codec.Raw, position, stored.remaining(),
                raw.remaining(), Checksums.crc32c(stored), digest));
        int length = stored.remaining();
        pack.write(stored.duplicate(), position);
        storedBytes += length;
        position = Pack.aligned(position + length);
    }

    /** Empty when nothing is to be compressed. */
    private ByteBuffer compress(ByteBuffer raw) throws IOException {
        staging.clear();
        if (options.zstdLevel() == 0) {
            return staging.limit(0);
        }
        try {
            return staging.limit((int) Zstd.compressDirectByteBuffer(staging, 0, staging.capacity(), raw, 0,
                    raw.remaining(), options.zstdLevel()));
        } catch (ZstdException e) {
            throw new IOException("zstd: " + e.getMessage(), e);
        }
    }

    private static boolean isZero(MemorySegment bytes) {
        long words = bytes.byteSize() / Long.BYTES;
        for (long i = 0; i < words; i++) {
            if (bytes.get(ValueLayout.JAVA_LONG_UNALIGNED, i * Long.BYTES) != 0) {
                return false;
            }
        }
        for (long i = words * Long.BYTES; i < bytes.byteSize(); i++) {
            if (bytes.get(ValueLayout.JAVA_BYTE, i) != 0) {
                return false;
            }
        }
        return true;
    }

    /** Makes every pack durable, but for its folder. */
    void finish() throws IOException {
        finishPack();
    }

    private void finishPack() throws IOException {
        long length = position + Pack.BLOCK;
        pack.write(Pack.footer(length), position);
        pack.sync();
        pack.close();
        lengths.add(length);
    }

    List<Chunk> chunks() {
        return chunks;
    }

    List<Long> lengths() {
        return lengths;
    }

    List<Path> packs() {
        return packs;
    }

    long storedBytes() {
        return storedBytes;
    }

    @Override
    public void close() throws IOException {
        pack.close();
    }
}

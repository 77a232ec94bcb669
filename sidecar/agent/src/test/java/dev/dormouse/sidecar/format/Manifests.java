package dev.dormouse.sidecar.format;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** A small valid snapshot: one file, one allocation of three chunks (raw, zero, zstd), one pack. */
final class Manifests {
    static final String ID = "20261121t101530123z-9f86d081884c7d65";
    static final String PACK = ID + "-0000";
    static final Digest DIGEST = new Digest(1, 2, 3, 4);
    static final List<Chunk> CHUNKS = List.of(new Chunk(0, 4096, 100, 100, Codec.Raw, 11, DIGEST),
            new Chunk(0, 8192, 4096, 4096, Codec.Raw, 12, DIGEST), Chunk.zero(4096, DIGEST),
            new Chunk(0, 12288, 50, 808, Codec.Zstd, 13, DIGEST));
    static final List<AllocationEntry> ALLOCATIONS = List.of(new AllocationEntry(9000, BufferType.Weights));
    static final List<BufferMeta> BUFFERS = List.of(buffer("größe/权重/🐁", 0, 0, 5000), buffer("b", 0, 5000, 4000));
    static final List<FileEntry> FILES = List.of(new FileEntry("tokenizer/tokenizer.json", 100));

    private Manifests() {}

    static BufferMeta buffer(String name, int allocation, long offset, long length) {
        return new BufferMeta(name, allocation, offset, length, BufferType.Weights, "u8", List.of(length), false);
    }

    static Manifest manifest() {
        return manifest(ALLOCATIONS, BUFFERS, FILES, CHUNKS);
    }

    static Manifest manifest(List<AllocationEntry> allocations, List<BufferMeta> buffers, List<FileEntry> files,
            List<Chunk> chunks) {
        return new Manifest(SnapshotFormat.NAME, SnapshotFormat.VERSION, ID, "key-1",
                Map.of("engine", "onnxruntime 1.22"),
                Instant.parse("2026-11-21T10:15:30.123456Z"), 9100,
                chunks.stream().mapToLong(Chunk::storedLength).sum(),
                "blake3:00", "blake3:01", Manifest.PLAIN, 4096, allocations, buffers, files,
                List.of(new PackEntry(PACK, 20480, 3)),
                ChunkTable.of(chunks).entry());
    }
}

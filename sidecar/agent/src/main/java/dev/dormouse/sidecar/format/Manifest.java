package dev.dormouse.sidecar.format;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * The head of a snapshot, as {@code manifest.json} holds it. {@link ManifestCodec} reads and writes it,
 * {@link ManifestRules} says what is allowed in it.
 *
 * @param id the folder's name too
 * @param key which snapshots are interchangeable: model, revision, engine image and arguments
 * @param compatibility the engine's own part of the key: what must be equal for the snapshot to be usable
 * @param rawBytes of all extents, before encoding
 * @param storedBytes of all chunks, as stored
 * @param weightsDigest digest over the digests of all chunks of {@link BufferType#Weights}: equal weights, equal digest (S13)
 * @param rootDigest digest over the digests of all chunks in order: equal content, equal digest (S14)
 * @param dataKey id of the key that the chunks are encrypted with; {@link #PLAIN} when they are not
 * @param allocations device memory to be made before restoring; buffers refer to them by index
 * @param buffers {@code allocation} is an index into {@code allocations}
 */
public record Manifest(String format, int formatVersion, String id, String key, Map<String, String> compatibility,
        Instant createdAt, long rawBytes, long storedBytes, String weightsDigest, String rootDigest, String dataKey,
        int chunkBytes, List<AllocationEntry> allocations, List<BufferMeta> buffers, List<FileEntry> files,
        List<PackEntry> packs,
        TableEntry chunkTable) {

    /** {@link #dataKey} of a snapshot that is not encrypted. */
    public static final String PLAIN = "none";

    public Manifest {
        compatibility = Map.copyOf(compatibility);
        allocations = List.copyOf(allocations);
        buffers = List.copyOf(buffers);
        files = List.copyOf(files);
        packs = List.copyOf(packs);
    }

    /** @param bytes &gt; 0 */
    public record AllocationEntry(long bytes, BufferType bufferType) {}

    /** @param name a relative path, segments separated by {@code /} */
    public record FileEntry(String name, long length) {}

    /** @param bytes the whole file, header and footer included */
    public record PackEntry(String id, long bytes, int chunks) {}

    /**
     * @param crc32c of the whole file, 8 hex digits
     * @param digest of the whole file
     */
    public record TableEntry(long bytes, int chunks, String crc32c, String digest) {}

    /** Files first: an engine needs its graph and tokenizer before its weights. */
    public ChunkLayout layout() {
        return new ChunkLayout(chunkBytes, LongStream.concat(files.stream().mapToLong(FileEntry::length),
                allocations.stream().mapToLong(AllocationEntry::bytes)).toArray());
    }

    public boolean encrypted() {
        return !dataKey.equals(PLAIN);
    }

    /** The extent of the {@code index}th allocation. */
    public int allocationExtent(int index) {
        return files.size() + index;
    }
}

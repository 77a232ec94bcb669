package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.Compression;
import java.util.Set;

/**
 * @param level 1–22, for zstd (S3)
 * @param types what is saved (S17)
 * @param chunkBytes a power of two from 4 KiB to 64 MiB
 * @param workers threads that encode
 * @param incremental refer to chunks that the volume holds already instead of writing them again (S4)
 */
public record SaveOptions(Compression compression, int level, Set<BufferType> types, int chunkBytes, int workers,
        boolean incremental) {
    public static final int DEFAULT_LEVEL = 3;

    public SaveOptions {
        types = Set.copyOf(types);
        if (level < 1 || level > 22) {
            throw new IllegalArgumentException("level: " + level + " is not between 1 and 22");
        }
        if (workers < 1) {
            throw new IllegalArgumentException("workers: " + workers + " is below 1");
        }
    }

    SaveOptions with(Compression other) {
        return new SaveOptions(other, level, types, chunkBytes, workers, incremental);
    }

    /** Weights only, default chunks, all cores, incremental. */
    public static SaveOptions of(Compression compression, int level) {
        return new SaveOptions(compression, level, Set.of(BufferType.Weights), SnapshotFormat.DEFAULT_CHUNK_BYTES,
                Runtime.getRuntime().availableProcessors(), true);
    }
}

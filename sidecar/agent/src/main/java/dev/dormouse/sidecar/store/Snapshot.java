package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Manifest;
import java.nio.file.Path;
import java.util.List;

/**
 * A published snapshot whose manifest and chunk table were read and checked; its packs were not read yet.
 *
 * @param packs files by pack number
 */
public record Snapshot(Manifest manifest, List<Chunk> chunks, List<Path> packs) {

    public Snapshot {
        chunks = List.copyOf(chunks);
        packs = List.copyOf(packs);
    }

    public String id() {
        return manifest.id();
    }
}

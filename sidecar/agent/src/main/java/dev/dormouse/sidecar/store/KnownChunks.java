package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chunks of usable snapshots, by identity: a save refers to them instead of writing them again. Read after the save has
 * been announced, so that whatever is found here is not unlinked before the save has ended.
 */
final class KnownChunks {
    private static final Logger LOG = LoggerFactory.getLogger(KnownChunks.class);
    /** Bounds the memory of an index; 4 TiB at the default chunk size. */
    private static final int MAX_CHUNKS = 1 << 20;
    /** Leaves room for the packs of the new snapshot. */
    private static final int MAX_PACKS = 1 << 10;

    private final List<PackEntry> packs = new ArrayList<>();
    private final Map<String, Integer> packNumbers = new HashMap<>();
    private final Map<Digest, Chunk> byDigest = new HashMap<>();

    private KnownChunks() {}

    static KnownChunks none() {
        return new KnownChunks();
    }

    /**
     * What can be referred to: newest snapshots first, those of the same key before others, none with a pack that a
     * quarantined snapshot shares, none with another data key.
     */
    static KnownChunks read(Catalog catalog, String key, String dataKey) throws IOException {
        var known = new KnownChunks();
        Set<String> suspect = suspectPacks(catalog);
        List<Snapshot> newestFirst = catalog.list()
                .snapshots()
                .reversed()
                .stream()
                .filter(snapshot -> snapshot.manifest().dataKey().equals(dataKey))
                .sorted(Comparator.comparing(snapshot -> !snapshot.key().equals(key)))
                .toList();
        for (Snapshot snapshot : newestFirst) {
            known.add(catalog, snapshot.manifest(), suspect);
        }
        return known;
    }

    private static Set<String> suspectPacks(Catalog catalog) throws IOException {
        var suspect = new HashSet<String>();
        for (Manifest manifest : catalog.contents().manifests()) {
            if (catalog.quarantineOf(manifest.id()).isPresent()) {
                manifest.packs().forEach(pack -> suspect.add(pack.id()));
            }
        }
        return suspect;
    }

    private void add(Catalog catalog, Manifest manifest, Set<String> suspect) throws IOException {
        boolean fits = byDigest.size() + manifest.chunkTable().chunks() <= MAX_CHUNKS
                && packs.size() + manifest.packs().size() <= MAX_PACKS;
        if (!fits || manifest.packs().stream().anyMatch(pack -> suspect.contains(pack.id()))) {
            return;
        }
        try {
            ChunkTable table = catalog.table(manifest);
            for (int i = 0; i < table.size(); i++) {
                Chunk chunk = table.chunk(i);
                if (chunk.codec() != Codec.Zero) {
                    byDigest.putIfAbsent(chunk.digest(), chunk.inPack(number(manifest.packs().get(chunk.pack()))));
                }
            }
        } catch (InvalidSnapshotException e) {
            LOG.atWarn()
                    .addKeyValue("snapshot", manifest.id())
                    .log("No chunk of it is referred to: {}",
                            e.getMessage());
        }
    }

    private int number(PackEntry pack) {
        return packNumbers.computeIfAbsent(pack.id(), added -> {
            packs.add(pack);
            return packs.size() - 1;
        });
    }

    /** {@link Chunk#pack} of the chunks here is an index into these. */
    List<PackEntry> packs() {
        return packs;
    }

    @Nullable
    Chunk find(Digest digest, int rawLength) {
        Chunk chunk = byDigest.get(digest);
        return chunk == null || chunk.rawLength() != rawLength ? null : chunk;
    }
}

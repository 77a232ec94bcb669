package dev.dormouse.sidecar.store;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.PackFrame;
import dev.dormouse.sidecar.format.SnapshotFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Rewrites packs of which less than half is needed. Chunks stay at their offsets and the file keeps its length: where
 * chunks were, the new file has holes, which take no room. So no manifest changes, and who reads the old file reads the
 * same bytes.
 */
final class Compactor {
    private static final Logger LOG = LoggerFactory.getLogger(Compactor.class);
    private static final int COPY_BYTES = 1 << 20;

    /** @param needed blocks of {@link SnapshotFormat#ALIGNMENT} bytes, header and footer left out */
    record Sparse(PackEntry pack, BitSet needed, long keptBytes) {
        long neededBytes() {
            return needed.cardinality() * (long) ALIGNMENT;
        }
    }

    record Plan(List<Sparse> packs) {
        boolean isEmpty() {
            return packs.isEmpty();
        }
    }

    private final SnapshotFiles files;
    private final Catalog catalog;
    private final String instance;

    /** @param instance of the process: two that rewrite one pack must not write to one file */
    Compactor(SnapshotFiles files, Catalog catalog, String instance) {
        this.files = files;
        this.catalog = catalog;
        this.instance = instance;
    }

    /** The packs worth rewriting, by all manifests and tables there are. */
    Plan plan() throws IOException {
        Map<String, BitSet> needed = new HashMap<>();
        Map<String, PackEntry> packs = new HashMap<>();
        Set<String> unknown = new HashSet<>();
        for (Manifest manifest : catalog.contents().manifests()) {
            manifest.packs().forEach(pack -> packs.put(pack.id(), pack));
            try {
                mark(manifest, catalog.table(manifest), needed);
            } catch (InvalidSnapshotException e) {
                manifest.packs().forEach(pack -> unknown.add(pack.id()));
            }
        }
        packs.keySet().removeAll(unknown);
        var plan = new ArrayList<Sparse>();
        for (PackEntry pack : packs.values()) {
            BitSet blocks = needed.getOrDefault(pack.id(), new BitSet());
            // Most packs are full, and telling so costs no read.
            if (sparse(blocks, pack.bytes() - 2L * ALIGNMENT)) {
                consider(pack, blocks, plan);
            }
        }
        return new Plan(plan);
    }

    private static void mark(Manifest manifest, ChunkTable table, Map<String, BitSet> needed) {
        for (int i = 0; i < table.size(); i++) {
            Chunk chunk = table.chunk(i);
            if (chunk.codec() != Codec.Zero) {
                int from = Math.toIntExact(chunk.offset() / ALIGNMENT);
                int to = Math.toIntExact(SnapshotFormat.aligned(chunk.offset() + chunk.storedLength()) / ALIGNMENT);
                needed.computeIfAbsent(manifest.packs().get(chunk.pack()).id(), id -> new BitSet()).set(from, to);
            }
        }
    }

    private static boolean sparse(BitSet needed, long heldBytes) {
        return 2L * needed.cardinality() * ALIGNMENT < heldBytes;
    }

    private void consider(PackEntry pack, BitSet blocks, List<Sparse> plan) throws IOException {
        try {
            long kept = PackFrame.keptBytes(footer(pack));
            if (sparse(blocks, kept)) {
                plan.add(new Sparse(pack, blocks, kept));
            }
        } catch (InvalidSnapshotException e) {
            LOG.atWarn().addKeyValue("pack", pack.id()).log("A damaged pack is not rewritten: {}", e.getMessage());
        }
    }

    private ByteBuffer footer(PackEntry pack) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.pack(pack.id());
        try (SnapshotFiles.OpenFile file = files.open(path)) {
            ByteBuffer footer = ByteBuffer.allocate(ALIGNMENT);
            file.read(footer, pack.bytes() - ALIGNMENT);
            PackFrame.checkFooter(path, footer.flip(), pack);
            return footer;
        }
    }

    /** @return bytes that take no room any more */
    long rewrite(Plan plan) throws IOException {
        long freed = 0;
        for (Sparse pack : plan.packs()) {
            if (files.usableBytes() < pack.neededBytes() + 2L * ALIGNMENT) {
                LOG.atInfo().addKeyValue("pack", pack.pack().id()).log("There is no room to rewrite it");
                continue;
            }
            rewrite(pack);
            freed += pack.keptBytes() - pack.neededBytes();
        }
        return freed;
    }

    private void rewrite(Sparse sparse) throws IOException {
        PackEntry pack = sparse.pack();
        String path = VolumePaths.pack(pack.id());
        String fresh = VolumePaths.unfinished(path + "." + instance);
        try (SnapshotFiles.OpenFile from = files.open(path); SnapshotFiles.NewFile to = files.create(fresh)) {
            to.write(PackFrame.header(pack.id()), 0);
            for (int begin = sparse.needed().nextSetBit(0); begin >= 0;) {
                int end = sparse.needed().nextClearBit(begin);
                copy(from, to, begin * (long) ALIGNMENT,
                        Math.min(end * (long) ALIGNMENT, pack.bytes() - ALIGNMENT));
                begin = sparse.needed().nextSetBit(end);
            }
            to.write(PackFrame.footer(pack, sparse.neededBytes()), pack.bytes() - ALIGNMENT);
            to.force();
        } catch (IOException e) {
            files.delete(fresh);
            throw e;
        }
        files.rename(fresh, path);
    }

    private static void copy(SnapshotFiles.OpenFile from, SnapshotFiles.NewFile to, long begin, long end)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(COPY_BYTES, end - begin));
        for (long at = begin; at < end; at += buffer.limit()) {
            buffer.clear().limit((int) Math.min(buffer.capacity(), end - at));
            from.read(buffer, at);
            to.write(buffer.flip(), at);
        }
    }

    /** What a rewriting left that was cut short; another one that is under way fails then, and harms nothing. */
    void removeUnfinished() throws IOException {
        for (String name : files.list(VolumePaths.PACKS)) {
            if (name.endsWith(VolumePaths.unfinished(""))) {
                files.delete(VolumePaths.PACKS + "/" + name);
            }
        }
    }
}

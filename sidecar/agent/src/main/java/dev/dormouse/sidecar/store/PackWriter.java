package dev.dormouse.sidecar.store;

import static dev.dormouse.sidecar.format.SnapshotFormat.ALIGNMENT;

import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.PackFrame;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.format.SnapshotId;
import dev.dormouse.sidecar.pipeline.ChunkSink;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes a snapshot's packs, a new one whenever the present one is full, and refers to what other snapshots hold already.
 * Places are given out under the monitor.
 */
final class PackWriter implements ChunkSink, Closeable {
    private static final class Pack {
        private final String id;
        private final SnapshotFiles.NewFile file;
        private long end = ALIGNMENT;
        private int chunks;

        Pack(String id, SnapshotFiles.NewFile file) {
            this.id = id;
            this.file = file;
        }

        PackEntry entry() {
            return new PackEntry(id, end + ALIGNMENT, chunks);
        }
    }

    private final SnapshotFiles files;
    private final String snapshotId;
    private final long maxPackBytes;
    private final KnownChunks known;
    private final Map<Digest, Chunk> written = new ConcurrentHashMap<>();
    private final List<Pack> packs = new ArrayList<>();

    PackWriter(SnapshotFiles files, String snapshotId, long maxPackBytes, KnownChunks known) {
        this.files = files;
        this.snapshotId = snapshotId;
        this.maxPackBytes = maxPackBytes;
        this.known = known;
    }

    @Override
    public @Nullable Chunk find(Digest digest, int rawLength) {
        Chunk chunk = known.find(digest, rawLength);
        return chunk == null ? written.get(digest) : chunk;
    }

    @Override
    public Chunk append(Encoded encoded) throws IOException {
        Pack pack;
        Chunk chunk;
        synchronized (this) {
            pack = packWithRoomFor(encoded.stored().remaining());
            chunk = encoded.at(known.packs().size() + packs.size() - 1, pack.end);
            pack.end = SnapshotFormat.aligned(pack.end + chunk.storedLength());
            pack.chunks++;
        }
        pack.file.write(encoded.stored(), chunk.offset());
        written.put(chunk.digest(), chunk);
        return chunk;
    }

    private Pack packWithRoomFor(int bytes) throws IOException {
        if (!packs.isEmpty()) {
            Pack last = packs.getLast();
            if (SnapshotFormat.aligned(last.end + bytes) + ALIGNMENT <= maxPackBytes) {
                return last;
            }
        }
        String id = SnapshotId.pack(snapshotId, packs.size());
        var pack = new Pack(id, files.create(VolumePaths.pack(id)));
        packs.add(pack);
        pack.file.write(PackFrame.header(id), 0);
        return pack;
    }

    /**
     * Completes all packs and makes their content durable.
     *
     * @return the packs that {@link Chunk#pack} counts: those of other snapshots, then the new ones
     */
    synchronized List<PackEntry> finish() throws IOException {
        for (Pack pack : packs) {
            pack.file.write(PackFrame.footer(pack.entry()), pack.end);
            pack.file.force();
        }
        return Stream.concat(known.packs().stream(), packs.stream().map(Pack::entry)).toList();
    }

    @Override
    public synchronized void close() throws IOException {
        IOException first = null;
        for (Pack pack : packs) {
            try {
                pack.file.close();
            } catch (IOException e) {
                first = first == null ? e : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }
}

package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.format.Blake3;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkLayout;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Codec;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.ManifestCodec;
import dev.dormouse.sidecar.format.ManifestRules;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.ChunkSink;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.SavePipeline;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustException;
import dev.dormouse.sidecar.trust.VolumeKey;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One save. The order of its steps is what makes a crash harmless: announce, packs, table, manifest under another name,
 * each durable before the next; then one rename publishes all of it.
 */
final class SnapshotWriter {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotWriter.class);
    /** No weights that we measured compress below this share; a volume with less room need not be tried. */
    private static final double BEST_COMPRESSION = 0.6;
    /** What is left of a volume when a write that failed most likely failed for want of room. */
    private static final long NEARLY_FULL_BYTES = 1 << 20;

    private final SnapshotFiles files;
    private final Catalog catalog;
    private final Intents intents;
    private final Remover remover;
    private final VolumeKeys keys;
    private final Trust trust;
    private final long maxPackBytes;

    SnapshotWriter(SnapshotFiles files, Catalog catalog, Intents intents, Remover remover, VolumeKeys keys,
            Trust trust, long maxPackBytes) {
        this.files = files;
        this.catalog = catalog;
        this.intents = intents;
        this.remover = remover;
        this.keys = keys;
        this.trust = trust;
        this.maxPackBytes = maxPackBytes;
    }

    Snapshot save(String id, SaveRequest request, DeviceMemory device, SaveOptions options, ProgressListener progress)
            throws IOException, InvalidSnapshotException {
        try (SaveContent content = SaveContent.of(request, options)) {
            ManifestRules.checkKey(request.key());
            ManifestRules.checkCompatibility(request.compatibility());
            ManifestRules.checkChunkBytes(options.chunkBytes());
            ManifestRules.checkContent(content.allocations(), content.buffers(), content.files());
            ChunkLayout layout = content.layout(options.chunkBytes());
            var save = new Save(id, request, content, layout, device, options, keys.forWriting());
            long needed = save.neededBytes();
            try {
                if (files.usableBytes() < needed && catalog.list().snapshots().isEmpty()) {
                    throw new VolumeFullException(needed, files.usableBytes());
                }
                Intent intent = intents.announce(Intent.Kind.Save, id);
                KnownChunks known = options.incremental()
                        ? KnownChunks.read(catalog, request.key(), save.dataKey())
                        : KnownChunks.none();
                save.checkRoom(known);
                Manifest manifest = save.write(known, progress);
                publish(manifest, intent);
                return new Snapshot(manifest, false);
            } catch (IOException e) {
                abandon(id, e);
                throw asVolumeFull(e, needed);
            } catch (RuntimeException | Error e) {
                abandon(id, e);
                throw e;
            }
        }
    }

    private void publish(Manifest manifest, Intent intent) throws IOException {
        String path = VolumePaths.manifest(manifest.id());
        String folder = VolumePaths.snapshot(manifest.id());
        byte[] bytes = ManifestCodec.write(manifest);
        String signature = signature(bytes);
        if (signature != null) {
            writeDurably(VolumePaths.signature(manifest.id()), signature.getBytes(StandardCharsets.UTF_8));
        }
        writeDurably(VolumePaths.unfinished(path), bytes);
        files.sync(folder);
        if (!intents.stands(intent)) {
            throw new IOException("the save took so long that others took it for dead; save again");
        }
        for (PackEntry pack : manifest.packs()) {
            if (!files.exists(VolumePaths.pack(pack.id()))) {
                throw new IOException("pack " + pack.id() + " was removed during the save; save again");
            }
        }
        files.rename(VolumePaths.unfinished(path), path);
        files.sync(folder);
        strike(intent);
    }

    private @Nullable String signature(byte[] manifest) throws TrustFailedException {
        try {
            return trust.sign(manifest);
        } catch (TrustException e) {
            throw new TrustFailedException(e.fault(), e);
        }
    }

    /** The snapshot is published whether this succeeds or not. */
    private void strike(Intent intent) {
        try {
            intents.strike(intent);
        } catch (IOException e) {
            LOG.atWarn()
                    .addKeyValue("snapshot", intent.snapshotId())
                    .setCause(e)
                    .log("The intent of a published snapshot stays until the next start of the sidecar");
        }
    }

    private void writeDurably(String path, byte[] bytes) throws IOException {
        try (SnapshotFiles.NewFile file = files.create(path)) {
            file.write(ByteBuffer.wrap(bytes), 0);
            file.force();
        }
    }

    /** The intent goes last: what cannot be removed now is removed by the next process that opens the volume. */
    private void abandon(String id, Throwable cause) {
        try {
            remover.removeUnfinished(id);
            intents.strikeAll(intent -> intent.snapshotId().equals(id));
        } catch (IOException e) {
            cause.addSuppressed(e);
            LOG.atWarn()
                    .addKeyValue("snapshot", id)
                    .setCause(e)
                    .log("An unfinished save could not be removed; the next start of the sidecar will try again");
        }
    }

    /** Java has no own exception for a full disk, and the message is in the language of the system. */
    private IOException asVolumeFull(IOException e, long needed) {
        if (e instanceof VolumeFullException || e instanceof TrustFailedException) {
            return e;
        }
        try {
            long usable = files.usableBytes();
            String message = String.valueOf(e.getMessage());
            if (message.contains("No space left") || message.contains("quota exceeded") || usable < NEARLY_FULL_BYTES) {
                var full = new VolumeFullException(needed, usable);
                full.initCause(e);
                return full;
            }
        } catch (IOException unknown) {
            e.addSuppressed(unknown);
        }
        return e;
    }

    /** The parts of one save that belong together. */
    private final class Save {
        private final String id;
        private final SaveRequest request;
        private final SaveContent content;
        private final ChunkLayout layout;
        private final DeviceMemory device;
        private final SaveOptions options;
        private final @Nullable VolumeKey key;

        Save(String id, SaveRequest request, SaveContent content, ChunkLayout layout, DeviceMemory device,
                SaveOptions options, @Nullable VolumeKey key) {
            this.id = id;
            this.request = request;
            this.content = content;
            this.layout = layout;
            this.device = device;
            this.options = options;
            this.key = key;
        }

        String dataKey() {
            return key == null ? Manifest.PLAIN : key.id();
        }

        /** With nothing on the volume to refer to. */
        long neededBytes() {
            return switch (options.compression()) {
                case None, Auto -> layout.totalBytes();
                case Zstd -> (long) (layout.totalBytes() * BEST_COMPRESSION);
            } + layout.chunks() * (long) SnapshotFormat.ALIGNMENT + metadataBytes();
        }

        private long metadataBytes() {
            return layout.chunks() * (long) SnapshotFormat.ALIGNMENT + content.buffers().size() * 1024L + (64 << 10);
        }

        /** Where a whole snapshot has no room the new chunks may: encodes once to see how much that is. */
        void checkRoom(KnownChunks known) throws IOException {
            long usable = files.usableBytes();
            if (usable >= neededBytes()) {
                return;
            }
            var counter = new CountingSink(known);
            run(counter, ProgressListener.NONE);
            long needed = counter.bytes() + metadataBytes();
            if (usable < needed) {
                throw new VolumeFullException(needed, usable);
            }
        }

        private List<Chunk> run(ChunkSink sink, ProgressListener progress) throws IOException {
            return SavePipeline.run(layout, content.sources(), device, sink,
                    new SavePipeline.Settings(options.compression(), options.level(), options.chunkBytes(),
                            options.workers(), key),
                    progress);
        }

        Manifest write(KnownChunks known, ProgressListener progress) throws IOException {
            List<Chunk> chunks;
            List<PackEntry> packs;
            try (PackWriter writer = new PackWriter(files, id, maxPackBytes, known)) {
                chunks = run(writer, progress);
                packs = writer.finish();
            }
            files.sync(VolumePaths.PACKS);

            files.createFolder(VolumePaths.snapshot(id));
            files.sync(VolumePaths.SNAPSHOTS);
            var used = new TreeMap<Integer, Integer>();
            chunks.stream().filter(chunk -> chunk.codec() != Codec.Zero).forEach(chunk -> used.put(chunk.pack(), 0));
            var usedPacks = new ArrayList<PackEntry>();
            for (var index : used.entrySet()) {
                index.setValue(usedPacks.size());
                usedPacks.add(packs.get(index.getKey()));
            }
            List<Chunk> placed = chunks.stream()
                    .map(chunk -> chunk.codec() == Codec.Zero
                            ? chunk
                            : chunk.inPack(used.getOrDefault(chunk.pack(), 0)))
                    .toList();
            ChunkTable table = ChunkTable.of(placed);
            writeDurably(VolumePaths.chunkTable(id), table.bytes());
            long storedBytes = placed.stream().mapToLong(Chunk::storedLength).sum();
            return new Manifest(SnapshotFormat.NAME, SnapshotFormat.VERSION, id, request.key(),
                    request.compatibility(), request.createdAt(), layout.totalBytes(), storedBytes,
                    digest(weights(placed)), digest(placed), dataKey(), options.chunkBytes(), content.allocations(),
                    content.buffers(),
                    content.files(), usedPacks, table.entry());
        }

        private List<Chunk> weights(List<Chunk> chunks) {
            var weights = new ArrayList<Chunk>();
            for (int i = 0; i < chunks.size(); i++) {
                int allocation = layout.piece(i).extent() - content.files().size();
                if (allocation >= 0 && content.allocations().get(allocation).bufferType() == BufferType.Weights) {
                    weights.add(chunks.get(i));
                }
            }
            return weights;
        }

        private static String digest(List<Chunk> chunks) {
            var ids = new byte[chunks.size() * Digest.BYTES];
            for (int i = 0; i < chunks.size(); i++) {
                System.arraycopy(chunks.get(i).digest().bytes(), 0, ids, i * Digest.BYTES, Digest.BYTES);
            }
            return Digest.of(new Blake3().hash(MemorySegment.ofArray(ids))).labelled();
        }
    }
}

package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkLayout;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Digest;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.ManifestCodec;
import dev.dormouse.sidecar.format.ManifestRules;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.SavePipeline;
import dev.dormouse.sidecar.pipeline.SaveSource;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.SaveRequest.SavedFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    private final Intents intents;
    private final long maxPackBytes;

    SnapshotWriter(SnapshotFiles files, Intents intents, long maxPackBytes) {
        this.files = files;
        this.intents = intents;
        this.maxPackBytes = maxPackBytes;
    }

    Snapshot save(String id, SaveRequest request, DeviceMemory device, SaveOptions options, ProgressListener progress)
            throws IOException, InvalidSnapshotException {
        try (Content content = Content.of(request, options)) {
            ManifestRules.checkKey(request.key());
            ManifestRules.checkCompatibility(request.compatibility());
            ManifestRules.checkChunkBytes(options.chunkBytes());
            ManifestRules.checkContent(content.allocations(), content.buffers(), content.files());
            ChunkLayout layout = content.layout(options.chunkBytes());
            long needed = neededBytes(layout, content, options);
            if (files.usableBytes() < needed) {
                throw new VolumeFullException(needed, files.usableBytes());
            }
            try {
                intents.announce(id);
                Manifest manifest = write(id, request, content, layout, device, options, progress);
                publish(manifest);
                return new Snapshot(manifest);
            } catch (IOException e) {
                abandon(id, e);
                throw asVolumeFull(e, needed);
            } catch (RuntimeException | Error e) {
                abandon(id, e);
                throw e;
            }
        }
    }

    private Manifest write(String id, SaveRequest request, Content content, ChunkLayout layout, DeviceMemory device,
            SaveOptions options, ProgressListener progress) throws IOException {
        List<Chunk> chunks;
        List<PackEntry> packs;
        try (PackWriter writer = new PackWriter(files, id, maxPackBytes)) {
            chunks = SavePipeline.run(layout, content.sources(), device, writer,
                    new SavePipeline.Settings(options.compression(), options.level(), options.chunkBytes(),
                            options.workers()),
                    progress);
            packs = writer.finish();
        }
        files.sync(VolumePaths.PACKS);

        files.createFolder(VolumePaths.snapshot(id));
        files.sync(VolumePaths.SNAPSHOTS);
        ChunkTable table = ChunkTable.of(chunks);
        writeDurably(VolumePaths.chunkTable(id), table.bytes());
        long storedBytes = chunks.stream().mapToLong(Chunk::storedLength).sum();
        return new Manifest(SnapshotFormat.NAME, SnapshotFormat.VERSION, id, request.key(), request.compatibility(),
                request.createdAt(), layout.totalBytes(), storedBytes, weightsDigest(content, layout, chunks),
                options.chunkBytes(), content.allocations(), content.buffers(), content.files(), packs, table.entry());
    }

    private void publish(Manifest manifest) throws IOException {
        String path = VolumePaths.manifest(manifest.id());
        String folder = VolumePaths.snapshot(manifest.id());
        writeDurably(VolumePaths.unfinished(path), ManifestCodec.write(manifest));
        files.sync(folder);
        for (PackEntry pack : manifest.packs()) {
            if (!files.exists(VolumePaths.pack(pack.id()))) {
                throw new IOException("pack " + pack.id() + " was removed while it was written; save again");
            }
        }
        files.rename(VolumePaths.unfinished(path), path);
        files.sync(folder);
        strike(manifest.id());
    }

    /** The snapshot is published whether this succeeds or not. */
    private void strike(String id) {
        try {
            intents.strike(id);
        } catch (IOException e) {
            LOG.atWarn()
                    .addKeyValue("snapshot", id)
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
            Intents.remove(files, id);
            intents.strike(id);
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

    private static long neededBytes(ChunkLayout layout, Content content, SaveOptions options) {
        long metadata = layout.chunks() * 2L * SnapshotFormat.ALIGNMENT + content.buffers().size() * 1024L + (64 << 10);
        long data = switch (options.compression()) {
            case None -> layout.totalBytes();
            case Zstd -> (long) (layout.totalBytes() * BEST_COMPRESSION);
        };
        return data + metadata;
    }

    private static String weightsDigest(Content content, ChunkLayout layout, List<Chunk> chunks) {
        var digest = Digest.Algorithm.Sha256.start();
        for (int i = 0; i < chunks.size(); i++) {
            int allocation = layout.piece(i).extent() - content.files().size();
            if (allocation >= 0 && content.allocations().get(allocation).bufferType() == BufferType.Weights) {
                digest.update(chunks.get(i).digest().bytes());
            }
        }
        return Digest.of(digest.digest()).labelled(Digest.Algorithm.Sha256);
    }

    /** What of a request goes into the snapshot, with its files open. */
    private record Content(List<AllocationEntry> allocations, List<BufferMeta> buffers, List<FileEntry> files,
            List<SaveSource> sources) implements Closeable {

        static Content of(SaveRequest request, SaveOptions options) throws IOException {
            var sources = new ArrayList<SaveSource>();
            var fileEntries = new ArrayList<FileEntry>();
            Map<Allocation, Integer> indexes = new LinkedHashMap<>();
            var content = new Content(new ArrayList<>(), new ArrayList<>(), fileEntries, sources);
            try {
                for (SavedFile file : request.files()) {
                    FileChannel channel = FileChannel.open(file.content(), StandardOpenOption.READ);
                    sources.add(new SaveSource.OfFile(file.name(), channel, channel.size()));
                    fileEntries.add(new FileEntry(file.name(), channel.size()));
                }
            } catch (IOException e) {
                content.close();
                throw e;
            }
            for (SavedBuffer buffer : request.buffers()) {
                if (options.types().contains(buffer.meta().bufferType())) {
                    int index = indexes.computeIfAbsent(buffer.allocation(), added -> indexes.size());
                    content.buffers.add(withAllocation(buffer.meta(), index));
                }
            }
            for (Allocation allocation : indexes.keySet()) {
                sources.add(new SaveSource.OfAllocation(allocation));
                content.allocations.add(new AllocationEntry(allocation.bytes(), allocation.type()));
            }
            return content;
        }

        private static BufferMeta withAllocation(BufferMeta meta, int allocation) {
            return new BufferMeta(meta.name(), allocation, meta.offset(), meta.length(), meta.bufferType(),
                    meta.dtype(), meta.shape(), meta.optional());
        }

        ChunkLayout layout(int chunkBytes) {
            return new ChunkLayout(chunkBytes, sources.stream().mapToLong(SaveSource::length).toArray());
        }

        @Override
        public void close() throws IOException {
            for (SaveSource source : sources) {
                if (source instanceof SaveSource.OfFile file) {
                    file.channel().close();
                }
            }
        }
    }
}

package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.format.ChunkLayout;
import dev.dormouse.sidecar.format.ElementWidth;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.pipeline.SaveSource;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.SaveRequest.SavedFile;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What of a request goes into the snapshot, with its files open. */
record SaveContent(List<AllocationEntry> allocations, List<BufferMeta> buffers, List<FileEntry> files,
        List<SaveSource> sources) implements Closeable {

    static SaveContent of(SaveRequest request, SaveOptions options) throws IOException {
        var sources = new ArrayList<SaveSource>();
        var fileEntries = new ArrayList<FileEntry>();
        Map<Allocation, Integer> indexes = new LinkedHashMap<>();
        var content = new SaveContent(new ArrayList<>(), new ArrayList<>(), fileEntries, sources);
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
            sources.add(new SaveSource.OfAllocation(allocation, elementWidth(content.buffers,
                    indexes.getOrDefault(allocation, 0))));
            content.allocations.add(new AllocationEntry(allocation.bytes(), allocation.type()));
        }
        return content;
    }

    /** One allocation holds elements of one width; where an engine did not keep to that, nothing is known. */
    private static int elementWidth(List<BufferMeta> buffers, int allocation) {
        int[] widths = buffers.stream()
                .filter(buffer -> buffer.allocation() == allocation && buffer.length() > 0)
                .mapToInt(buffer -> ElementWidth.of(buffer.dtype()))
                .distinct()
                .toArray();
        return widths.length == 1 ? widths[0] : ElementWidth.BYTES;
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

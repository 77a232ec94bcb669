package dev.dormouse.sidecar.safetensors;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.format.Manifest.AllocationEntry;
import dev.dormouse.sidecar.format.Manifest.FileEntry;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import dev.dormouse.sidecar.safetensors.TensorLayout.Extent;
import dev.dormouse.sidecar.safetensors.TensorLayout.Region;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;

/**
 * A snapshot's weights as safetensors files: of an import the very bytes that were imported, of an engine's snapshot one
 * file {@code model.safetensors} with all its weights.
 */
public final class SafetensorsExport {
    private static final String ONE_FILE = "model.safetensors";
    /** Without it {@code transformers} refuses to load a file. */
    private static final Map<String, String> METADATA = Map.of("format", "pt");

    private final Snapshot snapshot;
    private final Map<String, Header> headers = new LinkedHashMap<>();

    private SafetensorsExport(Snapshot snapshot) {
        this.snapshot = snapshot;
    }

    /**
     * Every chunk is checked on its way. A file appears under its name when it is whole and durable.
     *
     * @param folder is made where it is missing
     * @return what was written
     * @throws FileAlreadyExistsException when a file is there already; nothing is written then
     * @throws RestoreException when the snapshot is damaged
     * @throws InvalidSafetensorsException when the snapshot holds what the format cannot express
     */
    public static List<Path> run(SnapshotStore store, Snapshot snapshot, Path folder, RestoreOptions options)
            throws IOException, RestoreException, InterruptedException {
        var export = new SafetensorsExport(snapshot);
        export.readHeaders(store);
        return export.write(store, folder, options);
    }

    private void readHeaders(SnapshotStore store) throws IOException, RestoreException {
        for (FileEntry file : snapshot.files()) {
            String name = file.name().startsWith(SafetensorsImport.HEADERS)
                    ? file.name().substring(SafetensorsImport.HEADERS.length())
                    : "";
            if (!name.isEmpty() && name.indexOf('/') < 0) {
                headers.put(name, Header.parse(store.readFile(snapshot, file.name()), file.name()));
            }
        }
        if (headers.isEmpty()) {
            var tensors = new ArrayList<Tensor>();
            for (BufferMeta buffer : snapshot.buffers()) {
                if (buffer.bufferType() == BufferType.Weights) {
                    tensors.add(tensor(buffer));
                }
            }
            headers.put(ONE_FILE, Header.of(tensors, METADATA));
        }
    }

    private static Tensor tensor(BufferMeta buffer) throws InvalidSafetensorsException {
        Dtype dtype = Dtype.ofBuffer(buffer.dtype())
                .orElseThrow(
                        () -> new InvalidSafetensorsException("buffer '%s': safetensors knows no elements of type %s"
                                .formatted(buffer.name(), buffer.dtype())));
        if (!dtype.fills(buffer.shape(), buffer.length())) {
            throw new InvalidSafetensorsException("buffer '%s': its %d bytes are not %s of %s"
                    .formatted(buffer.name(), buffer.length(), buffer.shape(), dtype));
        }
        return new Tensor(buffer.name(), dtype, buffer.shape(), 0, buffer.length());
    }

    private List<Path> write(SnapshotStore store, Path folder, RestoreOptions options)
            throws IOException, RestoreException, InterruptedException {
        Files.createDirectories(folder);
        List<Path> targets = headers.keySet().stream().map(folder::resolve).toList();
        for (Path target : targets) {
            if (Files.exists(target)) {
                throw new FileAlreadyExistsException(target.toString(), null, "is there already; move it away first");
            }
        }
        List<Path> unfinished = new ArrayList<>();
        var channels = new ArrayList<FileChannel>();
        try {
            for (var header : headers.entrySet()) {
                Path path = folder.resolve(header.getKey() + ".unfinished");
                channels.add(FileChannel.open(path, StandardOpenOption.WRITE, StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING));
                unfinished.add(path);
                begin(channels.getLast(), header.getValue());
            }
            fill(store, channels, options);
            for (FileChannel channel : channels) {
                channel.force(true);
            }
            for (int i = 0; i < targets.size(); i++) {
                Files.move(unfinished.get(i), targets.get(i), StandardCopyOption.ATOMIC_MOVE);
            }
        } finally {
            for (FileChannel channel : channels) {
                channel.close();
            }
            for (Path path : unfinished) {
                Files.deleteIfExists(path);
            }
        }
        return targets;
    }

    /** The header, and the file's whole length: what is zero is never written. */
    private static void begin(FileChannel channel, Header header) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(header.bytes());
        while (bytes.hasRemaining()) {
            channel.write(bytes, bytes.position());
        }
        long end = header.bytes().length + header.dataBytes();
        if (header.dataBytes() > 0) {
            channel.write(ByteBuffer.allocate(1), end - 1);
        }
    }

    private void fill(SnapshotStore store, List<FileChannel> channels, RestoreOptions options)
            throws IOException, RestoreException, InterruptedException {
        var tensors = new TensorFiles(channels, regions());
        try (RestoreTask task = store.restore(snapshot, tensors, options)) {
            task.done().get();
        } catch (ExecutionException e) {
            if (tensors.failure() != null) {
                throw tensors.failure();
            }
            if (e.getCause() instanceof RestoreException failure) {
                throw failure;
            }
            throw new IllegalStateException("a restore fails in no other way", e.getCause());
        }
    }

    /** Which bytes of the snapshot's allocations belong where in the files. */
    private List<Region> regions() throws InvalidSafetensorsException {
        Map<String, BufferMeta> buffers = new HashMap<>();
        snapshot.buffers().forEach(buffer -> buffers.put(buffer.name(), buffer));
        List<List<Extent>> extents = new ArrayList<>();
        snapshot.allocations().forEach(allocation -> extents.add(new ArrayList<>()));
        int file = 0;
        for (var header : headers.entrySet()) {
            for (Tensor tensor : header.getValue().tensors()) {
                BufferMeta buffer = buffers.get(tensor.name());
                if (buffer == null || buffer.length() != tensor.length()) {
                    throw new InvalidSafetensorsException("%s: the snapshot has no tensor '%s' of %d bytes"
                            .formatted(header.getKey(), tensor.name(), tensor.length()));
                }
                extents.get(buffer.allocation())
                        .add(new Extent(buffer.offset(), file, header.getValue().bytes().length + tensor.offset(),
                                tensor.length()));
            }
            file++;
        }
        List<Region> regions = new ArrayList<>();
        for (int i = 0; i < extents.size(); i++) {
            AllocationEntry allocation = snapshot.allocations().get(i);
            regions.add(new Region(allocation.bytes(), allocation.bufferType(), List.copyOf(extents.get(i))));
        }
        return regions;
    }
}

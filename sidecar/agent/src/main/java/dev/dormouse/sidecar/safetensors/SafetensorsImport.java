package dev.dormouse.sidecar.safetensors;

import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SaveRequest;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.SaveRequest.SavedFile;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;

/**
 * A snapshot straight from safetensors files, so that even the first start of a model is a restore. Every tensor becomes
 * a buffer of its name. The files' headers go along as files {@code safetensors/<file name>}: with them
 * {@link SafetensorsExport} writes the same bytes again.
 */
public final class SafetensorsImport {
    static final String HEADERS = "safetensors/";

    private SafetensorsImport() {}

    /**
     * @param key which snapshots are interchangeable
     * @param compatibility what an engine has to say of itself to be given this snapshot
     * @param models safetensors files; no two tensors and no two files share a name
     * @param files what engines need beside weights, by the name they ask for
     */
    public record Request(String key, Map<String, String> compatibility, Instant createdAt, List<Path> models,
            Map<String, Path> files) {
        public Request {
            compatibility = Map.copyOf(compatibility);
            models = List.copyOf(models);
            files = Map.copyOf(files);
        }
    }

    /**
     * Reads the files once; in memory are their headers and a few chunks.
     *
     * @throws InvalidSafetensorsException when a file breaks a rule of its format; nothing is written then
     * @throws InvalidSnapshotException when a name or count is more than a snapshot holds; nothing is written then
     * @throws IOException when reading or writing failed; what was written is removed
     */
    public static Snapshot run(SnapshotStore store, Request request, SaveOptions options, ProgressListener progress)
            throws IOException, InvalidSnapshotException {
        Path scratch = Files.createTempDirectory("dormouse-import");
        try (var models = new OpenModels()) {
            for (Path model : request.models()) {
                models.open(model);
            }
            List<SavedFile> files = headers(models, scratch);
            request.files().forEach((name, path) -> files.add(new SavedFile(name, path)));
            TensorLayout layout = TensorLayout.of(models.headers);
            var tensors = new TensorFiles(models.channels, layout.allocations());
            try {
                return store.save(new SaveRequest(request.key(), request.compatibility(), request.createdAt(),
                        buffers(layout, tensors), files), tensors, options, progress);
            } catch (UncheckedIOException e) {
                throw tensors.failure() == null ? e.getCause() : tensors.failure();
            }
        } finally {
            clear(scratch);
        }
    }

    private static List<SavedFile> headers(OpenModels models, Path scratch) throws IOException {
        List<SavedFile> files = new ArrayList<>();
        for (int i = 0; i < models.headers.size(); i++) {
            Path header = scratch.resolve(Integer.toString(i));
            Files.write(header, models.headers.get(i).bytes());
            files.add(new SavedFile(HEADERS + models.names.get(i), header));
        }
        return files;
    }

    private static List<SavedBuffer> buffers(TensorLayout layout, TensorFiles tensors) {
        return layout.buffers()
                .stream()
                .map(buffer -> new SavedBuffer(buffer, tensors.regions().get(buffer.allocation())))
                .toList();
    }

    private static void clear(Path scratch) throws IOException {
        try (var files = Files.newDirectoryStream(scratch)) {
            for (Path file : files) {
                Files.delete(file);
            }
        }
        Files.delete(scratch);
    }

    /** Files that stay open, so that what is read is what was checked. */
    private static final class OpenModels implements AutoCloseable {
        private final List<String> names = new ArrayList<>();
        private final List<FileChannel> channels = new ArrayList<>();
        private final List<Header> headers = new ArrayList<>();
        private final Map<String, String> fileByTensor = new HashMap<>();
        private final HashSet<String> taken = new HashSet<>();

        void open(Path model) throws IOException {
            String name = model.getFileName().toString();
            if (!taken.add(name)) {
                throw new InvalidSafetensorsException(name + ": two files have this name");
            }
            FileChannel channel = FileChannel.open(model, StandardOpenOption.READ);
            channels.add(channel);
            Header header = Header.read((into, position) -> fill(channel, into, position), channel.size(), name);
            for (Tensor tensor : header.tensors()) {
                String other = fileByTensor.put(tensor.name(), name);
                if (other != null) {
                    throw new InvalidSafetensorsException(
                            "%s: tensor '%s' is in %s too".formatted(name, tensor.name(), other));
                }
            }
            names.add(name);
            headers.add(header);
        }

        private static void fill(FileChannel channel, ByteBuffer into, long position) throws IOException {
            while (into.hasRemaining()) {
                if (channel.read(into, position + into.position()) < 0) {
                    throw new EOFException("the file has become shorter while it was read");
                }
            }
        }

        @Override
        public void close() throws IOException {
            for (FileChannel channel : channels) {
                channel.close();
            }
        }
    }
}

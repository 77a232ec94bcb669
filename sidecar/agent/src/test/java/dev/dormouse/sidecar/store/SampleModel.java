package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.SaveRequest.SavedFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Device memory and files as an engine would leave them, and what must come back. */
public final class SampleModel implements AutoCloseable {
    public static final String KEY = "0123456789abcdef".repeat(4);

    private final HostDevice device = new HostDevice(8L << 30);
    private final List<SavedBuffer> buffers = new ArrayList<>();
    private final List<SavedFile> files = new ArrayList<>();
    private final Map<String, byte[]> contents = new LinkedHashMap<>();
    private final Path folder;
    private final Random random;

    public SampleModel(Path folder, long seed) {
        this.folder = folder;
        this.random = new Random(seed);
    }

    public HostDevice device() {
        return device;
    }

    public byte[] random(int bytes) {
        var content = new byte[bytes];
        random.nextBytes(content);
        return content;
    }

    /** An allocation of its own, holding one buffer. */
    public SampleModel buffer(String name, BufferType type, byte[] content) {
        Allocation allocation = allocation(type, content.length == 0 ? new byte[1] : content);
        return buffer(name, allocation, 0, content);
    }

    public Allocation allocation(BufferType type, byte[] content) {
        Allocation allocation = device.allocate(content.length, type);
        try (Lane lane = device.openLane(content.length)) {
            lane.slot(allocation, 0, content.length).copyFrom(MemorySegment.ofArray(content));
            lane.submit(() -> {
            });
        }
        return allocation;
    }

    public SampleModel buffer(String name, Allocation allocation, long offset, byte[] content) {
        return buffer(name, allocation, offset, content, "u8");
    }

    public SampleModel buffer(String name, Allocation allocation, long offset, byte[] content, String dtype) {
        buffers.add(new SavedBuffer(new BufferMeta(name, allocation.id(), offset, content.length, allocation.type(),
                dtype, List.of((long) content.length), false), allocation));
        contents.put(name, content);
        return this;
    }

    public SampleModel file(String name, byte[] content) throws IOException {
        Path path = Files.write(Files.createTempFile(folder, "file", ".bin"), content);
        files.add(new SavedFile(name, path));
        contents.put(name, content);
        return this;
    }

    public SaveRequest request(Instant createdAt) {
        return new SaveRequest(KEY, Map.of("engine", "sample 1"), createdAt, buffers, files);
    }

    public Map<String, byte[]> contents() {
        return contents;
    }

    /** What a restore brought back, by name. */
    public static Map<String, byte[]> restored(RestoreTask task, HostDevice device) throws IOException {
        var restored = new LinkedHashMap<String, byte[]>();
        for (BufferMeta buffer : task.buffers()) {
            Allocation allocation = task.allocations()
                    .stream()
                    .filter(a -> a.id() == buffer.allocation())
                    .findFirst()
                    .orElseThrow();
            restored.put(buffer.name(), bytes(device, allocation, buffer.offset(), (int) buffer.length()));
        }
        for (var file : task.files()) {
            restored.put(file.name(), Files.readAllBytes(Path.of("/proc/self/fd/" + file.fd())));
        }
        return restored;
    }

    public static byte[] bytes(HostDevice device, Allocation allocation, long offset, int length) {
        try (Lane lane = device.openLane(length)) {
            return lane.read(allocation, offset, length).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
        }
    }

    @Override
    public void close() {
        device.close();
    }
}

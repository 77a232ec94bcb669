package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Memory that an engine has filled from the source and committed: sealed and complete. */
final class CommittedGeneration implements Generation {
    private final String id = UUID.randomUUID().toString();
    private final Map<String, String> compatibility;
    private final Map<Integer, Allocation> memory;
    private final List<BufferMeta> buffers;
    private final Map<String, MemoryFile> fileSet;

    CommittedGeneration(Map<String, String> compatibility, Map<Integer, Allocation> memory, List<BufferMeta> buffers,
            Map<String, MemoryFile> fileSet) {
        this.compatibility = Map.copyOf(compatibility);
        this.memory = Map.copyOf(memory);
        this.buffers = List.copyOf(buffers);
        this.fileSet = Map.copyOf(fileSet);
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public Map<String, String> compatibility() {
        return compatibility;
    }

    Map<Integer, Allocation> memory() {
        return memory;
    }

    Map<String, MemoryFile> fileSet() {
        return fileSet;
    }

    @Override
    public List<Part> allocations() {
        List<Part> parts = new ArrayList<>();
        memory.values().forEach(allocation -> parts.add(Part.of(allocation)));
        return parts;
    }

    @Override
    public List<BufferMeta> buffers() {
        return buffers;
    }

    @Override
    public List<Part> files() {
        List<Part> parts = new ArrayList<>();
        fileSet.forEach((name, file) -> parts
                .add(new Part(name, 0, file.bytes(), BufferType.Other, file.descriptor().number())));
        return parts;
    }

    @Override
    public void await(@Nullable String name) throws RefusedException {
        if (name != null && !fileSet.containsKey(name)
                && buffers.stream().noneMatch(buffer -> buffer.name().equals(name))) {
            throw new RefusedException(UNKNOWN_NAME, "There is no buffer or file named " + name);
        }
    }

    @Override
    public void close() {
        memory.values().forEach(Allocation::close);
        fileSet.values().forEach(MemoryFile::close);
    }
}

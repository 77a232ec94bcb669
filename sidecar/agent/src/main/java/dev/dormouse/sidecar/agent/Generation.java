package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.ReceivedFile;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.store.SaveRequest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Memory that an engine fills: allocations, the buffers named in them, and a file set. Frozen by {@link #commit}; given
 * up whole otherwise. Owned by the engine's session.
 */
final class Generation implements AutoCloseable {

    /** What the engine asked for cannot be; the code goes into {@code FAILED}. */
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1;
        private final String code;

        RefusedException(String code, String message) {
            super(message);
            this.code = code;
        }

        String code() {
            return code;
        }
    }

    private final String id;
    private final Map<String, String> compatibility;
    private final DeviceMemory device;
    private final Map<Integer, Allocation> allocations = new LinkedHashMap<>();
    private final Map<String, BufferMeta> buffers = new LinkedHashMap<>();
    private final Map<String, ReceivedFile> files = new LinkedHashMap<>();
    private boolean committed;

    Generation(String id, Map<String, String> compatibility, DeviceMemory device) {
        this.id = id;
        this.compatibility = Map.copyOf(compatibility);
        this.device = device;
    }

    String id() {
        return id;
    }

    Map<String, String> compatibility() {
        return compatibility;
    }

    boolean committed() {
        return committed;
    }

    Allocation allocate(EngineMessage.Alloc request) throws IOException {
        requireOpen();
        refuseUnless(request.bytes() > 0 && request.bytes() <= Manifest.LARGEST_ALLOCATION, "InvalidSize",
                "an allocation of " + request.bytes() + " bytes");
        refuseUnless(allocations.size() < Manifest.MOST_ALLOCATIONS, "TooMany", "more than " + Manifest.MOST_ALLOCATIONS
                + " allocations: put several buffers into one");
        Allocation allocation = device.allocate(request.bytes(), request.bufferType());
        allocations.put(allocation.id(), allocation);
        return allocation;
    }

    /** All or none. */
    void name(List<BufferMeta> added) throws IOException {
        requireOpen();
        refuseUnless(buffers.size() + added.size() <= Manifest.MOST_BUFFERS, "TooMany", "more than "
                + Manifest.MOST_BUFFERS + " buffers");
        Map<String, BufferMeta> checked = new LinkedHashMap<>();
        for (BufferMeta buffer : added) {
            check(buffer);
            refuseUnless(!known(buffer.name()) && checked.put(buffer.name(), buffer) == null, "DuplicateName",
                    "two buffers or files are named " + buffer.name());
        }
        buffers.putAll(checked);
    }

    private void check(BufferMeta buffer) throws RefusedException {
        refuseUnless(!buffer.name().isEmpty() && buffer.name().length() <= Manifest.LONGEST_BUFFER_NAME, "InvalidName",
                "a buffer's name has 1 to " + Manifest.LONGEST_BUFFER_NAME + " characters");
        Allocation allocation = allocations.get(buffer.allocation());
        if (allocation == null) {
            throw new RefusedException("UnknownAllocation",
                    "buffer " + buffer.name() + " names allocation " + buffer.allocation()
                            + ", which was not issued here");
        }
        refuseUnless(
                buffer.offset() >= 0 && buffer.length() >= 0 && buffer.length() <= allocation.bytes() - buffer.offset(),
                "OutOfBounds", "buffer " + buffer.name() + " at " + buffer.offset() + " of " + buffer.length()
                        + " bytes does not lie in its allocation of " + allocation.bytes());
        refuseUnless(buffer.bufferType() == allocation.type(), "MixedTypes",
                "buffer " + buffer.name() + " is " + buffer.bufferType() + " in an allocation of " + allocation.type());
    }

    private boolean known(String name) {
        return buffers.containsKey(name) || files.containsKey(name);
    }

    void putFile(EngineMessage.PutFile request, int descriptor) throws IOException {
        ReceivedFile file = ReceivedFile.take(descriptor);
        try {
            requireOpen();
            refuseUnless(Manifest.FILE_NAME.matcher(request.name()).matches(), "InvalidName",
                    "a file's name is letters, digits, dot, dash and underscore, not " + request.name());
            refuseUnless(files.size() < Manifest.MOST_FILES, "TooMany", "more than " + Manifest.MOST_FILES + " files");
            refuseUnless(request.length() == file.bytes() && request.length() <= Manifest.LARGEST_FILE, "InvalidSize",
                    "file " + request.name() + " of " + request.length() + " bytes came with " + file.bytes());
            refuseUnless(!known(request.name()), "DuplicateName", "two buffers or files are named " + request.name());
            files.put(request.name(), file);
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    /** Freezes everything: no process can write or resize it from here on. */
    void commit() throws IOException {
        requireOpen();
        for (Allocation allocation : allocations.values()) {
            allocation.freeze();
            allocation.seal();
        }
        committed = true;
    }

    List<Allocation> allocations() {
        return List.copyOf(allocations.values());
    }

    List<BufferMeta> buffers() {
        return List.copyOf(buffers.values());
    }

    Map<String, ReceivedFile> files() {
        return new LinkedHashMap<>(files);
    }

    /** Weights and the file set; other types hold what a model forgets when it sleeps (S17). */
    SaveRequest saveRequest(String key) throws IOException {
        List<SaveRequest.SourceFile> savedFiles = new ArrayList<>();
        for (Map.Entry<String, ReceivedFile> file : files.entrySet()) {
            savedFiles.add(new SaveRequest.SourceFile(file.getKey(), file.getValue().segment()));
        }
        Map<Integer, Integer> numbers = new HashMap<>();
        List<SaveRequest.SourceAllocation> saved = new ArrayList<>();
        for (Allocation allocation : allocations.values()) {
            if (allocation.type() == BufferType.Weights) {
                numbers.put(allocation.id(), saved.size());
                saved.add(new SaveRequest.SourceAllocation(allocation.type(), allocation.segment()));
            }
        }
        List<BufferMeta> savedBuffers = new ArrayList<>();
        for (BufferMeta buffer : buffers.values()) {
            Integer number = numbers.get(buffer.allocation());
            if (number != null) {
                savedBuffers.add(new BufferMeta(buffer.name(), number, buffer.offset(), buffer.length(),
                        buffer.bufferType(), buffer.dtype(), buffer.shape(), buffer.optional()));
            }
        }
        return new SaveRequest(key, compatibility, savedFiles, saved, savedBuffers);
    }

    private void requireOpen() throws RefusedException {
        refuseUnless(!committed, "Committed", "this generation is committed: nothing can be added");
    }

    private static void refuseUnless(boolean holds, String code, String message) throws RefusedException {
        if (!holds) {
            throw new RefusedException(code, message);
        }
    }

    @Override
    public void close() throws IOException {
        for (Allocation allocation : allocations.values()) {
            allocation.close();
        }
        for (ReceivedFile file : files.values()) {
            file.close();
        }
    }
}
